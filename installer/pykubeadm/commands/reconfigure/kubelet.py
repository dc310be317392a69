"""kubelet: its configuration, and the kubelet started with it; or as before, where it does not start.

The former configuration is kept until the kubelet is healthy: a run that was killed is so found by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV
from pykubeadm.errors import PhaseError, PykubeadmError
from pykubeadm.phases.replacing.former_kubelet import OF_RECONFIGURE, drop_kubelet_files, former_kubelet_files, keep_kubelet_files
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pykubeadm.node.port import File

_NAME: Final = "kubelet"


def _apply(run: ReconfigureRun) -> Changes:
    from pykubeadm.phases.cluster.wait_control_plane import wait_for_kubelet
    from pykubeadm.phases.kubelet.start import start_kubelet

    files = changed_files(run)
    unit = run.node.unit("kubelet")
    is_stopped = unit.load == "loaded" and unit.active == "inactive"  # as by a run that was killed while it moved the kubelet
    if not files and run.node.stat(OF_RECONFIGURE) is None and not is_stopped:
        return ()
    keep_kubelet_files(run, OF_RECONFIGURE)
    try:
        changes = start_kubelet(run, files)
        wait_for_kubelet(run, _NAME)
    except PykubeadmError as error:
        raise PhaseError(f"{_first_line(error)}; {_put_back(run)}\n{_rest(error)}".rstrip()) from error
    drop_kubelet_files(run, OF_RECONFIGURE)
    return changes


def changed_files(run: ReconfigureRun) -> list[File]:
    """Those of config.yaml, and what goes with it, that are to say something else than they do."""
    return [file for file in _wanted_files(run) if _differs(run, file)]


def _wanted_files(run: ReconfigureRun) -> list[File]:
    from pykubeadm.phases.replacing.kubelet_config import kubelet_files

    files = kubelet_files(run)[1]
    moved = next((file.content for file in files if file.path == KUBELET_FLAGS_ENV), None)
    flags = _flags(run, moved if moved is not None else run.node.read(KUBELET_FLAGS_ENV))
    return [*(file for file in files if not flags or file.path != KUBELET_FLAGS_ENV), *flags]


def _flags(run: ReconfigureRun, content: bytes | None) -> list[File]:
    """kubeadm-flags.env, which has this content otherwise, with the kubeletExtraArgs of the InitConfiguration in place of flags
    of the same names."""
    from pykubeadm.phases.kubelet.flags import flag_name, parsed_flags, with_flags

    given = run.configuration.this_node.node_registration.kubelet_extra_args
    words = parsed_flags(content) if content is not None else []
    names = {arg.name for arg in given}
    wanted = [*(word for word in words if flag_name(word) not in names), *(f"--{arg.name}={arg.value}" for arg in given)]
    return [] if not given or sorted(wanted) == sorted(words) else [with_flags(run.node, wanted)]


def _differs(run: ReconfigureRun, file: File) -> bool:
    """Not only in how it is written."""
    held = run.node.read(file.path)
    if held == file.content:
        return False
    return file.path != KUBELET_CONFIG or held is None or _read(held) != _read(file.content)


def _read(content: bytes) -> Mapping[str, Any] | None:
    """None, which is like nothing that we write, where it is damaged."""
    from pykubeadm.config.section import DocumentError, load_section

    try:
        return load_section(content).data
    except DocumentError:
        return None


def _put_back(run: ReconfigureRun) -> str:
    """What has become of it, as the end of a sentence."""
    from pykubeadm.phases.cluster.wait_control_plane import wait_for_kubelet
    from pykubeadm.phases.kubelet.start import start_kubelet

    try:
        start_kubelet(run, former_kubelet_files(run, OF_RECONFIGURE))
        wait_for_kubelet(run, _NAME)
    except PykubeadmError as error:
        return f"its former configuration was put back, and it does not become healthy with that either: {_first_line(error)}"
    drop_kubelet_files(run, OF_RECONFIGURE)
    return "its former configuration was put back, and it runs with that; correct the new one, then run this again"


def _first_line(error: PykubeadmError) -> str:
    return str(error).partition("\n")[0]


def _rest(error: PykubeadmError) -> str:
    return str(error).partition("\n")[2]


kubelet: Phase[ReconfigureRun] = Phase(
    name=_NAME,
    summary="Write the kubelet's configuration, and start the kubelet with it",
    apply=_apply,
    flags=("kubeconfig", "patches"),
)
