"""The kinds this project handles: how a document's apiVersion and kind become a path of the API."""

from __future__ import annotations

from pykubeadm.errors import ApiError

# (apiVersion, kind) → (plural, namespaced)
KINDS: dict[tuple[str, str], tuple[str, bool]] = {
    ("v1", "ConfigMap"): ("configmaps", True),
    ("v1", "Namespace"): ("namespaces", False),
    ("v1", "Node"): ("nodes", False),
    ("v1", "Pod"): ("pods", True),
    ("v1", "Secret"): ("secrets", True),
    ("v1", "Service"): ("services", True),
    ("v1", "ServiceAccount"): ("serviceaccounts", True),
    ("apps/v1", "DaemonSet"): ("daemonsets", True),
    ("apps/v1", "Deployment"): ("deployments", True),
    ("batch/v1", "Job"): ("jobs", True),
    ("certificates.k8s.io/v1", "CertificateSigningRequest"): ("certificatesigningrequests", False),
    ("coordination.k8s.io/v1", "Lease"): ("leases", True),
    ("policy/v1", "PodDisruptionBudget"): ("poddisruptionbudgets", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): ("clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("clusterrolebindings", False),
    ("rbac.authorization.k8s.io/v1", "Role"): ("roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("rolebindings", True),
}


def plural(api_version: str, kind: str) -> tuple[str, bool]:
    """The collection's name and whether it is namespaced; ApiError for a kind that is not in the table."""
    try:
        return KINDS[api_version, kind]
    except KeyError:
        raise ApiError(f"objects of {api_version} {kind} are not handled") from None
