"""What each program is linked with: the one that faces the network carries no more than it needs."""

import re
import subprocess

import pytest

from pipeline import BIN, REPO

SIZE_MAX = 1_400_000  # debug data included; it was 1.6 MB when ingress linked every provider


def lines(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.plain  # the sanitizer's own code is C++, and large
def test_ingress_carries_no_provider_no_json_parser_and_no_cpp_runtime():
    """libzmq itself needs the C++ runtime, so ldd's list has it; what counts is whose need it is."""
    program = str(BIN / "trotline-ingress")
    symbols = [line.split(maxsplit=2)[-1] for line in lines("nm", "-C", program)]
    foreign = [name for name in symbols if re.search(
        r"simdjson|json_read|std::|^provider_(check|find|of|source|status)|^scheme_|^fields_|^form_",
        name)]
    providers = {line.split("(")[1].split(",")[0] for line in open(REPO / "proto/providers.h")
                 if line.startswith("\tX(")}
    assert len(providers) > 10
    assert foreign == []
    assert not providers & {name.removeprefix("provider_") for name in symbols}
    needed = " ".join(line for line in lines("readelf", "-d", program) if "(NEEDED)" in line)
    assert "libzmq" in needed
    assert not re.search("stdc|simdjson|sqlite|lmdb|curl", needed), needed
    assert (BIN / "trotline-ingress").stat().st_size <= SIZE_MAX


@pytest.mark.plain
def test_what_runs_fifteen_times_loads_no_crypto_and_no_http():
    """Each library that must be relocated costs memory in every process: libcrypto 400 kB."""
    for program in sorted(BIN.glob("trotline-handler-*")) + [BIN / "trotline-router"]:
        needed = " ".join(line for line in lines("readelf", "-d", str(program))
                          if "(NEEDED)" in line)
        assert "libzmq" in needed
        assert not re.search("crypto|ssl|curl|microhttpd|lmdb|simdjson", needed), program
