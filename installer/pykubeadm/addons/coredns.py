"""CoreDNS, the cluster's name server (kubeadm: phases/addons/dns)."""

from __future__ import annotations

from typing import Any, Final

from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.versions import coredns_image
from pykubeadm.constants import LABEL_CONTROL_PLANE
from pykubeadm.resources import render, render_text
from pykubeadm.util.ip import address_in

DEFAULT_REPLICAS: Final = 2
_DNS_INDEX = 10  # the cluster DNS has the tenth address of the service subnet


def corefile(cluster: ClusterConfiguration) -> str:
    """CoreDNS' own configuration."""
    return render_text("addons/Corefile.j2", dns_domain=cluster.networking.dns_domain)


def coredns(cluster: ClusterConfiguration, replicas: int = DEFAULT_REPLICAS) -> list[dict[str, Any]]:
    """ConfigMap, ClusterRole, ClusterRoleBinding, ServiceAccount, Deployment, Service.

    `replicas` is the number of a Deployment that is there already: the user may have scaled it.
    """
    return render(
        "addons/coredns.yaml.j2",
        corefile=corefile(cluster),
        image=coredns_image(cluster),
        replicas=replicas,
        control_plane=LABEL_CONTROL_PLANE,
        cluster_ip=address_in(cluster.networking.service_subnet, _DNS_INDEX),
    )
