"""Starts the kubelet with its files, again where they changed."""

from __future__ import annotations

from collections.abc import Sequence

from pykubeadm.node.port import Directory, File, Unit
from pykubeadm.phases.kubelet.files import rotated_pair
from pykubeadm.phases.run import ClusterRun
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.workflow.phase import Changes

_UNIT = "kubelet"


def start_kubelet(run: ClusterRun, files: Sequence[File | Directory]) -> Changes:
    """Write `files` and see that a kubelet runs with them: (re)started where one of them changed, started where it stands."""
    node = run.node
    unit = node.unit(_UNIT)
    if unit.load == "not-found":
        changed = node.write(files)
        run.note("warning", "this node has no kubelet service: start the kubelet by other means", topic="kubelet-start")
        return [f"wrote {path}" for path in changed]
    if unit.active == "active" and any(isinstance(file, File) and node.read(file.path) != file.content for file in files):
        # Stopped before its files change: were we killed in between, the next run finds a kubelet to start, and not
        # one that goes on with what the files said before.
        node.ensure_unit(Unit(_UNIT, enabled=None, state="stopped"), known=unit)
    changed = node.write(files)
    started = run.now()
    # The kubelet waits ever longer, up to five minutes, before it starts again what ended or pulls again what could not be
    # had. The cause may be fixed by now, and a kubelet that was restarted begins at once.
    missing = _missing(run) if unit.active == "active" and not changed else ()
    dropped = _without_premature_pair(run)
    remade = run.journal.remade()
    ended = _end_components(run) if remade else ()
    restart = changed or missing or dropped or remade
    actions = node.ensure_unit(Unit(_UNIT, state="restarted" if restart else "started"), known=unit)
    run.journal.started_with_remade()
    if "started" in actions or "restarted" in actions:
        run.kubelet_started = started
    why = f", so that it starts {' and '.join(missing)} at once" if missing else ""
    return [*(f"wrote {path}" for path in changed), *dropped, *ended, *(f"{action} the kubelet{why}" for action in actions)]


def _without_premature_pair(run: ClusterRun) -> Changes:
    """The kubelet prefers the client certificate that it keeps to that of kubelet.conf, also one that is not valid yet."""
    from pykubeadm.pki.check import load_certificates

    pair = rotated_pair(run)
    try:
        certificate = load_certificates(run.node.read(pair) or b"")[0]
    except ValueError:
        return ()
    if run.now() >= certificate.not_valid_before_utc:
        return ()
    return [f"removed {path}, whose certificate was not valid yet" for path in run.node.remove([pair])]


def _end_components(run: ClusterRun) -> Changes:
    """The static pods' programs read certificates and kubeconfigs when they start."""
    from pykubeadm.node.diagnose import CONTROL_PLANE
    from pykubeadm.phases.static_pods.restart import end_components

    wanted = [name for name in CONTROL_PLANE if run.node.stat(manifest_path(name)) is not None]
    return [f"ended {name}, to start with the certificates that were made again" for name in end_components(run, wanted)]


def _missing(run: ClusterRun) -> tuple[str, ...]:
    """The control-plane components that should run and do not; () while the kubelet is replacing others, which it could not
    end in peace were it restarted: the new ones would find their ports taken."""
    from pykubeadm.node.diagnose import CONTROL_PLANE, not_running

    wanted = [name for name in CONTROL_PLANE if run.node.stat(manifest_path(name)) is not None]
    missing = not_running(run.node, run.configuration.this_node.node_registration.cri_socket, wanted)
    return missing if run.replaced.keys() <= set(missing) else ()
