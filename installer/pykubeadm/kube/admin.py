"""The way in for `init`: admin.conf, which is allowed nothing until its group is bound.

After kubeadm's phases/kubeconfig/kubeconfig.go: the group of admin.conf, kubeadm:cluster-admins, gets its rights from a
ClusterRoleBinding of the same name. Where that is missing, super-admin.conf (group system:masters, which needs no
binding) creates it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pykubeadm.errors import ApiError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.util.kube_object import KubeObject

CLUSTER_ADMINS = "kubeadm:cluster-admins"
_EFFECTIVE_WITHIN = timedelta(seconds=30)  # from the binding's creation until the authorizer has seen it

BINDING: KubeObject = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": CLUSTER_ADMINS},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": CLUSTER_ADMINS}],
}


def bind_admins(admin: Api, super_admin: Callable[[], Api | None]) -> bool:
    """Make `admin` usable; True where the binding had to be created. `super_admin` is called only where it is needed
    and returns None where there is no super-admin.conf; that is an ApiError, as there is no other way in."""
    allowed = retrying(lambda: _try_to_bind(admin), admin.call_timeout)
    if allowed is not None:
        return allowed
    helper = super_admin()
    if helper is None:
        raise ApiError(
            f"admin.conf is not allowed anything, as ClusterRoleBinding {CLUSTER_ADMINS} is missing, and there is no"
            " super-admin.conf to create it with; make one with `init phase kubeconfig super-admin`"
        )
    created = retrying(lambda: _create(helper), helper.call_timeout)
    retrying(lambda: admin.get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", CLUSTER_ADMINS), _EFFECTIVE_WITHIN)
    return created


def _try_to_bind(admin: Api) -> bool | None:
    """True where admin.conf could create the binding, False where it may read it already, None where it may do nothing."""
    try:
        if admin.get("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", CLUSTER_ADMINS) is not None:
            return False
        return _create(admin)
    except ApiStatusError as error:
        if error.code == 403:
            return None
        raise


def _create(api: Api) -> bool:
    try:
        api.create(BINDING)
    except ApiStatusError as error:
        if error.reason == "AlreadyExists":
            return False
        raise
    return True
