"""Memory that runs out is our trouble: the sender is told 503, never that its request is bad."""

import json
import pathlib
import subprocess

import pytest

from pipeline import event, read_answer, request_bytes

pytestmark = pytest.mark.plain
HERE = pathlib.Path(__file__).parent
HEADERS = 250  # so many that their list does not fit into what the zone has at first


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("fault") / "fault_memory.so"
    subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", path,
                    HERE / "fault_memory.c", "-ldl"], check=True)
    return path


def post(pipeline):
    request = request_bytes(json.dumps(event()).encode())
    odd = "".join(f"A{i}: b\r\n" for i in range(HEADERS)).encode()
    with pipeline.connect() as sock:
        sock.sendall(request.replace(b"Host:", odd + b"Host:"))
        return read_answer(sock)


@pytest.mark.parametrize("function", ["strndup", "msgpack_zone_malloc_expand"],
                         ids=["for the target", "for the headers"])
def test_a_request_that_ingress_has_no_memory_for_is_503(start, library, function):
    fault = None

    def prepare(pipeline):
        nonlocal fault
        fault = pipeline.folder / f"fault.{function}"
        pipeline["ingress"].env = {
            "LD_PRELOAD": str(library), "FAULT_FILE": str(pipeline.folder / "fault")}

    pipeline = start(prepare=prepare, settings={"limits": {"answer_timeout": "500ms"}})
    assert post(pipeline).status == 202
    fault.touch()
    answer = post(pipeline)
    assert answer.status == 503 and "retry-after" in answer.headers, answer
    fault.unlink()
    assert post(pipeline).status == 202
