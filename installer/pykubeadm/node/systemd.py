"""Units through systemctl(1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Completed, UnitState


class Systemctl(Protocol):
    """Runs a command as `Node.run` does."""

    def __call__(self, argv: Sequence[str], *, changes: bool = True, check: bool = True) -> Completed: ...


NOT_FOUND = UnitState(load="not-found", active="inactive", sub="dead", enabled="")
_PROPERTIES = "LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,NeedDaemonReload"
# States of a unit file in which `systemctl enable` has nothing to do or must not interfere (systemctl(1), is-enabled).
_ENABLED = frozenset({"enabled", "enabled-runtime", "static", "alias", "generated", "indirect", "transient"})


def unit_name(name: str) -> str:
    """`kubelet` → `kubelet.service`; names with a type are kept."""
    return name if "." in name else f"{name}.service"


def show(run: Systemctl, name: str) -> UnitState:
    """The unit's state."""
    completed = run(("systemctl", "show", "-p", _PROPERTIES, "--", unit_name(name)), changes=False, check=False)
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


def planned(state: UnitState, *, enabled: bool, running: bool, restart: bool) -> tuple[str, ...]:
    """What has to be done to a unit in `state`."""
    actions: list[str] = []
    if enabled and state.enabled not in _ENABLED:
        actions.append("enabled")
    if state.active == "active" and restart:
        actions.append("restarted")
    elif state.active != "active" and (running or restart):
        actions.append("started")
    return tuple(actions)


def ensure(
    run: Systemctl, name: str, *, enabled: bool, running: bool, restart: bool, known: UnitState | None = None
) -> tuple[str, ...]:
    """Enable and start or restart the unit as far as needed; returns what was done."""
    unit = unit_name(name)
    state = known or show(run, name)
    if state.needs_reload or state.load == "not-found":  # a unit file that systemd has not read yet does not ask for a reload
        run(("systemctl", "daemon-reload"))
        state = show(run, name)
    if state.load == "masked":
        raise NodeError(f"the systemd unit {unit} is masked; run `systemctl unmask {unit}`, then run this again")
    if state.load != "loaded":
        raise NodeError(f"the systemd unit {unit} cannot be started: systemd says it is {state.load}; repair its unit file")
    actions = planned(state, enabled=enabled, running=running, restart=restart)
    for action in actions:
        if action == "enabled":
            run(("systemctl", "enable", "--", unit))
        else:
            if state.active == "failed":
                # systemd refuses to start a unit that failed too often lately
                run(("systemctl", "reset-failed", "--", unit), check=False)
            # A restart also of what stands: systemd may have started it by itself meanwhile, with the files of before.
            run(("systemctl", "restart" if restart else "start", "--", unit))
    return actions
