"""The CIS benchmark's controls on nodes with the defaults, and on one with the role `hardening` and the configuration that the
documents give: doctor says of each what the table in the documents says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab import assets, cluster
from lab.host import CHECKOUT
from lab.node import Node
from tests.e2e.conftest import NewNode, nodes_of
from tests.e2e.joining import ETCD, join, join_command
from tests.e2e.test_verify import doctor

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
    return {row[0] for row in rows[1:] if row[0][:1].isdigit() and row[place].startswith("no")}


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
