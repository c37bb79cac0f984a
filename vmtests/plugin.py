r"""The pytest plugin: machines as fixtures, what they said in reports, unit coverage.

    def test_hello(machine: Machine) -> None:
        assert machine.succeed("systemctl is-system-running --wait") == "running\n"

`machine` is one that runs, `machines` makes several on one network, which is `vlan`, and
`fleet_machines` boots a fleet. Whatever a test did to its machines, the next one does not see.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from vmtests.artefacts import folder_name, listed
from vmtests.coverage import UnitCoverage

if TYPE_CHECKING:
    from vmtests.configuration import Configuration
    from vmtests.fleet import Fleet, FleetMachines
    from vmtests.lending import Loan
    from vmtests.machine import Machine
    from vmtests.pool import Pool
    from vmtests.vlan import Vlan

BACKENDS = ("nspawn", "qemu")
_WORKER_OUTPUT = "vmtests_units"
_MARKER = """\
machine(backend, files, binds, enable, containers, tree, image, memory): what the machines of a \
test are made of, by keyword: files and units to be there at boot; see vmtests.configuration"""


class Run:
    """What one pytest process keeps from test to test."""

    def __init__(self, config: pytest.Config) -> None:
        self.coverage = UnitCoverage()
        self.is_covering = bool(
            config.getoption("unit_coverage")
            or config.getoption("unit_coverage_json")
            or config.getoption("unit_coverage_min") is not None
        )
        self.pool: Pool | None = None
        self.is_too_low = False


class Machines(Protocol):
    """The fixture `machines`."""

    def __call__(self, *names: str, **configuration: Any) -> tuple[Machine, ...]:  # noqa: ANN401
        """Machines on one network; `configuration` is as for the marker `machine`."""


class BootFleet(Protocol):
    """The fixture `fleet_machines`."""

    def __call__(self, fleet: Fleet | str | Path, backend: str | None = None) -> FleetMachines:
        """The machines of a fleet, or of the fleet in a file, by host."""


_RUN = pytest.StashKey[Run]()
_LOAN = pytest.StashKey["Loan"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options, and the lines of an ini file that stand for them."""
    group = parser.getgroup("vmtests", "machines for tests")
    for name, metavar, purpose in (
        ("backend", "NAME", f"what runs machines: {' or '.join(BACKENDS)} (default: nspawn)"),
        ("tree", "DIR", "a root tree that nspawn boots, instead of this computer's /usr"),
        ("artefacts", "DIR", "where consoles and journals go (default: below pytest's tmp)"),
    ):
        group.addoption(f"--vmtests-{name}", metavar=metavar, help=purpose)
        parser.addini(f"vmtests_{name}", f"as --vmtests-{name}")
    group.addoption(
        "--unit-coverage",
        action="store_true",
        help="tell which units of fleets became active, and which were tested",
    )
    group.addoption(
        "--unit-coverage-json", type=Path, metavar="FILE", help="write the same as JSON"
    )
    group.addoption(
        "--unit-coverage-min",
        type=float,
        metavar="N",
        help="fail where less than N percent of the units became active and were tested",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and what is kept."""
    config.addinivalue_line("markers", _MARKER)
    backend = _option(config, "backend")
    if backend not in {None, *BACKENDS}:
        raise pytest.UsageError(f"--vmtests-backend {backend}: choose {' or '.join(BACKENDS)}")
    tree = _option(config, "tree")
    if tree and not Path(tree, "usr").is_dir():
        raise pytest.UsageError(f"--vmtests-tree {tree}: no root tree: it has no usr")
    config.stash[_RUN] = Run(config)


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> Machine:
    """A machine that runs, named `machine`; what it is made of, the marker `machine` says.

    It is as it was after its boot, whatever other tests did to theirs.

        @pytest.mark.machine(files={"/etc/motd": "hello"}, enable=["nginx.service"])
        def test_web(machine):
            machine.wait_for_open_port(80)
    """
    return _loan(request).machine("machine", _configuration(request, {}))


@pytest.fixture
def machines(request: pytest.FixtureRequest) -> Machines:
    """Makes machines that run, all at once, and know each other by name on one network, `vlan`.

    They are made of what the marker `machine` says, or the call. Their addresses are 192.168.1.1
    and on, at eth1, as with the NixOS test driver.

        a, b = machines("a", "b")
        a.succeed("ping -c 1 b")
    """

    def make(*names: str, **configuration: Any) -> tuple[Machine, ...]:  # noqa: ANN401
        return tuple(_loan(request).together(names, _configuration(request, configuration)))

    return make


@pytest.fixture
def vlan(request: pytest.FixtureRequest) -> Vlan:
    """The network that a test's `machines` and `fleet_machines` are on, without a way out.

    A test can play others there, cut cables and lose packets.

        vlan.address("192.168.1.100/24")
        vlan.succeed(["ping", "-c1", "192.168.1.1"])
    """
    return _loan(request).vlan


@pytest.fixture
def fleet_machines(request: pytest.FixtureRequest) -> BootFleet:
    """Boots the hosts of a fleet, given as `Fleet` or by a path; gives their machines by name.

    All are on `vlan` with the addresses that the fleet has. Their units count for unit coverage.

        hosts = fleet_machines("fleet.yaml")
        hosts["alpha"].wait_for_unit("container@web.service")
    """

    def boot(fleet: Fleet | str | Path, backend: str | None = None) -> FleetMachines:
        default = _configuration(request, {} if backend is None else {"backend": backend})
        return _loan(request).fleet(fleet, default.backend, default.tree)

    return boot


@pytest.fixture
def _vmtests_loan(request: pytest.FixtureRequest) -> Iterator[Loan]:
    from vmtests.lending import Loan  # noqa: PLC0415 (a run without machines does not load it)
    from vmtests.pool import Pool  # noqa: PLC0415

    item, run = request.node, request.config.stash[_RUN]
    run.pool = run.pool or Pool()

    def note(name: str, value: str) -> None:
        item.user_properties.append((name, value))

    folder = _artefacts(request) / folder_name(item.nodeid)
    loan = Loan(run.pool, folder, run.coverage if run.is_covering else None, note)
    item.stash[_LOAN] = loan
    yield loan
    loan.end()


def _loan(request: pytest.FixtureRequest) -> Loan:
    loan: Loan = request.getfixturevalue("_vmtests_loan")
    return loan


def _artefacts(request: pytest.FixtureRequest) -> Path:
    if chosen := _option(request.config, "artefacts"):
        return Path(request.config.invocation_params.dir, chosen)
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    return factory.getbasetemp() / "machines"


def _configuration(request: pytest.FixtureRequest, given: dict[str, Any]) -> Configuration:
    from vmtests.configuration import Configuration  # noqa: PLC0415 (as above)

    marker = request.node.get_closest_marker("machine")
    tree = _option(request.config, "tree")
    parts: dict[str, Any] = {
        "backend": _option(request.config, "backend") or "nspawn",
        "tree": Path(tree) if tree else None,
        **(marker.kwargs if marker else {}),
        **given,
    }
    parts["enable"] = tuple(parts.get("enable", ()))
    try:
        return Configuration(**parts)
    except (TypeError, ValueError) as error:
        pytest.fail(f"what a machine is made of: {error}", pytrace=False)


def _option(config: pytest.Config, name: str) -> str | None:
    """An option of the command line, else of the ini file."""
    chosen = config.getoption(f"vmtests_{name}") or config.getini(f"vmtests_{name}")
    return str(chosen) if chosen else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failure where the test stands, what machines have printed last, and where all is."""
    if call.excinfo is not None:
        for name, module in tuple(sys.modules.items()):
            if name.startswith("vmtests."):
                vars(module).setdefault("__tracebackhide__", True)  # shown with --full-trace
    report = yield
    loan = item.stash.get(_LOAN, None)
    if loan is not None and report.failed and report.when != "teardown":
        from vmtests.places import MachineError  # noqa: PLC0415 (as above)

        for name, one in loan.machines.items():
            try:
                lines = one.console.last_lines()
            except MachineError as error:
                lines = str(error)
            report.sections.append((f"console of {name}: the last lines", lines))
        folders = [loan.folder / name for name in loan.machines]
        report.sections.append(("artefacts of machines", listed(folders)))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 (of pytest-xdist, which need not be there)
    """Take in what a worker has found out about units."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[_RUN].coverage.merge(map(tuple, output.get(_WORKER_OUTPUT, ())))


@pytest.hookimpl(trylast=True)  # after the last test has given its machines back
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what was kept for later tests; tell the controller, or judge, what units were reached."""
    config = session.config
    run = config.stash[_RUN]
    if run.pool is not None:
        run.pool.end()
    if hasattr(config, "workeroutput"):
        config.workeroutput[_WORKER_OUTPUT] = run.coverage.rows()
        return
    if file := config.getoption("unit_coverage_json"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(run.coverage.json())
    least = config.getoption("unit_coverage_min")
    totals = run.coverage.totals()
    run.is_too_low = least is not None and totals.percent(totals.covered) < least
    if run.is_too_low and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table of unit coverage."""
    run = config.stash[_RUN]
    if config.getoption("unit_coverage"):
        terminalreporter.section("unit coverage")
        for line in run.coverage.table():
            terminalreporter.line(line)
    if run.is_too_low:
        least, totals = config.getoption("unit_coverage_min"), run.coverage.totals()
        is_at = f"{totals.percent(totals.covered):.1f} %"
        told = f"FAIL: unit coverage is {is_at}, below --unit-coverage-min {least:g}: {totals}"
        terminalreporter.line(told, red=True, bold=True)
