"""How pods are reached: by address from every node, by one address for several, by name, and from outside."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from pykubeadm.commands.verify.documents import PORT, container, pod_spec, service, shell, web_server, workload
from pykubeadm.commands.verify.row import NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.side_by_side import side_by_side

_SETTLED: Final = 30.0  # seconds until every node knows of a Service
# With more nodes than this not each is asked from each, but its next ones.
_ALL_PAIRS: Final = 5
_AT_A_TIME: Final = 4


def _from_nodes(trial: Trial) -> str:
    """By probes of kubelets, which ask from their nodes: of the addresses that every cluster has."""
    found = [trial.cluster.api.get("v1", "Service", "kubernetes", "default")]
    found += trial.cluster.api.list("v1", "Service", "kube-system", labels={"k8s-app": "kube-dns"})
    services = [each for each in found if each is not None]
    containers = [
        container(trial.cluster.pause, name=each["metadata"]["name"], readinessProbe=_reached(each)) for each in services
    ]
    pods = _everywhere(trial, "", *containers)
    names = " and ".join(f"{each['metadata']['name']} ({each['spec']['clusterIP']})" for each in services)
    return f"{names} answered {len(pods)} nodes" if pods[1:] else f"{names} answered the node"


def _reached(found: KubeObject) -> dict[str, object]:
    port = next(each["port"] for each in found["spec"]["ports"] if each.get("protocol", "TCP") == "TCP")
    return {"tcpSocket": {"host": found["spec"]["clusterIP"], "port": port}, "periodSeconds": 1, "timeoutSeconds": 3}


def _pod_network(trial: Trial) -> str:
    """From a pod on each node to the pods on the others, in both directions, and on its own."""
    pods = _everywhere(trial, "", web_server(trial.cluster.shell))

    def reach(pair: tuple[KubeObject, KubeObject]) -> None:
        here, there = pair
        for address in (each["ip"] for each in there["status"].get("podIPs") or ()):
            way = f"a pod on {there['spec']['nodeName']} ({address}) from a pod on {here['spec']['nodeName']}"
            trial.wait(way, trial.answers(here["metadata"]["name"], address, PORT), 20)

    pairs = _pairs(pods)
    side_by_side(reach, pairs, _AT_A_TIME)
    return f"pods on {len(pods)} nodes reached each other in {len(pairs)} directions" if pods[1:] else "a pod reached itself"


def _everywhere(trial: Trial, suffix: str, *containers: dict[str, Any]) -> list[KubeObject]:
    """A ready pod on each node, in the nodes' order."""
    template = pod_spec(*containers, tolerations=[{"operator": "Exists"}])
    trial.create(workload("apps/v1", "DaemonSet", trial.name(suffix), template, trial.labels(suffix)))
    found = {pod["spec"]["nodeName"]: pod for pod in trial.wait_pods(suffix, len(trial.cluster.nodes))}
    if missing := set(trial.cluster.node_names) - set(found):
        raise NotShownError(f"no pod runs on {', '.join(sorted(missing))}")
    return [found[name] for name in trial.cluster.node_names]


def _pairs(pods: Sequence[KubeObject]) -> list[tuple[KubeObject, KubeObject]]:
    count = len(pods)
    steps = range(count) if count <= _ALL_PAIRS else (1, 2, count - 1)
    return [(pods[number], pods[(number + step) % count]) for number in range(count) for step in steps]


def _clients(trial: Trial) -> list[KubeObject]:
    """A pod on every node that can ask."""
    return _everywhere(trial, "client", shell(trial.cluster.shell, IDLE))


def _web(trial: Trial, **spec: object) -> KubeObject:
    """A web server; the Service before it."""
    template, labels = pod_spec(web_server(trial.cluster.shell)), trial.labels("web")
    trial.create(workload("apps/v1", "Deployment", trial.name("web"), template, labels, replicas=1))
    return trial.create(service(trial.name("web"), labels, **spec))


