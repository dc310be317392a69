"""What `plan` and `diff` have in common, which change nothing."""

from __future__ import annotations

import os
from dataclasses import replace

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.errors import PhaseError
from pykubeadm.phases.patching import load_patches
from pykubeadm.phases.replacing.record import read_record


def with_patches(run: UpgradeRun, directory: str = "") -> UpgradeRun:
    """The run with the patches in `directory`, else those that `apply` gets from the UpgradeConfiguration. Raises ConfigError,
    PhaseError."""
    given = run.upgrade.apply.patches
    directory = os.path.abspath(directory) if directory else given.directory if given else ""
    return replace(run, patches=load_patches(run.node, directory, lambda message: run.note("warning", message, topic="patches")))


def warn_of_interrupted(run: UpgradeRun) -> None:
    """Where a run was interrupted on this node, no other version can be applied."""
    try:
        record = read_record(run.node)
    except PhaseError as damage:
        run.note("warning", str(damage), topic="upgrade")
        return
    if record is not None:
        run.note(
            "warning",
            f"`pykubeadm {record.command}` to {record.target} was interrupted on this node: run it again first, to its end;"
            " until then nothing else can be applied here",
            topic="upgrade",
        )
