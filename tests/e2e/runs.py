"""Runs of pykubeadm with --output=json: what they say, and runs that are killed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from lab import payload
from lab.node import Node

# `_PROGRAM phase words...` is `pykubeadm words...` with a standard output that kills it right after the line of the phase's
# beginning. A signal from outside would come some tenths of a second late, when quick phases are long done.
_PROGRAM = """
import io, json, os, signal, sys
from pykubeadm.cli.main import main

phase = sys.argv.pop(1)

class Deadly(io.TextIOWrapper):
    def write(self, text):
        written = super().write(text)
        event = json.loads(text) if text.startswith("{") else {}
        if event.get("type") == "phase-started" and event["phase"] == phase:
            self.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return written

sys.stdout = Deadly(sys.stdout.detach(), encoding="utf-8")
sys.exit(main())
"""
_KILLED = 128 + 9


def events(output: str) -> list[dict[str, Any]]:
    """The events of a run with --output=json."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def outcome(output: str) -> str:
    """How such a run ended."""
    return str(next(event["outcome"] for event in events(output) if event["type"] == "run-finished"))


def phases_of(node: Node, words: Sequence[str]) -> list[str]:
    """The phases of `pykubeadm words... --output=json` that are wanted on this node, in order."""
    shown = events(node.run("pykubeadm", *words, "--dry-run", timeout=120).stdout)
    return [event["phase"] for event in shown if event["type"] == "phase-started"]


def kill_as_starts(node: Node, words: Sequence[str], phase: str) -> None:
    """Run `pykubeadm words... --output=json` until `phase` starts; fails with all it said where it ended otherwise."""
    done = node.run(f"{payload.MOUNT}/bin/python", "-c", _PROGRAM, phase, *words, check=False, timeout=300)
    if done.returncode != _KILLED:
        pytest.fail(f"ended with status {done.returncode} before {phase}:\n{done.stdout}{done.stderr}")
    assert events(done.stdout)[-1]["phase"] == phase