def _cluster_ip(trial: Trial) -> str:
    """From every node; then from one, after the pod behind it was replaced."""
    address = _web(trial)["spec"]["clusterIP"]
    clients = _clients(trial)
    before = {pod["metadata"]["name"] for pod in trial.wait_pods("web", 1)}
    for client in clients:
        way = f"the cluster IP {address} from a pod on {client['spec']['nodeName']}"
        trial.wait(way, trial.answers(client["metadata"]["name"], address), _SETTLED)
    for name in before:
        trial.cluster.api.delete("v1", "Pod", name, trial.namespace)
    first = clients[0]["metadata"]["name"]

    def old() -> str | None:
        try:
            return None if trial.fetch(first, address) not in before else "a pod that was deleted still answers"
        except NotShownError as error:
            return str(error)

    trial.wait(f"another pod's answer at the cluster IP {address}", old)
    kept = trial.cluster.api.get("v1", "Service", trial.name("web"), trial.namespace) or {}
    if kept.get("spec", {}).get("clusterIP") != address:
        raise NotShownError(f"the Service's address did not stay {address}")
    return f"{address} answered {_nodes(clients)}, and continued to when the pod behind it was replaced"


def _dns(trial: Trial) -> str:
    address = trial.create(service(trial.name(), trial.labels("client")))["spec"]["clusterIP"]
    clients = _clients(trial)
    for client in clients:
        name, node = client["metadata"]["name"], client["spec"]["nodeName"]
        host = f"{trial.name()}.{trial.namespace}.svc.{_domain(trial, name)}"
        trial.wait(f"the name {host} from a pod on {node}", partial(_unresolved, trial, name, host, [address]), 40)
    return f"{trial.name()}.{trial.namespace}.svc resolved to {address} in {_nodes(clients)}"


def _headless(trial: Trial) -> str:
    labels = trial.labels()
    trial.create(workload("apps/v1", "Deployment", trial.name(), pod_spec(shell(trial.cluster.shell, IDLE)), labels, replicas=2))
    trial.create(service(trial.name(), labels, clusterIP="None"))
    pods = trial.wait_pods("", 2)
    client, addresses = pods[0]["metadata"]["name"], [pod["status"]["podIP"] for pod in pods]
    host = f"{trial.name()}.{trial.namespace}.svc.{_domain(trial, client)}"
    trial.wait(f"the name {host}", lambda: _unresolved(trial, client, host, addresses), 40)
    return f"the name of a headless Service resolved to its pods' addresses: {', '.join(sorted(addresses))}"


def _node_port(trial: Trial) -> str:
    port = _web(trial, type="NodePort")["spec"]["ports"][0]["nodePort"]
    clients = _clients(trial)
    trial.wait_pods("web", 1)
    nodes = trial.cluster.nodes
    places = [(node["metadata"]["name"], address) for node in nodes for address in trial.cluster.addresses(node)[:1]]
    for client in clients:
        for name, address in places:
            way = f"port {port} of {name} ({address}) from a pod on {client['spec']['nodeName']}"
            trial.wait(way, trial.answers(client["metadata"]["name"], address, port), _SETTLED)
    return f"port {port} of every node's address answered {_nodes(clients)}"


def _nodes(clients: Sequence[KubeObject]) -> str:
    return f"pods on {len(clients)} nodes" if len(clients) > 1 else "a pod"


def _domain(trial: Trial, pod: str) -> str:
    """The cluster's domain, as the kubelet gives it to pods: that of "svc.cluster.local"."""
    for line in trial.sh(pod, "cat /etc/resolv.conf").splitlines():
        words = line.split()
        for word in words[1:] if words[:1] == ["search"] else ():
            if word.startswith("svc."):
                return word.removeprefix("svc.")
    raise NotShownError(f"/etc/resolv.conf of Pod {pod} does not name the cluster's domain: does the kubelet have a clusterDNS?")


def _unresolved(trial: Trial, pod: str, host: str, addresses: Sequence[str]) -> str | None:
    said = trial.run(pod, "nslookup", f"{host}.")
    missing = [address for address in addresses if address not in said.stdout]
    return f"nslookup said {' '.join((said.stdout + said.stderr).split())!r}" if missing else None


ROWS: Final = (
    Row("services/from-nodes", "the addresses of the API server and of DNS answer every node", _from_nodes),
    Row("services/pod-network", "pods on each node reach those on each other", _pod_network, needs_shell=True),
    Row(
        "services/cluster-ip",
        "a Service's one address outlives its pods, on every node",
        _cluster_ip,
        needs_shell=True,
        slow=True,
    ),
    Row("services/dns", "a Service has a name, which resolves on every node", _dns, needs_shell=True),
    Row("services/headless", "the name of a headless Service leads to its pods", _headless, needs_shell=True),
    Row("services/node-port", "a port of every node leads to a Service", _node_port, needs_shell=True),
)
