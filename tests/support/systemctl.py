"""systemctl(1) by script: over units in memory for a `FakeNode`, as a program for nodes that run commands."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

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


def install_program(directory: Path, units: dict[str, UnitState]) -> None:
    """Put a program `systemctl` into `directory` that keeps the state of `units` there, too."""
    state, program = directory / "units.json", directory / "systemctl"
    state.write_text(json.dumps({name: asdict(unit) for name, unit in units.items()}))
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = {sys.path!r}\n"
        f"from tests.support.systemctl import main\nmain({str(state)!r})\n"
    )
    program.chmod(0o755)


def main(path: str) -> None:
    state = Path(path)
    systemctl = Systemctl({name: UnitState(**fields) for name, fields in json.loads(state.read_text()).items()})
    completed = systemctl(Command(("systemctl", *sys.argv[1:])))
    state.write_text(json.dumps({name: asdict(unit) for name, unit in systemctl.units.items()}))
    sys.stdout.write(completed.stdout)
    sys.stderr.write(completed.stderr)
    sys.exit(completed.status)
