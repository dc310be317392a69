"""What pods are given from outside: settings, secrets, an identity with rights, and rules of who may reach them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pykubeadm.commands.verify.documents import PORT, shell, web_server
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.kube.waits import WaitError

_RBAC: Final = "rbac.authorization.k8s.io/v1"
_TOKEN: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
_ENFORCED_WITHIN: Final = 15.0  # seconds
# DaemonSets of network plugins that are known to enforce NetworkPolicies.
_ENFORCING: Final = ("antrea-agent", "calico-node", "canal", "cilium", "kube-network-policies", "kube-router", "weave-net")


def _config_map(trial: Trial) -> str:
    return _mounted(trial, "ConfigMap", lambda text: text)


def _secret(trial: Trial) -> str:
    return _mounted(trial, "Secret", lambda text: base64.b64encode(text.encode()).decode("ascii"))


def _mounted(trial: Trial, kind: str, encoded: Callable[[str], str]) -> str:
    """As a variable and as a file, which follows a change."""
    name, api = trial.name(), trial.cluster.api
    trial.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {"key": encoded("before")}})
    if kind == "ConfigMap":
        volume, reference = {"configMap": {"name": name}}, "configMapKeyRef"
    else:
        volume, reference = {"secret": {"secretName": name}}, "secretKeyRef"
    variable = {"name": "KEY", "valueFrom": {reference: {"name": name, "key": "key"}}}
    mounted = shell(trial.cluster.shell, IDLE, env=[variable], volumeMounts=[{"name": "given", "mountPath": "/given"}])
    pod = trial.start_pod("", mounted, volumes=[{"name": "given", **volume}])
    said = trial.sh(pod, "echo $KEY; cat /given/key").split()
    if said != ["before", "before"]:
        raise NotShownError(f"the variable and the file of {kind} {name} were {said}, not its value")
    api.patch("v1", kind, name, {"data": {"key": encoded("after")}}, trial.namespace, how="merge")
    # The kubelet looks at a pod once a minute, and when it changes.
    api.patch("v1", "Pod", pod, {"metadata": {"annotations": {"changed": "true"}}}, trial.namespace, how="merge")

    def unchanged() -> str | None:
        found = trial.sh(pod, "cat /given/key").strip()
        return None if found == "after" else f"it still is {found!r}"

    trial.wait(f"the file of {kind} {name} to change with it", unchanged, 90)
    return "a variable and a file had its value; the file followed a change in the running pod"


def _service_account(trial: Trial) -> str:
    """With the token that is in a pod: refused, allowed what a Role says, and nothing more."""
    name, namespace = trial.name(), trial.namespace
    trial.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    pod = trial.start_shell("", serviceAccountName=name, automountServiceAccountToken=True)
    api = ClusterApi(_bearer(trial.cluster.credentials, trial.sh(pod, f"cat {_TOKEN}").strip()))
    _require_refused(api, "Pod", namespace, "before it had a Role")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    trial.create({"apiVersion": _RBAC, "kind": "Role", "metadata": {"name": name}, "rules": rules})
    trial.create(
        {
            "apiVersion": _RBAC,
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
    )

    def refused() -> str | None:
        api.list("v1", "Pod", namespace)
        return None

    trial.wait("what the Role allows", refused, 20)
    _require_refused(api, "Secret", namespace, "with a Role for pods alone")
    return "a pod's token was refused, allowed what a Role says, and nothing beside it"


def _bearer(credentials: Credentials, token: str) -> Credentials:
    """The same cluster, as who has this token."""
    return replace(credentials, certificate=b"", certificate_path="", key=b"", key_path="", user={"token": token})


def _require_refused(api: Api, kind: str, namespace: str, when: str) -> None:
    try:
        api.list("v1", kind, namespace)
    except ApiStatusError as error:
        if error.code == 403:
            return
        raise
    raise NotShownError(f"a pod's ServiceAccount could list {kind} objects {when}")


def _network_policy(trial: Trial) -> str:
    server = trial.start_pod("server", web_server(trial.cluster.shell), labels={"app": trial.name("server")})
    client = trial.start_shell("client")
    address = trial.pod(server)["status"]["podIP"]
    reached = trial.answers(client, address, PORT)
    trial.wait("the server's answer before there is a policy", reached, 20)
    trial.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": trial.name()},
            "spec": {"podSelector": {"matchLabels": {"app": trial.name("server")}}, "policyTypes": ["Ingress"]},
        }
    )
    plugin = _enforcing(trial)

    def open_still() -> str | None:
        return "the server is still reached" if reached() is None else None

    if plugin is None:
        try:
            trial.wait("the policy's effect", open_still, _ENFORCED_WITHIN)
        except WaitError as error:
            raise NotServedError("the network plugin enforces no NetworkPolicy: one that allows nobody in did nothing") from error
    else:
        trial.wait(f"{plugin} to enforce the policy", open_still)
    return "a server that was reached was not any more under a policy that allows nobody in"


def _enforcing(trial: Trial) -> str | None:
    names = {found["metadata"]["name"] for found in trial.cluster.api.list("apps/v1", "DaemonSet")}
    return next((name for name in _ENFORCING if name in names), None)


ROWS: Final = (
    Row(
        "configuration/config-map",
        "a ConfigMap is a variable and a file, which follows it",
        _config_map,
        needs_shell=True,
    ),
    Row("configuration/secret", "a Secret is a variable and a file, which follows it", _secret, needs_shell=True),
    Row(
        "configuration/service-account",
        "a pod is allowed what its roles say",
        _service_account,
        needs_shell=True,
    ),
    Row("configuration/network-policy", "a NetworkPolicy keeps others out", _network_policy, needs_shell=True, slow=True),
)
