from __future__ import annotations

import pytest
import yaml

from pykubeadm.commands.init.etcd import etcd
from pykubeadm.errors import PhaseError
from pykubeadm.manifests.rootless import with_accounts, without_accounts
from pykubeadm.phases.certs.phase import certs
from pykubeadm.phases.kubeconfig.phase import kubeconfig
from pykubeadm.phases.static_pods.control_plane import control_plane
from tests.support.init_runs import configuration, init_run, perform
from tests.support.node import FakeNode

PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:100:100::/:/usr/sbin/nologin"
GROUP = "root:x:0:\ndaemon:x:100:\nx:x:102:\n"


def made() -> FakeNode:
    node = FakeNode()
    node.put("/etc/passwd", PASSWD)
    node.put("/etc/group", GROUP)
    perform(
        init_run(node, configuration(feature_gates={"RootlessControlPlane": True}))[0], certs, kubeconfig, etcd, control_plane
    )
    return node


def test_each_component_runs_as_a_user_of_its_own_that_owns_its_keys() -> None:
    node = made()
    assert "kubeadm-kas:x:102:103:::/bin/false\n" in node.text("/etc/passwd")
    assert "kubeadm-sa-key-readers:x:106:kubeadm-kas,kubeadm-kcm\n" in node.text("/etc/group")
    spec = yaml.safe_load(node.text("/etc/kubernetes/manifests/kube-apiserver.yaml"))["spec"]
    assert spec["securityContext"] == {
        "runAsUser": 102,
        "runAsGroup": 103,
        "supplementalGroups": [106],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    owners = {name: node.stat(f"/etc/kubernetes/{name}") for name in ("pki/apiserver.key", "pki/sa.key", "scheduler.conf")}
    assert {name: (stat.uid, stat.gid, stat.mode) for name, stat in owners.items() if stat} == {
        "pki/apiserver.key": (102, 103, 0o600),
        "pki/sa.key": (0, 106, 0o640),
        "scheduler.conf": (104, 105, 0o600),
    }


def test_a_second_run_changes_nothing() -> None:
    node = made()
    run, _ = init_run(node, configuration(feature_gates={"RootlessControlPlane": True}))
    assert perform(run, certs, kubeconfig, etcd, control_plane) == []


def test_ids_are_taken_from_the_systems_range() -> None:
    accounts = with_accounts(PASSWD, GROUP, "# SYS_UID_MIN 5\nSYS_UID_MIN\t\t 900\nSYS_UID_MAX 950\nSYS_GID_MIN 901\n")
    assert sorted(accounts.uids[name] for name in accounts.uids if name.startswith("kubeadm")) == [900, 901, 902, 903]
    assert accounts.gids["kubeadm-etcd"] == 901


@pytest.mark.parametrize("first", ["900", "0x384", "01604"])
def test_the_range_may_be_octal_or_hexadecimal(first: str) -> None:
    accounts = with_accounts(PASSWD, GROUP, f"SYS_UID_MIN {first}\n")
    assert min(accounts.uids[name] for name in accounts.uids if name.startswith("kubeadm")) == 900


def test_a_range_that_is_no_number_is_an_error() -> None:
    with pytest.raises(PhaseError, match=r'SYS_GID_MAX in /etc/login\.defs is "many", which is not a number; correct it'):
        with_accounts(PASSWD, GROUP, "SYS_GID_MAX many\n")


@pytest.mark.parametrize(
    ("line", "why"),
    [("kubeadm-kas:x:1000:1000:::/bin/false", "UID 1000"), ("kubeadm-kas:x:500:500:::/bin/bash", "the shell /bin/bash")],
)
def test_an_account_that_could_be_somebodys_is_refused(line: str, why: str) -> None:
    with pytest.raises(PhaseError, match=why):
        with_accounts(f"{PASSWD}\n{line}\n", GROUP, "")


def test_a_range_without_free_ids_is_an_error() -> None:
    with pytest.raises(PhaseError, match="no 4 system ids are free between 100 and 102"):
        with_accounts(PASSWD, GROUP, "SYS_UID_MAX 102\n")


def test_its_accounts_can_be_taken_out_again() -> None:
    passwd, group = f"{PASSWD.rstrip()}\n", f"{GROUP.rstrip()}\n"
    accounts = with_accounts(passwd, group, "")
    assert "kubeadm-etcd" in accounts.passwd
    assert without_accounts(accounts.passwd, accounts.group) == (passwd, group)
