"""addon: CoreDNS and kube-proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.commands.init.run import InitRun
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api

_NAMESPACE = "kube-system"


def _coredns(run: InitRun) -> Changes:
    from pykubeadm.addons.coredns import DEFAULT_REPLICAS
    from pykubeadm.addons.printing import print_manifest
    from pykubeadm.phases.cluster.addons import coredns_documents, replicas
    from pykubeadm.phases.run import patches_directory

    if run.print_manifest:
        documents = coredns_documents(run, DEFAULT_REPLICAS)
        run.result("manifest", print_manifest(documents, patched=bool(patches_directory(run.configuration))).rstrip("\n"))
        return []

    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.phases.cluster.connection import cluster_api

    api = cluster_api(run)
    documents = coredns_documents(run, replicas(api))
    if _has_own_corefile(api, documents):
        run.note("info", "the Corefile was changed by hand and stays as it is", topic="addon/coredns")
        documents = [document for document in documents if document["kind"] != "ConfigMap"]
    return ensure_all(api, documents)


def _kube_proxy(run: InitRun) -> Changes:
    from pykubeadm.addons.kube_proxy import kube_proxy
    from pykubeadm.addons.printing import print_manifest
    from pykubeadm.phases.patching import patched_addon

    # kubeadm leaves the proxy variables out of what it prints (phases/addons/proxy/proxy.go).
    made = kube_proxy(run.configuration, {} if run.print_manifest else run.host.proxy_env, run.note)
    documents = [patched_addon(run.patches, document) for document in made]
    if run.print_manifest:
        run.result("manifest", print_manifest(documents).rstrip("\n"))
        return []

    from pykubeadm.kube.apply import ensure_all
    from pykubeadm.phases.cluster.connection import cluster_api

    return ensure_all(cluster_api(run), documents)


def _has_own_corefile(api: Api, documents: list[KubeObject]) -> bool:
    wanted = next(document for document in documents if document["kind"] == "ConfigMap")
    live = api.get("v1", "ConfigMap", wanted["metadata"]["name"], _NAMESPACE)
    return live is not None and live.get("data", {}).get("Corefile", "") not in ("", wanted["data"]["Corefile"])


def _is_dns_wanted(run: InitRun) -> bool:
    return run.print_manifest or not run.configuration.cluster.dns.disabled


def _is_proxy_wanted(run: InitRun) -> bool:
    return run.print_manifest or not run.configuration.cluster.proxy.disabled


_FLAGS = ("config", "kubeconfig", "kubernetes-version", "image-repository", "dry-run", "print-manifest")
_DNS_FLAGS = ("feature-gates", "service-dns-domain", "service-cidr", "patches")
_PROXY_FLAGS = ("apiserver-advertise-address", "control-plane-endpoint", "apiserver-bind-port", "pod-network-cidr")

addon: Phase[InitRun] = Phase(
    name="addon",
    summary="Install CoreDNS and kube-proxy",
    flags=(*_FLAGS, *_DNS_FLAGS, *_PROXY_FLAGS),
    phases=(
        Phase(name="coredns", summary="Install CoreDNS", apply=_coredns, when=_is_dns_wanted, flags=(*_FLAGS, *_DNS_FLAGS)),
        Phase(
            name="kube-proxy",
            summary="Install kube-proxy",
            apply=_kube_proxy,
            when=_is_proxy_wanted,
            flags=(*_FLAGS, *_PROXY_FLAGS),
        ),
    ),
)
