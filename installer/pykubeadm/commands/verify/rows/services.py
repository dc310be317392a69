"""How pods are reached: by address from every node, by one address for several, by name, and from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from pykubeadm.commands.verify.dns import RESOLVED_WITHIN, domain, unresolved
from pykubeadm.commands.verify.documents import PORT, container, fetching, pod_spec, service, shell, web_server, workload
from pykubeadm.commands.verify.row import NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.side_by_side import side_by_side

_SETTLED: Final = 30.0  # seconds until every node knows of a Service
_TARGETS: Final = 100  # nodes that each asks at most: with more, the time would grow with their square
_ASKED_AT_A_TIME: Final = 25  # by one of them; each is some processes
_AT_A_TIME: Final = 4
_SHOWN: Final = 3


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
    places = [
        {
            each["ip"]: f"the pod on {pods[there]['spec']['nodeName']}"
            for there in others
            for each in pods[there]["status"].get("podIPs") or ()
        }
        for others in _rotated(len(pods))
    ]
    _reach(trial, pods, places, PORT)
    if len(pods) > _TARGETS:
        return f"pods on {len(pods)} nodes reached {_TARGETS} of the others each"
    return f"pods on {len(pods)} nodes reached each other in {len(pods) ** 2} directions" if pods[1:] else "a pod reached itself"


def _everywhere(trial: Trial, suffix: str, *containers: dict[str, Any]) -> list[KubeObject]:
    """A ready pod on each node, in the nodes' order."""
    template = pod_spec(*containers, tolerations=[{"operator": "Exists"}])
    trial.create(workload("apps/v1", "DaemonSet", trial.name(suffix), template, trial.labels(suffix)))
    found = {pod["spec"]["nodeName"]: pod for pod in trial.wait_pods(suffix, len(trial.cluster.nodes))}
    if missing := set(trial.cluster.node_names) - set(found):
        raise NotShownError(f"no pod runs on {', '.join(sorted(missing))}")
    return [found[name] for name in trial.cluster.node_names]


def _rotated(count: int) -> list[list[int]]:
    """For each of `count` nodes the numbers of those it is to reach: all, or so many that each is reached as often as others."""
    steps = sorted({step * count // _TARGETS for step in range(_TARGETS)}) if count > _TARGETS else range(count)
    return [[(number + step) % count for step in steps] for number in range(count)]


def _reach(trial: Trial, clients: Sequence[KubeObject], places: Sequence[Mapping[str, str]], port: int) -> None:
    """Have each client ask at the addresses in its part of `places` (address → what is there), until all have answered."""

    def one(pair: tuple[KubeObject, Mapping[str, str]]) -> None:
        client, there = pair
        name, node = client["metadata"]["name"], client["spec"]["nodeName"]
        trial.wait(f"answers to a pod on {node}", partial(_unanswered, trial, name, there, port), _SETTLED)

    side_by_side(one, list(zip(clients, places, strict=True)), _AT_A_TIME)


def _unanswered(trial: Trial, pod: str, places: Mapping[str, str], port: int) -> str | None:
    """One command asks for all, some at a time."""
    addresses = list(places)
    ask = f"""case "$({fetching("$each", port)})" in *' 200 '*) ;; *) echo $each;; esac &"""
    script = "; ".join(
        f"for each in {' '.join(addresses[at : at + _ASKED_AT_A_TIME])}; do {ask} done; wait"
        for at in range(0, len(addresses), _ASKED_AT_A_TIME)
    )
    done = trial.run(pod, "sh", "-c", script)
    silent = [f"{places[address]} ({address}) does not" for address in done.stdout.split() if address in places]
    if not silent and not done.status:
        return None
    more = f", nor do {len(silent) - _SHOWN} more" if len(silent) > _SHOWN else ""
    return ", ".join(silent[:_SHOWN]) + more if silent else f"its shell said {done.stderr.strip()!r}"


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
    _reach(trial, clients, [{address: "the cluster IP"}] * len(clients), 80)
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
    return f"{address} answered {_nodes(clients)}, and still did after the pod behind it was replaced"


def _dns(trial: Trial) -> str:
    address = trial.create(service(trial.name(), trial.labels("client")))["spec"]["clusterIP"]
    clients = _clients(trial)

    def resolve(client: KubeObject) -> None:
        name, node = client["metadata"]["name"], client["spec"]["nodeName"]
        host = f"{trial.name()}.{trial.namespace}.svc.{domain(trial, name)}"
        trial.wait(f"the name {host} from a pod on {node}", partial(unresolved, trial, name, host, [address]), RESOLVED_WITHIN)

    side_by_side(resolve, clients, _AT_A_TIME)
    return f"{trial.name()}.{trial.namespace}.svc resolved to {address} in {_nodes(clients)}"


def _headless(trial: Trial) -> str:
    labels = trial.labels()
    trial.create(workload("apps/v1", "Deployment", trial.name(), pod_spec(shell(trial.cluster.shell, IDLE)), labels, replicas=2))
    trial.create(service(trial.name(), labels, clusterIP="None"))
    pods = trial.wait_pods("", 2)
    client, addresses = pods[0]["metadata"]["name"], [pod["status"]["podIP"] for pod in pods]
    host = f"{trial.name()}.{trial.namespace}.svc.{domain(trial, client)}"
    trial.wait(f"the name {host}", lambda: unresolved(trial, client, host, addresses), RESOLVED_WITHIN)
    return f"the name of a headless Service resolved to its pods' addresses: {', '.join(sorted(addresses))}"


def _node_port(trial: Trial) -> str:
    port = _web(trial, type="NodePort")["spec"]["ports"][0]["nodePort"]
    clients = _clients(trial)
    trial.wait_pods("web", 1)
    nodes = trial.cluster.nodes
    places = [
        {
            address: f"port {port} of {nodes[there]['metadata']['name']}"
            for there in others
            for address in trial.cluster.addresses(nodes[there])[:1]
        }
        for others in _rotated(len(nodes))
    ]
    _reach(trial, clients, places, port)
    some = f", {_TARGETS} of them each" if len(nodes) > _TARGETS else ""
    return f"port {port} of every node's address answered {_nodes(clients)}{some}"


def _nodes(clients: Sequence[KubeObject]) -> str:
    return f"pods on {len(clients)} nodes" if len(clients) > 1 else "a pod"


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
