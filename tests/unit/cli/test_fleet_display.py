"""The table of a run over many machines, on a terminal."""

from __future__ import annotations

from rich import text

from pykubeadm.cli.fleet_display import LiveFleet
from pykubeadm.workflow.events import NodeProgress, RunFinished, RunStarted


def progress(name):
    return NodeProgress(node=name, step="join/kubelet-start", outcome="started", message="start it")


def test_a_machine_may_come_while_the_table_is_drawn(monkeypatch):
    """Another thread draws it, four times a second."""
    display, drawn = LiveFleet(("c1", "w1"), 0), []

    class Text(text.Text):
        def __init__(self, *arguments):
            drawn.append(arguments[0])
            display(progress(f"w{len(drawn)}"))
            super().__init__(*arguments)

    display(progress("c1"))
    monkeypatch.setattr(text, "Text", Text)
    assert display._table().row_count == 1


def test_the_table_is_not_made_for_each_event(monkeypatch):
    """Its rows are as many as there are machines, and so are the events."""
    display, made = LiveFleet((), 0), []
    table = display._table
    monkeypatch.setattr(display, "_table", lambda: made.append(1) or table())
    display(RunStarted(command="cluster apply", node="200 hosts", phases=()))
    for number in range(200):
        display(progress(f"w{number}"))
    display(RunFinished(outcome="changed", changed=1, exit_status=0))
    assert len(made) < 100
