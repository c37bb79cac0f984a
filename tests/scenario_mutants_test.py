"""Scenarios assert: each finds mutants of what its fleet compiles to, by the step that is for them.

That each holds without a mutant, `scenarios_test.py` shows. Mutants mostly wait in vain, so some
are tried at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from holo_infra.scenarios import SCENARIOS, Scenario
from tests.support.mutant import Mutant
from tests.support.scenario_mutants import MUTANTS
from tests.support.scenarios import NEEDS, run_scenario
from vmtests.places import MachineError

pytestmark = pytest.mark.needs(*NEEDS, "haproxy")

AT_ONCE = 3
PATIENCE = 5
"""Seconds, of which each mutant that makes something wait costs as many."""
OF_FAULTS = 10
"""The same where units of themselves wait so long before they start again."""
BOOT = 15
ANSWER = 1
MORE = 6
"""How many times as long a mutant is given where something else has not come in time."""
CASES = {
    f"{scenario.fleet.name}: {name}": (scenario, mutant)
    for scenario, mutants in MUTANTS
    for name, mutant in mutants.items()
}


def failure(scenario: Scenario, mutant: Mutant, folder: Path, times: int = 1) -> str:
    """What a spoilt scenario tells, with the name of its subtest; nothing where it holds."""
    patience = OF_FAULTS if scenario.fleet.name == "error-detection" else PATIENCE
    try:
        run_scenario(
            scenario,
            folder,
            patience=times * patience,
            answer=times * ANSWER,
            change=mutant.spoil,
            boot_timeout=times * BOOT,
        )
    except (AssertionError, MachineError) as error:
        return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return ""


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """The failures of all mutants that are asked for in this run, some of which are to come."""
    items = [item for item in request.session.items if item.path == request.path]
    asked = [item.callspec.params["name"] for item in items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(failure, *CASES[name], tmp_path_factory.mktemp("mutant"))
            for name in asked
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", CASES)
def test_a_mutant_is_found_by_the_step_that_is_for_it(
    failures: dict[str, Future[str]], name: str, tmp_path: Path
) -> None:
    scenario, mutant = CASES[name]
    told = failures[name].result()
    if told and mutant.found_by not in told:  # on a busy computer another step may be too slow
        told = failure(scenario, mutant, tmp_path, MORE)
    assert told, "the scenario holds all the same"
    assert mutant.found_by in told


def test_there_are_mutants_of_every_scenario() -> None:
    assert {scenario.name for scenario, _ in MUTANTS} == set(SCENARIOS)
    assert len(CASES) >= 96
