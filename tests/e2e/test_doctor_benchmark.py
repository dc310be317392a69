"""The CIS benchmark's controls on nodes with the defaults, and on one with the role `hardening` and the configuration that the
documents give: doctor says of each what the table in the documents says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from lab import assets, cluster
from lab.host import CHECKOUT
from lab.node import Node
from pykubeadm.commands.doctor.benchmark import CONTROLS
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import ETCD, join, join_command
from tests.e2e.verifying import doctor

TABLE = CHECKOUT / "docs/reference/cis-benchmark.md"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ROLE = {
    "ansible_connection": "local",
    "prepare_hardening": True,
    "hardening_audit": True,
    "hardening_encryption": True,
    "hardening_encryption_key": KEY,
}
# Of control planes, by their number's first digits.
_OF_CONTROL_PLANES = ("1.", "2.", "3.")
LOOKED_AT = {control.number for control in CONTROLS}


@pytest.fixture(scope="module")
def new_node_here(kubernetes: assets.Assets, request: pytest.FixtureRequest) -> Iterator[NewNode]:
    with nodes_of(kubernetes, request) as new_node:
        yield new_node


@pytest.fixture(scope="module")
def by_default(new_node_here: NewNode, kubernetes: assets.Assets) -> tuple[Node, Node]:
    plane, worker = new_node_here("cis"), new_node_here("cisw")
    start(plane, cluster.documents(kubernetes.version, plane.address, etcd_tag=kubernetes.etcd_tag))
    join(worker, join_command(plane))
    cluster.install_cni(worker, asking=plane)
    return plane, worker


@pytest.fixture(scope="module")
def hardened(new_node_here: NewNode, kubernetes: assets.Assets) -> Node:
    """The role brings the files that the API server reads, and then the permissions of what `init` made."""
    node = new_node_here("cish")
    documents = cluster.documents(kubernetes.version, node.address, etcd_tag=kubernetes.etcd_tag)
    for given in yaml.safe_load_all(TABLE.read_text().partition("```yaml\n")[2].partition("```")[0]):
        next(each for each in documents if each["kind"] == given["kind"]).update(given)
    node.write("/root/hosts.yml", yaml.safe_dump({"all": {"hosts": {"here": ROLE}}}), "0600")
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents))
    harden(node)
    start(node, documents)
    harden(node)
    return node


def harden(node: Node) -> None:
    node.run("pykubeadm", "node", "prepare", "-i", "/root/hosts.yml", "--tags=hardening", "--config", cluster.CONFIG, timeout=200)


def start(node: Node, documents: list[dict[str, Any]]) -> None:
    """Debian's package, from which the lab's nodes have etcd, gives its directory to a user of its own; other nodes have none."""
    node.run("chown", "root:root", "/var/lib/etcd")
    node.write(cluster.CONFIG, yaml.safe_dump_all(documents))
    node.run("pykubeadm", "init", "--config", cluster.CONFIG, timeout=300)
    cluster.install_cni(node)


def table(column: str) -> set[str]:
    """The numbers of the controls that do not hold in this column of the documents' table."""
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    place = rows[0].index(column)
    return {row[0] for row in rows[1:] if row[0] in LOOKED_AT and row[place].startswith("no")}


def state(number: str) -> str:
    """Of a control by default: yes, no, manual."""
    line = next(line for line in TABLE.read_text().splitlines() if line.startswith(f"| {number} |"))
    return line.split(" | ")[2].partition(":")[0]


def found(node: Node) -> set[str]:
    """The numbers of the controls that do not hold, each with its reason: a warning is one that has none."""
    [check] = [each for each in doctor(node)["checks"] if each["name"] == "node/cis-benchmark"]
    unexplained = [remark for remark in check["remarks"] if remark["level"] != "note"]
    assert unexplained == []
    return {remark["found"].partition(" ")[0] for remark in check["remarks"]}


