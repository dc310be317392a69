"""The CIS benchmark's controls: what they see, and that each that does not hold by default says why."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pykubeadm.commands.doctor.benchmark import CONTROLS
from pykubeadm.commands.doctor.here import Here
from pykubeadm.node.port import Directory, File
from tests.support.node import FakeNode

NOW = datetime(2026, 5, 1, tzinfo=UTC)
# How many controls each group of section 5 has (kube-bench: cfg/cis-1.11/policies.yaml).
POLICIES = {1: 13, 2: 13, 3: 2, 4: 2, 5: 1, 6: 4}
BY_NUMBER = {control.number: control for control in CONTROLS}


def judged(node: FakeNode, number: str) -> bool | None:
    return BY_NUMBER[number].judge(Here(node, NOW, tuple))


def manifest(component: str, *flags: str) -> str:
    container = {"name": component, "image": "x", "command": [component, *flags]}
    return f"kind: Pod\nspec: {{containers: [{container!r}]}}\n"


def test_numbers_are_unique_and_all_have_a_remedy() -> None:
    assert len(BY_NUMBER) == len(CONTROLS)
    assert all(re.fullmatch(r"\d\.\d+(\.\d+)?", control.number) and control.asks and control.remedy for control in CONTROLS)


@pytest.mark.parametrize("number", sorted(BY_NUMBER))
def test_what_is_not_there_is_not_judged(number: str) -> None:
    assert judged(FakeNode(), number) is None


def test_permissions_and_owners() -> None:
    node = FakeNode()
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    node.write([File(path, b"kind: Pod\n", 0o600)])
    assert (judged(node, "1.1.1"), judged(node, "1.1.2")) == (True, True)
    node.write([File(path, b"kind: Pod\n", 0o640, uid=7)])
    assert (judged(node, "1.1.1"), judged(node, "1.1.2")) == (False, False)


def test_keys_and_certificates_in_both_directories() -> None:
    node = FakeNode()
    node.write([Directory("/etc/kubernetes/pki/etcd")])
    node.put("/etc/kubernetes/pki/ca.key", b"", 0o600)
    node.put("/etc/kubernetes/pki/etcd/ca.key", b"", 0o600)
    node.put("/etc/kubernetes/pki/etcd/ca.crt", b"", 0o644)
    assert (judged(node, "1.1.20"), judged(node, "1.1.21")) == (True, True)
    node.put("/etc/kubernetes/pki/etcd/ca.key", b"", 0o644)
    assert judged(node, "1.1.21") is False


def test_certificates_elsewhere_are_looked_at_there() -> None:
    node = FakeNode()
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest("kube-apiserver", "--client-ca-file=/srv/pki/ca.crt"))
    node.put("/srv/pki/ca.crt", b"", 0o666)
    node.put("/srv/pki/ca.key", b"", 0o644)
    assert [judged(node, number) for number in ("1.1.19", "1.1.20", "1.1.21", "4.1.7")] == [True, False, False, False]
    node.put("/var/lib/kubelet/config.yaml", "authentication: {x509: {clientCAFile: /srv/of-kubelet.crt}}")
    node.put("/srv/of-kubelet.crt", b"", 0o644)
    assert judged(node, "4.1.7") is True


def test_flags_of_the_api_server() -> None:
    node = FakeNode()
    flags = ["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--client-ca-file=/x"]
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest("kube-apiserver", *flags))
    wanted = {
        "1.2.1": False,
        "1.2.2": True,
        "1.2.6": True,
        "1.2.7": True,
        "1.2.8": True,
        "1.2.14": True,
        "1.2.15": False,
        "1.2.16": False,
    }
    assert {number: judged(node, number) for number in wanted} == wanted
    node.put("/etc/kubernetes/manifests/kube-apiserver.yaml", manifest("kube-apiserver", "--authorization-mode=AlwaysAllow"))
    assert (judged(node, "1.2.6"), judged(node, "1.2.8")) == (False, False)


def test_the_kubelets_configuration() -> None:
    node = FakeNode()
    node.put("/var/lib/kubelet/config.yaml", "authentication: {anonymous: {enabled: false}}\nauthorization: {mode: Webhook}\n")
    assert [judged(node, number) for number in ("4.2.1", "4.2.2", "4.2.4", "4.2.13", "4.1.9")] == [True, True, True, False, False]
    node.put("/var/lib/kubelet/config.yaml", "authentication: {anonymous: {enabled: true}}\nreadOnlyPort: 10255\n")
    assert [judged(node, number) for number in ("4.2.1", "4.2.4")] == [False, False]


def number_of(row: str) -> str:
    return row.split(" | ", maxsplit=1)[0].removeprefix("| ")


def test_controls_that_are_not_looked_at_are_explained_in_the_documents() -> None:
    text = (Path(__file__).parents[4] / "docs/reference/cis-benchmark.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    in_order = sorted(rows, key=lambda row: [int(part) for part in number_of(row).split(".")])
    assert rows == in_order
    others = {number_of(row): row.split(" | ")[2:4] for row in rows if number_of(row) not in BY_NUMBER}
    policies = [f"5.{group}.{number}" for group, count in POLICIES.items() for number in range(1, count + 1)]
    beside = ["1.2.28", "3.1.1", "3.1.2", "3.1.3", "3.2.2", "4.1.3", "4.1.4", "4.2.7", "4.2.15", "4.3.1"]
    assert sorted(others) == sorted(beside + policies)
    states = [re.fullmatch(r"(yes|no: .{10,}|manual: .{10,})", by_default) for by_default, _ in others.values()]
    assert all(states)
    assert all(re.fullmatch(r"yes|no|manual: .{10,}", hardened) for _, hardened in others.values())


def test_the_table_in_the_documents_is_this_one() -> None:
    text = (Path(__file__).parents[4] / "docs/reference/cis-benchmark.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and number_of(line) in BY_NUMBER]
    in_order = sorted(CONTROLS, key=lambda control: [int(part) for part in control.number.split(".")])
    # Whether one holds that does not by default is seen on hardened nodes (tests/e2e/test_doctor_benchmark.py).
    hardened = {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[3] for row in rows}
    assert rows == [
        f"| {control.number} | {control.asks} | no: {control.why} | {hardened[control.number]} | {control.remedy} |"
        if control.why
        else f"| {control.number} | {control.asks} | yes | yes |  |"
        for control in in_order
    ]
