"""Rows that ask in pods: each node from each, and the names of pods."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pykubeadm.commands.verify import trial as trials
from pykubeadm.commands.verify.cluster import Cluster
from pykubeadm.commands.verify.rows import ROWS, services
from pykubeadm.commands.verify.trial import Trial
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.pod_streams import Ended
from pykubeadm.kube.waits import WaitError
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi

# Says whom it was asked for, and answers for all but those that are silent.
NC = """#!/bin/sh
for host; do last=$before; before=$host; done
echo "$HERE $last" >>"$ASKED"
case " $SILENT " in *" $HERE>$last "*) exit 1;; esac
echo "HTTP/1.0 200 OK"
"""


@dataclass
class Shells:
    """Runs scripts of pods on this machine, with an `nc` that answers for pods; nslookup answers by `names`."""

    bin: Path
    silent: str = ""
    names: dict[str, str] = field(default_factory=dict)
    asked_for: list[str] = field(default_factory=list)

    def run(self, _namespace: str, pod: str, argv: tuple[str, ...], **_more: Any) -> Ended:
        if argv[0] == "nslookup":
            self.asked_for.append(argv[1])
            return Ended(0, f"Server: 10.96.0.10\nAddress: 10.96.0.10:53\nName: x\nAddress: {self.names.get(argv[1], '')}\n", "")
        if "resolv.conf" in argv[-1]:
            return Ended(0, "search ns.svc.example.test svc.example.test example.test\n", "")
        own = {"HERE": pod, "SILENT": self.silent, "ASKED": str(self.bin / "asked")}
        done = subprocess.run(
            argv, env={"PATH": f"{self.bin}:{os.environ['PATH']}", **own}, capture_output=True, text=True, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def asked(self) -> Counter[str]:
        return Counter((self.bin / "asked").read_text().splitlines())


@pytest.fixture
def shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shells:
    (tmp_path / "nc").write_text(NC)
    (tmp_path / "nc").chmod(0o755)
    monkeypatch.setattr(trials, "_ASK_EVERY", 0.01)
    monkeypatch.setattr(services, "_SETTLED", 0.1)
    return Shells(tmp_path)


@dataclass
class Running(FakeApi):
    """Pods of DaemonSets and StatefulSets run at once: on each node, or with numbers; those deleted come back elsewhere."""

    nodes: tuple[str, ...] = ()
    made: int = 0

    def create(self, document: KubeObject) -> KubeObject:
        if document["kind"] == "DaemonSet":
            for number, name in enumerate(self.nodes):
                self.run(document, f"on-{name}", name, f"10.0.0.{number}")
        if document["kind"] == "StatefulSet":
            for number in range(document["spec"]["replicas"]):
                self.run(document, f"{document['metadata']['name']}-{number}", "w", f"10.0.0.{number}")
        return super().create(document)

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> bool:
        found = self.objects.pop((api_version, kind, namespace, name))
        self.run({"metadata": found["metadata"], "spec": {"template": found}}, name, "w", "10.0.0.9")
        return True

    def run(self, owner: KubeObject, name: str, node: str, address: str) -> None:
        self.made += 1
        labels = owner["spec"]["template"]["metadata"]["labels"]
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        self.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": owner["metadata"]["namespace"], "labels": labels, "uid": str(self.made)},
                "spec": {"nodeName": node, "containers": [{"name": "main"}]},
                "status": status | {"conditions": [{"type": "Ready", "status": "True"}]},
            }
        )


def shown(name: str, shells: Shells, nodes: int = 1, image: str = "busybox") -> str:
    names = [f"w{number}" for number in range(nodes)]
    api = Running(nodes=tuple(names))
    found = tuple({"metadata": {"name": each}, "status": {}} for each in names)
    cluster = Cluster(api, shells, Credentials(api.server, insecure=True), "ns", found, "pause", image)  # type: ignore[arg-type]
    [row] = [row for row in ROWS if row.name == name]
    return row.run(Trial(cluster, name.partition("/")[2]))


@pytest.mark.parametrize("nodes", [1, 2, 9])
def test_each_node_is_asked_from_each(shells: Shells, nodes: int) -> None:
    said = shown("services/pod-network", shells, nodes)
    each = [f"on-w{here} 10.0.0.{there}" for here in range(nodes) for there in range(nodes)]
    assert shells.asked() == Counter(each)
    assert said == (f"pods on {nodes} nodes reached each other in {nodes**2} directions" if nodes > 1 else "a pod reached itself")


def test_one_way_of_many_that_is_closed_is_found(shells: Shells) -> None:
    shells.silent = "on-w2>10.0.0.7"
    with pytest.raises(WaitError, match=r"answers to a pod on w2 \(the pod on w7 \(10\.0\.0\.7\) does not\)"):
        shown("services/pod-network", shells, 9)


def test_of_very_many_nodes_each_asks_some_and_is_asked_as_often(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_TARGETS", 4)
    assert shown("services/pod-network", shells, 9) == "pods on 9 nodes reached 4 of the others each"
    assert set(Counter(line.split()[0] for line in shells.asked()).values()) == {4}
    assert set(Counter(line.split()[1] for line in shells.asked()).values()) == {4}


def test_pods_of_a_stateful_set_have_names_in_dns_also_after_they_moved(shells: Shells) -> None:
    below = "stateful-set.ns.svc.example.test."
    moved = {f"stateful-set-0.{below}": "10.0.0.9", f"stateful-set-1.{below}": "10.0.0.1"}

    class Moving(dict[str, str]):
        """Of the first pod before and after."""

        def get(self, name: str, default: Any = "") -> str:
            return "10.0.0.0" if name.startswith("stateful-set-0") and len(shells.asked_for) == 1 else super().get(name, default)

    shells.names = Moving(moved)
    said = shown("controllers/stateful-set", shells)
    assert said.endswith("the one that was deleted came back under its name, where stateful-set-0.stateful-set leads to it")
    assert shells.asked_for == list(moved) * 2


def test_a_name_that_leads_elsewhere_fails_the_row(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.commands.verify.rows.controllers.RESOLVED_WITHIN", 0.1)
    shells.names = {"stateful-set-0.stateful-set.ns.svc.example.test.": "10.0.0.01"}
    with pytest.raises(WaitError, match=r"the name stateful-set-0\.stateful-set\.ns\.svc\.example\.test to lead to 10"):
        shown("controllers/stateful-set", shells)


def test_without_a_shell_names_are_not_tried_which_is_said(shells: Shells) -> None:
    assert shown("controllers/stateful-set", shells, image="").endswith("which needs an image with a shell (--image)")
    assert shells.asked_for == []
