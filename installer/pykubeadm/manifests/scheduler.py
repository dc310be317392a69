"""The static pod of kube-scheduler (kubeadm: phases/controlplane/manifests.go)."""

from __future__ import annotations

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import ClusterConfiguration, Timeouts
from pykubeadm.config.versions import kubernetes_image
from pykubeadm.constants import KUBERNETES_DIR, SCHEDULER_PORT
from pykubeadm.manifests.arguments import command_line
from pykubeadm.manifests.static_pod import Component, Health, Pod, bind_address_host, by_name, environment, static_pod
from pykubeadm.manifests.volumes import kubeconfig_mount

NAME = "kube-scheduler"

_KUBECONFIG = f"{KUBERNETES_DIR}/scheduler.conf"
_ARGUMENTS = {
    "authentication-kubeconfig": _KUBECONFIG,
    "authorization-kubeconfig": _KUBECONFIG,
    "bind-address": "127.0.0.1",
    "kubeconfig": _KUBECONFIG,
    "leader-elect": "true",
}


def scheduler_pod(cluster: ClusterConfiguration, timeouts: Timeouts, host: HostFacts) -> Pod:
    """The manifest."""
    extra = cluster.scheduler
    return static_pod(
        Component(
            name=NAME,
            image=kubernetes_image(NAME, cluster),
            command=[NAME, *command_line(_ARGUMENTS, extra.extra_args)],
            health=Health(
                host=bind_address_host(extra.extra_args), port=SCHEDULER_PORT, live="/livez", ready="/readyz", started="/livez"
            ),
            mounts=by_name([kubeconfig_mount(_KUBECONFIG)], extra.extra_volumes),
            requests={"cpu": "100m"},
            env=environment(host.proxy_env, extra.extra_envs),
        ),
        timeouts,
    )
