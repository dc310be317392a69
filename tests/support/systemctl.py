"""systemctl(1) by script, over units in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pykubeadm.node import systemd
from pykubeadm.node.port import Command, Completed, UnitState

INSTALLED = UnitState("loaded", "inactive", "dead", "disabled")
RUNNING = UnitState("loaded", "active", "running", "enabled")


def nothing() -> Iterable[str]:
    return ()


@dataclass
class Systemctl:
    """`units` by name ("kubelet" or "kubelet.service"), changed by what is done to them; `installed` lists the unit files that
    daemon-reload finds. `done` holds what was done, in order ("stop kubelet.service"). Statuses and words are systemd 252's."""

    units: dict[str, UnitState] = field(default_factory=dict)
    installed: Callable[[], Iterable[str]] = nothing
    done: list[str] = field(default_factory=list)

    def __call__(self, command: Command) -> Completed:
        verb, unit = command.argv[1], command.argv[-1]
        state = self.units.get(self._key(unit), systemd.NOT_FOUND)
        if verb == "show":
            return Completed(0, _properties(state))
        self.done.append("daemon-reload" if verb == "daemon-reload" else f"{verb} {unit}")
        if verb == "daemon-reload":
            self._reload()
        elif refusal := _refusal(verb, unit, state):
            return refusal
        else:
            self.units[self._key(unit)] = _done(verb, state)
        return Completed(0)

    def _key(self, unit: str) -> str:
        return unit if unit in self.units else unit.removesuffix(".service")

    def _reload(self) -> None:
        self.units.update({name: replace(state, needs_reload=False) for name, state in self.units.items()})
        for unit in self.installed():
            if self._key(unit) not in self.units:
                self.units[self._key(unit)] = INSTALLED


def _refusal(verb: str, unit: str, state: UnitState) -> Completed | None:
    if verb in ("enable", "disable") and state.load == "not-found":
        return Completed(1, stderr=f"Failed to {verb} unit: Unit file {unit} does not exist.\n")
    if verb in ("start", "restart") and state.load == "masked":
        return Completed(1, stderr=f"Failed to {verb} {unit}: Unit {unit} is masked.\n")
    if verb in ("start", "restart", "stop") and state.load == "not-found" and state.active != "active":
        return Completed(5, stderr=f"Failed to {verb} {unit}: Unit {unit} not {'loaded' if verb == 'stop' else 'found'}.\n")
    return None


def _done(verb: str, state: UnitState) -> UnitState:
    match verb:
        case "enable" | "disable":
            return replace(state, enabled=f"{verb}d")
        case "start" | "restart":
            return replace(state, active="active", sub="running", result="success")
        case "stop" if state.active != "failed":
            return replace(state, active="inactive", sub="dead")
        case "reset-failed":
            return replace(state, active="inactive", sub="dead", result="success")
    return state


def _properties(state: UnitState) -> str:
    return (
        f"LoadState={state.load}\nActiveState={state.active}\nSubState={state.sub}\nUnitFileState={state.enabled}\n"
        f"Result={state.result}\nNRestarts={state.restarts}\nNeedDaemonReload={'yes' if state.needs_reload else 'no'}\n"
    )
