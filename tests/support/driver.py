"""The interface of the NixOS test driver (nixos/lib/test-driver in nixpkgs) as of 2026.

For each name its parameters with their defaults or, where it is not offered here, why not.
"""

from __future__ import annotations

import inspect
from typing import Any

NONE = inspect.Parameter.empty
DISPLAY = "machines here have no display"
MONITOR = "speaks to QEMU's own monitor"

METHODS: dict[str, dict[str, Any] | str] = {
    "start": {"allow_reboot": False},
    "shutdown": {},
    "crash": {},
    "reboot": {},
    "wait_for_shutdown": {},
    "connect": {},
    "is_up": {},
    "block": {},
    "unblock": {},
    "execute": {"command": NONE, "check_return": True, "check_output": True, "timeout": 900},
    "succeed": {"commands": NONE, "timeout": None},
    "fail": {"commands": NONE, "timeout": None},
    "wait_until_succeeds": {"command": NONE, "timeout": 900},
    "wait_until_fails": {"command": NONE, "timeout": 900},
    "sleep": {"secs": NONE},
    "systemctl": {"q": NONE, "user": None},
    "wait_for_unit": {"unit": NONE, "user": None, "timeout": 900},
    "get_unit_info": {"unit": NONE, "user": None},
    "get_unit_property": {"unit": NONE, "property": NONE, "user": None},
    "require_unit_state": {"unit": NONE, "require_state": "active"},
    "start_job": {"jobname": NONE, "user": None},
    "stop_job": {"jobname": NONE, "user": None},
    "wait_for_file": {"filename": NONE, "timeout": 900},
    "wait_for_open_port": {"port": NONE, "addr": "localhost", "timeout": 900},
    "wait_for_closed_port": {"port": NONE, "addr": "localhost", "timeout": 900},
    "wait_for_open_unix_socket": {"addr": NONE, "is_datagram": False, "timeout": 900},
    "copy_from_host": {"source": NONE, "target": NONE},
    "copy_from_host_via_shell": {"source": NONE, "target": NONE},
    "copy_from_machine": {"source": NONE, "target_dir": ""},
    "copy_from_vm": {"source": NONE, "target_dir": ""},
    "wait_for_console_text": {"regex": NONE, "timeout": None},
    "get_console_log": {},
    "send_console": {"chars": NONE},
    "log": {"msg": NONE},
    "nested": {"msg": NONE},
    "screenshot": DISPLAY,
    "get_screen_text": DISPLAY,
    "get_screen_text_variants": DISPLAY,
    "wait_for_text": DISPLAY,
    "wait_for_x": DISPLAY,
    "wait_for_window": DISPLAY,
    "get_window_names": DISPLAY,
    "send_key": DISPLAY,
    "send_chars": DISPLAY,
    "get_tty_text": DISPLAY,
    "wait_until_tty_matches": DISPLAY,
    "dump_tty_contents": DISPLAY,
    "send_monitor_command": MONITOR,
    "wait_for_qmp_event": MONITOR,
    "wait_for_monitor_prompt": MONITOR,
    "forward_port": "machines have no way to this computer's network",
    "shell_interact": "for looking around there is `vmtests shell`",
    "console_interact": "for looking around there is `vmtests shell`",
    "switch_root": "for NixOS's initrd with a shell of the driver's",
    "ssh_backdoor_command": "for NixOS's SSH over vsock",
    "log_serial": "the driver's own",
    "run_callbacks": "the driver's own",
    "cleanup_statedir": "the driver's own",
}

FUNCTIONS: dict[str, dict[str, Any] | str] = {
    "start_all": {},
    "join_all": {},
    "subtest": {"name": NONE},
    "retry": {"fn": NONE, "timeout_seconds": 900},
    "polling_condition": {"fun_": None, "seconds_interval": 2.0, "description": None},
    "serial_stdout_on": {},
    "serial_stdout_off": {},
    "machines": "a list",
    "vlans": "a list",
    "log": "an object",
    "os": "a module",
    "t": "an object",
    "create_machine": "machines are given to a test, which then knows how to end them",
    "driver": "the driver's own",
    "debug": "pytest has --pdb",
    "test_script": "the driver's own",
    "run_tests": "the driver's own",
}
NOT_OFFERED = {"create_machine", "driver", "debug", "test_script", "run_tests"}
