"""Who has a say in what the API takes: webhooks and aggregated API servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.cluster import ClusterView
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.util.kube_object import KubeObject

_GROUP: Final = "admissionregistration.k8s.io/v1"
_KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_DENIED: Final = "admission webhook"


def _webhooks(view: ClusterView) -> Iterable[Remark]:
    """Whether somebody is behind each, and what they say to a small pod, which is not stored."""
    for kind, name, webhook in _configured(view):
        reference = (webhook.get("clientConfig") or {}).get("service")
        if reference and (why := _nobody(view, reference)) is not None:
            fails = webhook.get("failurePolicy", "Fail") == "Fail"
            remark, so = (problem, "what it is asked for is refused") if fails else (warning, "each request waits for it")
            yield remark(
                f"the webhook {webhook['name']} ({kind} {name}) has no running backend: {why}; {so}",
                f"start its pods, or: kubectl delete {kind.lower()} {name}",
            )
    try:
        view.rehearsing.create(_small_pod())
    except ApiStatusError as error:
        if _DENIED in str(error) or "webhook" in str(error):
            yield problem(
                f"a small pod in the namespace default would be refused: {error}",
                "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
            )


def _configured(view: ClusterView) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for kind in _KINDS:
        for found in view.api.list(_GROUP, kind):
            for webhook in found.get("webhooks") or ():
                yield kind, found["metadata"]["name"], webhook


def _nobody(view: ClusterView, reference: dict[str, Any]) -> str | None:
    namespace, name = reference["namespace"], reference["name"]
    if view.api.get("v1", "Service", name, namespace) is None:
        return f"there is no Service {namespace}/{name}"
    pieces = view.api.list("discovery.k8s.io/v1", "EndpointSlice", namespace, labels={"kubernetes.io/service-name": name})
    ready = [each for piece in pieces for each in piece.get("endpoints") or () if (each.get("conditions") or {}).get("ready")]
    return None if ready else f"no pod behind the Service {namespace}/{name} is ready"


def _small_pod() -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pykubeadm-doctor", "namespace": "default"},
        "spec": {"containers": [{"name": "none", "image": "registry.k8s.io/pause"}]},
    }


def _apis(view: ClusterView) -> Iterable[Remark]:
    for found in view.api.list("apiregistration.k8s.io/v1", "APIService"):
        for condition in (found.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Available" and condition["status"] != "True":
                name = found["metadata"]["name"]
                yield problem(
                    f"the API {name} is not available: {condition.get('message', '')}",
                    f"start what serves it, or: kubectl delete apiservice {name}; namespaces cannot be removed meanwhile",
                )


CHECKS: Final = (
    Check("cluster/webhooks", "a webhook that does not answer, or denies, keeps pods from being made", _webhooks),
    Check("cluster/aggregated-apis", "an API that is not there keeps namespaces from being removed", _apis),
)
