"""The units of a machine: what systemd tells of them, and waiting for them."""

from __future__ import annotations

import re
import time

from vmtests.commands import UNIT, Commands
from vmtests.failure import RequestedAssertionFailed
from vmtests.script import TIMEOUT, retry

_PROPERTY = re.compile(r"^([^=\n]+)=(.*)$", re.MULTILINE)


class Units(Commands):
    """A machine with systemd."""

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        """Run `systemctl Q`, of the manager of `user` where one is given; as `execute`."""
        if user is not None:
            quoted = q.replace("'", "\\'")
            return self.execute(
                f"su -l {user} --shell /bin/sh -c "
                f"$'XDG_RUNTIME_DIR=/run/user/`id -u` systemctl --user {quoted}'"
            )
        return self.execute(f"systemctl {q}")

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: float = TIMEOUT) -> None:
        """Return when a unit is active.

        Raises, with its last journal lines, after `timeout`, and at once when it never will be: it
        has failed, cannot be loaded, or is inactive and no job is left that could start it.
        """
        start = time.monotonic()
        with self.nested(f"waiting for unit {unit}"):

            def is_active(last_try: bool) -> bool:
                # Jobs first: what a job that ends in between has done shows in the state.
                _, jobs = self.systemctl("list-jobs --no-legend --plain", user)
                try:
                    states = self._show(unit, user, "LoadState,ActiveState,SubState,Result")
                except RequestedAssertionFailed:  # a manager that starts anew cannot say
                    if last_try:
                        raise
                    return False
                active = states["ActiveState"]
                if active == "active":
                    return True
                never = active == "failed" or states["LoadState"] not in {"loaded", "stub"}
                if never or last_try or (active == "inactive" and not jobs.strip()):
                    why = ", ".join(f"{name}={value}" for name, value in states.items())
                    raise self._unit_failed(f"unit {unit} is not active: {why}", unit, start)
                return False

            retry(is_active, timeout)
        self.asserted.add(_full(unit))

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        """All properties of a unit, as `systemctl show` tells them."""
        self.asserted.add(_full(unit))
        return self._show(unit, user)

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:  # noqa: A002
        """One property of a unit."""
        self.asserted.add(_full(unit))
        shown = self._show(unit, user, property)
        if property not in shown:
            raise self._failed(f"unit {unit} has no property {property}")
        return shown[property]

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Raise, with its last journal lines, unless a unit is in this state now."""
        start = time.monotonic()
        state = self.get_unit_property(unit, "ActiveState")
        if state != require_state:
            what = f"unit {unit} is {state}, not {require_state}"
            raise self._unit_failed(what, unit, start)

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """`systemctl start JOBNAME`."""
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        """`systemctl stop JOBNAME`."""
        return self.systemctl(f"stop {jobname}", user)

    def journal(self, unit: str | None = None, lines: int | None = None) -> str:
        """What has been logged since boot, by a unit and by systemd about it or by all.

        One line a message, the time since boot in front; the last `lines` of them or all.
        """
        self.connect()
        if unit is not None:
            self.asserted.add(_full(unit))
        return self._journal(unit, lines)

    def _show(self, unit: str, user: str | None, properties: str | None = None) -> dict[str, str]:
        chosen = "" if properties is None else f" --property={properties}"
        status, lines = self.systemctl(f'--no-pager show{chosen} -- "{unit}" 2>&1', user)
        if status != 0:
            raise self._failed(f"systemctl show {unit}: exit code {status}: {lines.strip()}")
        return dict(_PROPERTY.findall(lines))

    def _unit_failed(self, what: str, unit: str, start: float) -> RequestedAssertionFailed:
        return self._failed(what, None, [unit], start)


def _full(unit: str) -> str:
    """The name of a unit with its kind, which systemctl takes for a service's."""
    return unit if UNIT.fullmatch(unit) else f"{unit}.service"
