"""Units through systemctl(1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command, Completed, Unit, UnitState

# Runs a command as `Node.run` does.
Systemctl = Callable[[Command], Completed]

NOT_FOUND: Final = UnitState(load="not-found", active="inactive", sub="dead", enabled="")
_PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,NeedDaemonReload"
# States of a unit file in which `systemctl enable` has nothing to do or must not interfere (systemctl(1), is-enabled).
_ENABLED = frozenset({"enabled", "enabled-runtime", "static", "alias", "generated", "indirect", "transient"})
# States in which nothing of a unit runs; "activating" also stands for one that systemd is about to start again.
_STANDING = frozenset({"inactive", "failed"})
_VERBS = {"enabled": "enable", "disabled": "disable", "started": "start", "restarted": "restart", "stopped": "stop"}
_TIMEOUT = 120.0  # above systemd's DefaultTimeoutStartSec and DefaultTimeoutStopSec of 90 s, so that its own error is seen


def unit_name(name: str) -> str:
    """`kubelet` → `kubelet.service`; names with a type are kept."""
    return name if "." in name else f"{name}.service"


def show(run: Systemctl, name: str) -> UnitState:
    """The unit's state."""
    argv = ("systemctl", "show", "-p", _PROPERTIES, "--", unit_name(name))
    completed = run(Command.look_up(argv, f"look at {unit_name(name)}", timeout=_TIMEOUT))
    if completed.status != 0:
        return NOT_FOUND
    found = dict(line.split("=", 1) for line in completed.stdout.splitlines() if "=" in line)
    return UnitState(
        load=found.get("LoadState", "not-found"),
        active=found.get("ActiveState", "inactive"),
        sub=found.get("SubState", ""),
        enabled=found.get("UnitFileState", ""),
        result=found.get("Result", ""),
        restarts=int(found.get("NRestarts") or 0),
        needs_reload=found.get("NeedDaemonReload") == "yes",
    )


def planned(state: UnitState, unit: Unit) -> tuple[str, ...]:
    """What has to be done to a unit in `state`."""
    actions: list[str] = []
    if unit.enabled and state.enabled not in _ENABLED:
        actions.append("enabled")
    if unit.enabled is False and state.enabled == "enabled":
        actions.append("disabled")
    if unit.state in ("started", "restarted") and state.active != "active":
        actions.append("started")
    elif unit.state == "restarted":
        actions.append("restarted")
    elif unit.state == "stopped" and state.active not in _STANDING:
        actions.append("stopped")
    return tuple(actions)


def after(state: UnitState, actions: tuple[str, ...]) -> UnitState:
    """The state of a unit to which `actions` were done, as far as that is known without asking."""
    for action in actions:
        if action in ("enabled", "disabled"):
            state = replace(state, load="loaded", enabled=action)
        elif action in ("started", "restarted"):
            state = replace(state, load="loaded", active="active", sub="running", result="success", needs_reload=False)
        elif action == "stopped":
            state = replace(state, active="inactive", sub="dead")
    return state


def ensure(run: Systemctl, unit: Unit, known: UnitState | None = None) -> tuple[str, ...]:
    """Do what is missing for `unit` to be as given; returns what was done."""
    name = unit_name(unit.name)
    state = known or show(run, name)
    if unit.enabled or unit.state in ("started", "restarted"):
        state = _loaded(run, name, state)
    actions = planned(state, unit)
    for action in actions:
        # A restart also of what stands: systemd may have started it by itself meanwhile, with the files of before.
        verb = "restart" if action == "started" and unit.state == "restarted" else _VERBS[action]
        if action == "started" and state.active == "failed":
            # systemd refuses to start a unit that failed too often lately
            run(Command(("systemctl", "reset-failed", "--", name), f"forget the failures of {name}", check=False))
        run(Command(("systemctl", verb, "--", name), f"{verb} {name}", timeout=_TIMEOUT))
    return actions


def _loaded(run: Systemctl, name: str, state: UnitState) -> UnitState:
    """The unit's state with its files read; NodeError where it cannot be started."""
    # A unit file that systemd has not read yet, or knew by one that is gone, does not ask for a reload.
    if state.needs_reload or state.load in ("not-found", "error"):
        run(Command(("systemctl", "daemon-reload"), "read systemd's unit files again", timeout=_TIMEOUT))
        state = show(run, name)
    if state.load == "masked":
        raise NodeError(f"the systemd unit {name} is masked; run `systemctl unmask {name}`, then run this again")
    if state.load != "loaded":
        raise NodeError(f"the systemd unit {name} cannot be started: systemd says it is {state.load}; repair its unit file")
    return state
