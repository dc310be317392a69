"""The Nodes: ready, of versions that go together, with clocks that agree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.cluster import SYSTEM, ClusterView
from pykubeadm.config.versions import KUBELET_SKEW, Version, parse_version
from pykubeadm.errors import ApiError
from pykubeadm.kube.clocks import compare_clocks
from pykubeadm.kube.pod_state import is_ready
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.util.age import age
from pykubeadm.util.side_by_side import side_by_side
from pykubeadm.util.timestamp import parse_timestamp

_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_LEASES: Final = "kube-node-lease"
_AT_A_TIME: Final = 4
_REFUSED: Final = (401, 403)  # by the kubelet, to the API server


def _ready(view: ClusterView) -> Iterable[Remark]:
    for node in view.nodes:
        name = node["metadata"]["name"]
        conditions = {each["type"]: each for each in (node.get("status") or {}).get("conditions") or ()}
        if not is_ready(node):
            ready = conditions.get("Ready") or {}
            since = (
                f", since {age(view.now() - parse_timestamp(ready['lastTransitionTime']))}"
                if ready.get("lastTransitionTime")
                else ""
            )
            why = ready.get("message") or "its kubelet has said nothing yet"
            yield problem(f"{name} is not ready{since}: {why}", f"on {name}: pykubeadm doctor")
        for kind in _PRESSURES:
            if (conditions.get(kind) or {}).get("status") == "True":
                yield problem(f"{name} has {kind}: {conditions[kind].get('message', '')}", f"on {name}: pykubeadm doctor")
        if (node.get("spec") or {}).get("unschedulable"):
            yield warning(f"{name} takes no new pods: it is cordoned", f"kubectl uncordon {name}")


def _skew(view: ClusterView) -> Iterable[Remark]:
    servers = [_tag(pod["spec"]["containers"][0]["image"]) for pod in view.pods_with("component", "kube-apiserver")]
    versions = [version for version in servers if version is not None]
    if not versions:
        return
    oldest, newest = min(versions), max(versions)
    if newest.minor - oldest.minor > 1:
        yield problem(
            f"API servers are {newest.minor - oldest.minor} minor versions apart: {oldest} and {newest}",
            "upgrade the older control planes",
        )
    for node in view.nodes:
        kubelet = parse_version(node["status"]["nodeInfo"]["kubeletVersion"])
        name = node["metadata"]["name"]
        if kubelet.minor > oldest.minor:
            yield problem(
                f"the kubelet of {name}, {kubelet}, is newer than the API server {oldest}", "upgrade the control planes first"
            )
        elif newest.minor - kubelet.minor > KUBELET_SKEW:
            yield problem(
                f"the kubelet of {name}, {kubelet}, is too old for the API server {newest}",
                f"on {name}: pykubeadm upgrade node --kubelet",
            )


def _kubelets(view: ClusterView) -> Iterable[Remark]:
    """By a line of a log, which the API server reads from the kubelet."""
    ready = {node["metadata"]["name"] for node in view.nodes if is_ready(node)}
    running = {name: pod for pod in view.pods if is_ready(pod) and (name := pod["spec"].get("nodeName")) in ready}

    def refused(name: str) -> str | None:
        try:
            view.streams.logs(SYSTEM, running[name]["metadata"]["name"], lines=1)
        except ApiStatusError as error:  # what the kubelet itself says has no address in it
            return str(error) if error.code in _REFUSED or "://" in str(error) else None
        except ApiError as error:
            return str(error)
        return None

    for name, why in zip(running, side_by_side(refused, running, _AT_A_TIME), strict=True):
        if why is not None:
            yield problem(
                f"the API server cannot reach the kubelet of {name}: {why}",
                "let control planes to port 10250 of every node; `pykubeadm certs check-expiration` on the control planes",
            )


def _tag(image: str) -> Version | None:
    try:
        return parse_version(image.partition("@")[0].rpartition(":")[2])
    except ValueError:
        return None


def _clocks(view: ClusterView) -> Iterable[Remark]:
    for each in compare_clocks(view.api, view.now).apart:
        where = each.name if each.node else "that machine"
        yield problem(
            str(each),
            f"on {where}: timedatectl set-ntp true, or chronyc makestep; if its clock is right, the same on the control planes",
        )


CHECKS: Final = (
    Check("cluster/nodes", "on a Node that is not ready pods do not run", _ready),
    Check("cluster/kubelets", "logs, exec, port-forward and metrics come from kubelets, through the API server", _kubelets),
    Check("cluster/skew", "components of versions too far apart do not understand each other", _skew),
    Check("cluster/clocks", "certificates, tokens and Leases count by the clock", _clocks),
)
