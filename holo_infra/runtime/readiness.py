"""Waits until a host is ready: its units, those in its containers, the services behind forwards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from holo_infra.runtime.bundle import UNITS, ContainerFacts, own_units
from holo_infra.runtime.events import Event, Tell
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine, succeed
from holo_infra.runtime.units import UnitState, ask, states
from holo_infra.services.containers import container_unit

AT_ONCE = 4
"""Containers that are looked into at a time."""
POLL = 0.1
"""Seconds between two questions."""
UNSTEADY = "up only just now"
STEADY = 1.0
"""Seconds for which a unit that may be about to fail again has to run."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A unit that is not ready."""

    container: str | None
    unit: str
    state: str
    is_lost: bool = False
    """Whether waiting is of no use."""

    @property
    def name(self) -> str:
        """How it is told: `holochain0/admin.service`."""
        return f"{self.container}/{self.unit}" if self.container else self.unit


@dataclass(slots=True)
class Waiting:
    """What is waited for on one host, and what of it is ready."""

    machine: Machine
    host: str
    wanted: tuple[str, ...]
    containers: Mapping[str, ContainerFacts]
    tell: Tell
    begun: float = field(default_factory=time.monotonic)
    _told: dict[tuple[str | None, str], str] = field(default_factory=dict)
    _inside: dict[str, list[Lacking]] = field(default_factory=dict)
    _doubtful: set[tuple[str | None, str]] = field(default_factory=set)
    """Units that are up, and may be in a loop of failures and restarts."""
    _answering: set[str] = field(default_factory=set)

    def until_ready(self, timeout: float) -> list[Lacking]:
        """What is not ready after `timeout` seconds, or never will be; nothing where all is."""
        deadline = self.begun + timeout
        while True:
            asked = time.monotonic()
            lacking = self.look() or self._unsteady()
            now = time.monotonic()
            if not lacking or now > deadline or any(one.is_lost for one in lacking):
                told = {(one.container, one.unit) for one in lacking}
                # One of them may be the reason, and have been up just when it was asked.
                failing = self._unsteady(least_restarts=1) if lacking else []
                return lacking + [one for one in failing if (one.container, one.unit) not in told]
            if all(one.state == UNSTEADY for one in lacking):
                time.sleep(STEADY)
                continue
            # Questions cost the machine something too: a fifth of its time at most.
            time.sleep(min(max(POLL, 4 * (now - asked)), 1))

    def look(self) -> list[Lacking]:
        """What is not ready now."""
        found = states(self.machine, self.wanted)
        lacking = [self._lacking(None, state) for state in found.values()]
        up = {name for name in self.containers if found[container_unit(name)].is_up}
        for name in self.containers.keys() - up:
            self._inside.pop(name, None)
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            inside = pool.map(self._look_inside, sorted(up))
        lacking += [one for found in inside for one in found]
        lacking += self._look_behind(up)
        return [one for one in lacking if one is not None]

    def _unsteady(self, least_restarts: int = 0) -> list[Lacking]:
        """Units that are up since too short a time; they are asked again.

        Not all of them: a unit that has not failed yet, in a container whose forwards all answer,
        is taken at its word, so that an ordinary start does not wait.
        """
        if not self._doubtful:
            return []
        # Before they are asked: however long that takes, it makes none of them older.
        now = float(succeed(self.machine, ["cat", "/proc/uptime"]).split()[0])
        doubtful: dict[str | None, list[str]] = {}
        for container, unit in self._doubtful:
            doubtful.setdefault(container, []).append(unit)
        young: list[Lacking] = []
        for container, units in doubtful.items():
            try:
                found = states(self.machine, units, container)
            except Failure:  # it goes down, or is coming up again
                young += [Lacking(container, unit, "not reached") for unit in units]
                continue
            young += [
                Lacking(container, state.name, UNSTEADY if state.is_up else state.word)
                for state in found.values()
                if state.restarts >= least_restarts
                and (not state.is_up or now - state.entered < STEADY)
            ]
        for one in young:
            self._inside.pop(one.container or "", None)
        return young

    def _look_inside(self, name: str) -> list[Lacking | None]:
        """A container that was whole once, and answers, stays so while it is up; others are asked.

        While it does not answer, a unit may be the reason that was up when it was asked.
        """
        facts = self.containers[name]
        was_whole = self._inside.get(name) == [] and self._answering.issuperset(facts.probed)
        if was_whole or not facts.units:
            return []
        try:
            found = states(self.machine, facts.units, name)
        except Failure:  # it goes down, or is coming up again
            return [Lacking(name, unit, "not reached") for unit in facts.units]
        lacking = [self._lacking(name, state) for state in found.values()]
        self._inside[name] = [one for one in lacking if one is not None]
        return lacking

    def _look_behind(self, up: set[str]) -> list[Lacking | None]:
        """Asks services behind forwards, those that have not answered yet."""
        asked = {unit: name for name, facts in self.containers.items() for unit in facts.probed}
        now = [unit for unit, name in asked.items() if name in up]
        self._answering &= set(now)
        answers = ask(self.machine, [unit for unit in now if unit not in self._answering])
        lacking: list[Lacking | None] = []
        for unit in asked:
            answered = answers.get(unit, unit in self._answering)
            self._say(None, unit, "answers" if answered else "no answer", is_ready=answered)
            if answered:
                self._answering.add(unit)
            else:
                lacking.append(Lacking(None, unit, "no answer"))
        return lacking

    def _lacking(self, container: str | None, state: UnitState) -> Lacking | None:
        is_about_to_end = state.is_up and state.has_job  # and then to start anew
        word = "restarting" if is_about_to_end else state.word
        is_ready = state.is_up and not is_about_to_end
        self._say(container, state.name, word, is_ready=is_ready)
        self._doubtful.discard((container, state.name))
        if is_ready:
            is_vouched_for = self._is_probed(container, state.name)
            if state.sub == "running" and (state.restarts or not is_vouched_for):
                self._doubtful.add((container, state.name))
            return None
        return Lacking(container, state.name, word, state.is_lost)

    def _is_probed(self, container: str | None, unit: str) -> bool:
        """Whether answers are asked of it: of a container, of as many services as it has units."""
        if container is None:  # what belongs to a container is vouched for by what is in it
            return unit not in own_units([f"{UNITS}/{unit}"], self.containers)
        facts = self.containers[container]
        return len(facts.probed) >= len(facts.units)

    def _say(self, container: str | None, unit: str, state: str, *, is_ready: bool) -> None:
        if self._told.get((container, unit)) != state:
            self._told[container, unit] = state
            seconds = time.monotonic() - self.begun
            self.tell(Event(self.host, container, unit, state, is_ready, seconds))