@pytest.mark.long
def test_by_default(by_default: tuple[Node, Node], results: list[str]) -> None:
    plane, worker = by_default
    on_plane, on_worker = found(plane), found(worker)
    assert on_plane == table("by default")
    assert on_worker == {number for number in on_plane if not number.startswith(_OF_CONTROL_PLANES)} | {"1.1.9"}
    results.append(f"CIS by default: {len(on_plane)} controls do not hold on a control plane, {len(on_worker)} on a worker")


@pytest.mark.long
def test_policies_by_default(by_default: tuple[Node, Node], results: list[str]) -> None:
    """What the table says of section 5 where a benchmark can tell: of rights, and of the pods that `init` makes."""
    plane, _ = by_default
    somebody = ("--as=somebody", "--as-group=system:authenticated", "--all-namespaces")
    answers = {
        number: cluster.kubectl(plane, "auth", "can-i", *words, *somebody, check=False)
        for number, words in {"5.1.2": ("list", "secrets"), "5.1.4": ("create", "pods")}.items()
    }
    assert answers == {"5.1.2": "no", "5.1.4": "no"}
    bindings = cluster.kubectl_json(plane, "get", "clusterrolebindings")["items"]
    administrators = {each["metadata"]["name"] for each in bindings if each["roleRef"]["name"] == "cluster-admin"}
    assert administrators >= {"cluster-admin", "kubeadm:cluster-admins"}
    pods = cluster.kubectl_json(plane, "--namespace=kube-system", "get", "pods")["items"]
    found = {
        "5.1.2": "yes",
        "5.1.4": "yes",
        "5.1.1": "no" if administrators != {"cluster-admin"} else "yes",
        **{number: "no" if any(map(breaks, pods)) else "yes" for number, breaks in _OF_PODS.items()},
    }
    assert found == {number: state(number) for number in found}
    assert {_name(pod) for pod in pods if _OF_PODS["5.2.2"](pod)} == {"kube-proxy"}
    assert {_name(pod) for pod in pods if _OF_PODS["5.2.9"](pod)} == {"coredns"}
    results.append(f"CIS policies: {', '.join(f'{number} {said}' for number, said in sorted(found.items()))}")


def _contexts(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [container.get("securityContext") or {} for container in pod["spec"]["containers"]]


def _name(pod: dict[str, Any]) -> str:
    """As in "coredns" of "coredns-5d78c9869d-x"."""
    return next(name for name in ("kube-proxy", "coredns", pod["metadata"]["name"]) if pod["metadata"]["name"].startswith(name))


_OF_PODS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "5.2.2": lambda pod: any(context.get("privileged") for context in _contexts(pod)),
    "5.2.3": lambda pod: bool(pod["spec"].get("hostPID")),
    "5.2.4": lambda pod: bool(pod["spec"].get("hostIPC")),
    "5.2.5": lambda pod: bool(pod["spec"].get("hostNetwork")),
    "5.2.6": lambda pod: any(context.get("allowPrivilegeEscalation") for context in _contexts(pod)),
    "5.2.9": lambda pod: any((context.get("capabilities") or {}).get("add") for context in _contexts(pod)),
}


@pytest.mark.long
def test_hardened(hardened: Node, results: list[str]) -> None:
    on_hardened = found(hardened)
    assert on_hardened == table("hardened")
    results.append(f"CIS hardened: {len(on_hardened)} controls do not hold on a control plane: {', '.join(sorted(on_hardened))}")


@pytest.mark.long
def test_secrets_of_a_hardened_cluster_are_encrypted_and_requests_are_logged(hardened: Node) -> None:
    cluster.kubectl(hardened, "create", "secret", "generic", "s", "--from-literal=key=plain-text-of-it")
    stored = hardened.run(*ETCD, "get", "/registry/secrets/default/s", "--print-value-only").stdout
    assert stored.startswith("k8s:enc:secretbox:")
    log = hardened.read("/var/log/kubernetes/audit/audit.log")
    assert '"resource":"secrets"' in log
    assert "plain-text-of-it" not in log
