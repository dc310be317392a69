"""`config show`: the configuration that a running cluster keeps in its ConfigMaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pykubeadm.errors import ApiError
from pykubeadm.kube.port import Api

# ConfigMap of kube-system and key, in the order of a configuration file (kubeadm: constants.go).
_PLACES = (
    ("kubeadm-config", "ClusterConfiguration"),
    ("kubelet-config", "kubelet"),
    ("kube-proxy", "config.conf"),
)


def stored_documents(api: Api, warn: Callable[[str], None]) -> list[dict[str, Any]]:
    """ClusterConfiguration, KubeletConfiguration and KubeProxyConfiguration as they are stored. `warn` gets what is not there;
    ApiError where nothing is."""
    import yaml

    found: list[dict[str, Any]] = []
    for name, key in _PLACES:
        stored = api.get("v1", "ConfigMap", name, "kube-system")
        text = ((stored or {}).get("data") or {}).get(key)
        try:
            document = yaml.load(text or "", Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            document = None
        if isinstance(document, dict):
            found.append(document)
        else:
            why = f"has no {key} that can be read" if stored else "does not exist"
            warn(f"ConfigMap kube-system/{name} {why}")
    if not found:
        raise ApiError(f"the cluster at {api.server} keeps no configuration of kubeadm's: was it made by other means?")
    return found
