"""kubeconfig: whoever on this node speaks to the former controlPlaneEndpoint speaks to the new one, once that answers.

The former ones are kept beside the cluster's configuration, so that nodes which come later know whom they are to leave. Where a
kubeconfig names another server than that, it is the user's choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBERNETES_DIR
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pykubeadm.node.port import File

_NAME: Final = "kubeconfig"
_FORMER: Final = "pykubeadm.kube/former-endpoint"  # annotation of ConfigMap kube-system/kubeadm-config: URLs, with commas
_KUBELET: Final = f"{KUBERNETES_DIR}/kubelet.conf"
_FILES: Final = (ADMIN_KUBECONFIG, f"{KUBERNETES_DIR}/super-admin.conf", _KUBELET)


def formers_and_new(run: ReconfigureRun) -> tuple[tuple[str, ...], str]:
    """The URLs that the endpoint had, and the one that it is to have."""
    from dataclasses import replace

    from pykubeadm.config.endpoint import control_plane_url
    from pykubeadm.phases.cluster.connection import cluster_api

    new = control_plane_url(run.configuration)
    if not run.configuration.cluster.control_plane_endpoint:
        return (), new
    found = cluster_api(run).get("v1", "ConfigMap", "kubeadm-config", "kube-system") or {}
    kept = str(((found.get("metadata") or {}).get("annotations") or {}).get(_FORMER) or "")
    known = [*filter(None, kept.split(",")), control_plane_url(replace(run.configuration, cluster=run.stored))]
    return tuple(url for url in dict.fromkeys(known) if url != new), new


def moved_files(run: ReconfigureRun) -> tuple[str, list[File]]:
    """The new URL, and the kubeconfigs that name a former one, as they are to be."""
    formers, new = formers_and_new(run)
    return new, [file for path in _FILES for file in _moved(run, path, formers, new)]


def _apply(run: ReconfigureRun) -> Changes:
    """The kubelet is stopped before its kubeconfig changes, so that a run that was killed leaves one to be started."""
    from pykubeadm.phases.kubelet.start import start_kubelet

    new, files = moved_files(run)
    if not files:
        return ()
    _await_answer(run, new)
    of_kubelet = [file for file in files if file.path == _KUBELET]
    run.node.write([file for file in files if file.path != _KUBELET])
    started = start_kubelet(run, of_kubelet) if of_kubelet else ()
    pointed = [f"pointed {file.path} to {new}" for file in files]
    return [*pointed, *(change for change in started if not change.startswith("wrote "))]


def _moved(run: ReconfigureRun, path: str, formers: Sequence[str], new: str) -> list[File]:
    """The kubeconfig and users' copies of it, where they name a former server. A control plane's kubelet stays with the API
    server of its own node."""
    from dataclasses import replace

    from pykubeadm.config.endpoint import local_url
    from pykubeadm.node.port import File
    from pykubeadm.phases.kubeconfig.copies import copies_of
    from pykubeadm.phases.kubeconfig.held import held_client
    from pykubeadm.util.yaml_output import to_yaml

    held, before, stat = held_client(run.node, path), run.node.read(path), run.node.stat(path)
    if held is None or before is None or stat is None or held.kubeconfig.server not in formers:
        return []
    local = local_url(run.configuration.this_node.local_api_endpoint)
    if path == _KUBELET and run.is_control_plane and held.kubeconfig.server == local:
        return []
    held.kubeconfig.cluster["server"] = new
    file = File(path, to_yaml(held.kubeconfig.document).encode(), stat.mode, stat.uid, stat.gid, secret=True, replaces=True)
    copies = copies_of(run.node, before) if path == ADMIN_KUBECONFIG else ()
    return [*(replace(copy, content=file.content) for copy in copies), file]


def _await_answer(run: ReconfigureRun, url: str) -> None:
    """PhaseError, before any kubeconfig changes, where nobody answers there as this cluster. A certificate that has just been
    issued is not shown at once."""
    from pykubeadm.phases.cluster.connection import health_endpoint
    from pykubeadm.phases.waiting import wait

    timeout = run.configuration.this_node.timeouts.kubernetes_api_call
    wait(run, _NAME, {f"the API at {url}": health_endpoint(run, f"{url}/livez")}, timeout)


def publish(run: ReconfigureRun) -> Changes:
    """What nodes that join find, and what the present ones are to leave. Before the new endpoint is stored: what was the
    former one is not known any more then."""
    from pykubeadm.kube.apply import retrying
    from pykubeadm.phases.cluster.connection import cluster_api

    formers, new = formers_and_new(run)
    if not formers:
        return ()
    api = cluster_api(run)

    def once() -> Changes:
        body = {"metadata": {"annotations": {_FORMER: ",".join(formers)}}}
        api.patch("v1", "ConfigMap", "kubeadm-config", body, "kube-system", how="merge")
        info = api.get("v1", "ConfigMap", "cluster-info", "kube-public")
        text = ((info or {}).get("data") or {}).get("kubeconfig") or ""
        wanted = text
        for former in formers:
            wanted = wanted.replace(f"server: {former}\n", f"server: {new}\n")
        if info is None or wanted == text:
            return ()
        api.replace(info | {"data": info["data"] | {"kubeconfig": wanted}})
        return ["updated ConfigMap kube-public/cluster-info"]

    return retrying(once, api.call_timeout, settling=False)


kubeconfig: Phase[ReconfigureRun] = Phase(
    name=_NAME, summary="Point kubeconfigs to a new controlPlaneEndpoint", apply=_apply, flags=("kubeconfig",)
)
