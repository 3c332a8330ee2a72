"""Fixtures of the end-to-end tests, and the stages' logs beside every failure."""

import contextlib
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from forwarding import Application  # noqa: E402  (needs the path above)
import servers  # noqa: E402
from pipeline import Pipeline, close_all  # noqa: E402


def pytest_configure(config):
    # Processes would inherit it as ignored when the tests are run under nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.addinivalue_line(
        "markers", "plain: measures, or is traced or interposed: not for the sanitizer build")


def pytest_collection_modifyitems(items):
    """A test that hangs is one that fails; none needs a quarter of this."""
    for item in items:
        item.add_marker(pytest.mark.timeout(300))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """While the pipelines still stand: what their stages said last."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when in ("setup", "call"):
        for pipeline in Pipeline.live:
            report.sections.append(("the stages' logs", pipeline.logs()))


def pytest_sessionfinish():
    servers.close_shared()


@pytest.fixture
def start():
    """start(...) gives a running Pipeline; all are stopped and checked at the end of the test.
    prepare(pipeline) is called before its first process starts."""
    pipelines = []

    def make(prepare=None, **options):
        pipelines.append(Pipeline(**options))
        if prepare:
            prepare(pipelines[-1])
        return pipelines[-1].start()

    yield make
    close_all(pipelines)


@pytest.fixture(scope="module")
def pipeline():
    """One for a file's tests of what operators see."""
    one = Pipeline(admin=True)
    yield one.start()
    close_all([one])


@pytest.fixture
def folder():
    """One whose name leaves room for the sockets'."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="tl-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def shared():
    """One pipeline for a file's tests that leave nothing behind which another would see."""
    pipeline = Pipeline()
    yield pipeline.start()
    close_all([pipeline])


@pytest.fixture
def client(shared):
    """A connection to the shared pipeline."""
    with shared.client() as connection:
        yield connection


def preload_library(folder, name):
    """NAME.c beside this file, to be put before libc."""
    path = folder / f"{name}.so"
    subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", path,
                    pathlib.Path(__file__).parent / f"{name}.c", "-ldl"], check=True)
    return path


@pytest.fixture(scope="session")
def fault_library(tmp_path_factory):
    return preload_library(tmp_path_factory.mktemp("fault"), "fault_disk")


@pytest.fixture(scope="session")
def names_library(tmp_path_factory):
    return preload_library(tmp_path_factory.mktemp("names"), "fault_names")


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    return preload_library(tmp_path_factory.mktemp("clock"), "fault_clock")


@pytest.fixture(scope="session")
def postgres_server():
    """One a run, started by who asks first; a test asks it for a database() of its own."""
    return servers.shared_postgres()


@pytest.fixture(scope="session")
def redis_server():
    """One a run; a test asks it for the number() of a database of its own."""
    with servers.redis() as server:
        yield server


@pytest.fixture
def application(tmp_path):
    """application(name, ...) gives an Application that listens until the test ends. Name it before `start`."""
    with contextlib.ExitStack() as stack:
        yield lambda name="app", decide=200, **options: stack.enter_context(
            Application(tmp_path, name, decide, **options))
