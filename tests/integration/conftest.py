"""What the integration tests share.

    phusong        the program (PHUSONG_BIN, or agent/phusong in PHUSONG_BUILD, or build/dev)
    built(name)    another program of the build, such as tests/support/pump
    agent(config)  `phusong agent -c FILE` as a running process, stopped at the end of the test
    influx, victoria    real stores, started once; a test makes its own database or measurement
    lab(*options)   an emulated district (tests/support/lab.py), skipped where TUN is not allowed
    district        one that the agent reaches without leaving its namespace
    snmp_lab(*options)   SNMP devices that answer from recordings (tests/support/snmp_lab.py)
    fault_server(...)   a destination that misbehaves (tests/support/faultd.py)

Tests run side by side (tests/run: pytest -n, then -m alone without it). One whose result depends on
what else the machine does is marked `@pytest.mark.alone`. Ports come from stores.free_port().

What a machine does not have is skipped with the name of the Debian package.
"""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import faultd  # noqa: E402
import lab as emulated  # noqa: E402
import snmp_lab as responder  # noqa: E402
import stores  # noqa: E402

BUILD = pathlib.Path(os.environ.get("PHUSONG_BUILD", ROOT / "build" / "dev"))


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the machine for itself; not beside other tests")


def program(path, hint):
    if not path.exists():
        pytest.skip(f"{path} is not built; {hint}")
    return path


@pytest.fixture(scope="session")
def built():
    def find(name):
        return str(program(BUILD / name, "cmake --preset dev && cmake --build build/dev"))

    return find


@pytest.fixture(scope="session")
def phusong(built):
    if "PHUSONG_BIN" in os.environ:
        return str(program(pathlib.Path(os.environ["PHUSONG_BIN"]), "PHUSONG_BIN names it"))
    return built("agent/phusong")


@pytest.fixture(scope="session")
def child_env():
    """For programs built with the sanitizers: a finding ends them with a status of its own."""
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
    return env


@pytest.fixture
def spawn(tmp_path, child_env):
    """spawn(command, name="x") starts a process whose output goes to tmp_path/x.log."""
    processes = []

    def start(command, name="child"):
        process = stores.Process([str(word) for word in command], str(tmp_path / f"{name}.log"),
                                 env=child_env)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.stop()


@pytest.fixture
def agent(spawn, phusong):
    """agent(config_file) starts `phusong agent`."""

    def start(config, *arguments, name="agent"):
        return spawn([phusong, "agent", "-c", config, *arguments], name)

    return start


def start_store(kind, tmp_path_factory):
    if not kind.is_installed():
        pytest.skip(f"{kind.program} is missing: apt-get install {kind.package}")
    return kind(tmp_path_factory.mktemp(kind.program))


@pytest.fixture(scope="session")
def influx(tmp_path_factory):
    store = start_store(stores.Influx, tmp_path_factory)
    yield store
    store.stop()


@pytest.fixture(scope="session")
def victoria(tmp_path_factory):
    store = start_store(stores.Victoria, tmp_path_factory)
    yield store
    store.stop()


@pytest.fixture
def fault_server():
    """fault_server(seed=…, faults={…}, forward=[…]) as in faultd.FaultServer."""
    servers = []

    def start(*arguments, **options):
        server = faultd.FaultServer(*arguments, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def lab(tmp_path, built):
    """lab(*options) starts an emulated district; phusong-lab run --help tells the options."""
    running = []

    def enter(*options, **more):
        one = emulated.Lab(built("tests/lab/phusong-lab"), tmp_path / f"lab{len(running)}", *options,
                           **more)
        try:
            return one.__enter__()
        except emulated.Unavailable as why:
            pytest.skip(f"no emulated district here: {why}")
        except emulated.Taken:
            return None

    def start(*options, **more):
        one = stores.wait_until(lambda: enter(*options, **more), 30, "the prefix to be free", 1)
        running.append(one)
        return one

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def district(lab):
    """A lab whose addresses, 10.91.0.0/16, this machine itself reaches; TCP and HTTP answer, too."""
    return lab("--prefix", "10.91.0.0/16", "--agent-address", "198.18.91.1", "--serve", "80,443",
               own_namespace=False)


@pytest.fixture
def snmp_lab(built, child_env):
    """snmp_lab("--recordings", folder, listen="127.64.0.0/14"); phusong-lab-snmp --help tells the
    options. Without --recordings, --recording or --synthetic it serves tests/data/snmprec."""
    running = []

    def start(*options, **more):
        words = [str(word) for word in options]
        if not any(word in words for word in ("--recordings", "--recording", "--synthetic")):
            words = ["--recordings", str(responder.RECORDINGS), *words]
        one = responder.SnmpLab(built("tests/lab/snmp/phusong-lab-snmp"), *words, env=child_env,
                                **more)
        running.append(one)
        return one

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop()
