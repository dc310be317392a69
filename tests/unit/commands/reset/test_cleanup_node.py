"""What goes from a node that leaves its cluster, what stays, and what is said where something cannot go."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pykubeadm.commands.reset import sandboxes
from pykubeadm.commands.reset.cleanup_node import cleanup_node
from pykubeadm.commands.reset.run import KEEPABLE
from pykubeadm.errors import NodeError, UnfinishedError
from pykubeadm.node.port import Command, Completed, Directory, File, UnitState
from pykubeadm.node.recording import CommandRun, RecordingNode, Removal
from pykubeadm.workflow.events import Note, Planned
from tests.support.node import FakeNode
from tests.support.reset_runs import ADMIN, ClusterNode, bare_node, control_plane, reset_run, sandbox


def clean(node: Any, **fields: Any) -> list[str]:
    assert cleanup_node.apply is not None
    return list(cleanup_node.apply(reset_run(node, **fields)[0]))


def refused(node: Any, **fields: Any) -> UnfinishedError:
    with pytest.raises(UnfinishedError) as raised:
        clean(node, **fields)
    return raised.value


def test_the_node_is_as_it_was() -> None:
    node = control_plane()
    assert clean(node)
    assert node.state() == bare_node().state()
    assert not [name for name in node.units if name.startswith("pykubeadm-") and node.unit(name).enabled == "enabled"]


def test_systemd_forgets_units_that_failed_while_it_still_has_their_files() -> None:
    node = control_plane()

    def reset_failed(command: Command) -> Completed:
        assert [name for name in command.argv[3:] if node.stat(f"/etc/systemd/system/{name}") is None] == []
        return Completed(0)

    node.commands["systemctl reset-failed"] = reset_failed
    clean(node)
    ran = [command.argv for command in node.ran if command.argv[0] == "systemctl"]
    assert ran == [
        ("systemctl", "reset-failed", "--", "pykubeadm-certificates.timer", "pykubeadm-routes.service"),
        ("systemctl", "daemon-reload"),
    ]


def test_nothing_is_to_be_done_on_a_clean_node() -> None:
    node = bare_node()
    before = node.state()
    assert clean(node) == []
    assert node.state() == before
    assert not [command for command in node.ran if command.changes]


_FIRST, _LAST = ["id-coredns-1"], ["id-etcd-cp1", "id-kube-apiserver-cp1"]


@pytest.mark.parametrize(
    ("network", "waves"),
    [
        ({"type": "bridge", "ipam": {"type": "host-local"}}, [_FIRST + _LAST]),
        ({"type": "calico", "ipam": {"type": "host-local"}}, [_FIRST, _LAST]),
        ({"type": "bridge", "ipam": {"type": "whereabouts"}}, [_FIRST, _LAST]),
        ({}, [_FIRST, _LAST]),
    ],
)
def test_pods_go_at_once_unless_the_network_may_ask_the_api(network: dict[str, Any], waves: list[list[str]]) -> None:
    node = control_plane()
    node.put("/etc/cni/net.d/10-bridge.conflist", json.dumps({"plugins": [network]}))
    node.put("/etc/cni/net.d/README", "no JSON")
    clean(node)
    assert [[*command.argv[command.argv.index("--force") + 1 :]] for command in node.ran if "rmp" in command.argv] == waves


def test_nothing_is_killed_where_the_runtime_has_ended_all() -> None:
    node = control_plane()
    node.units["kubepods.slice"] = UnitState("loaded", "active", "active", "")
    clean(node)
    assert not [command for command in node.ran if "kill" in command.argv]
    assert ("kubepods.slice", "stopped") in node.unit_actions


@pytest.mark.parametrize("stays", [True, False])
def test_pods_that_somebody_else_removes_meanwhile_are_gone_all_the_same(stays: bool) -> None:
    node = control_plane()

    def crictl(command: Command) -> Completed:
        completed = node._crictl(command)
        if "rmp" not in command.argv:
            return completed
        if stays:
            node.sandboxes["id-coredns-1"] = sandbox("coredns-1")
        return Completed(1, stderr="getting sandbox status of pod: not found")

    node.commands["crictl"] = crictl
    if stays:
        assert "not found" in str(refused(node))
    else:
        clean(node)
        assert node.state() == bare_node().state()


def test_a_pod_that_does_not_go_at_once_is_tried_again() -> None:
    node = control_plane()
    answers = [Completed(1, stderr="ttrpc: closed")]
    node.commands["crictl"] = lambda command: answers.pop() if "rmp" in command.argv and answers else node._crictl(command)
    clean(node)
    assert answers == []
    assert node.state() == bare_node().state()


def without_plugin(node: ClusterNode) -> Callable[[Command], Completed]:
    """A crictl whose runtime wants a plugin that is gone, unless another network is configured."""

    def crictl(command: Command) -> Completed:
        if "rmp" in command.argv and node.stat(STAND_IN) is None:
            return Completed(1, stderr='level=fatal msg="failed to destroy network for sandbox \\"a\\"\\nfor \\"b\\""')
        return node._crictl(command)

    return crictl


STAND_IN = "/etc/cni/net.d/00-pykubeadm-reset.conflist"


def test_pods_whose_networks_plugin_is_gone_are_removed_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes.time, "sleep", lambda _seconds: None)
    node, bare = control_plane(), bare_node()
    for each in (node, bare):
        del each.sandboxes["id-guest"]
    node.put("/var/lib/cni/networks/podman/10.88.0.3", "id-coredns-1\r\neth0")  # which the plugin would have removed
    node.put("/var/lib/cni/results/podman-id-coredns-1-eth0", "{}")
    node.commands["crictl"] = without_plugin(node)
    node.interfaces["veth2"] = "pods0"  # gone in a moment
    clean(node)
    del node.interfaces["veth2"]
    assert node.state() == bare.state()


def test_pods_of_others_keep_their_network() -> None:
    """What is left keeps its configuration: the runtime needs it to remove what is left."""
    node = control_plane()
    node.commands["crictl"] = without_plugin(node)
    error = str(refused(node))
    assert 'destroy network for sandbox "a"; for "b"' in error
    assert node.stat("/etc/cni/net.d/10-bridge.conflist")
    assert node.stat("/etc/kubernetes/admin.conf") is None
    assert "id-coredns-1" in node.sandboxes
    node.commands["crictl"] = node._crictl
    node.put(STAND_IN, "of a run that was killed")
    clean(node)
    assert node.state() == bare_node().state()


@dataclass
class Mortal:
    """A node on which the run is killed after a number of calls that change something."""

    node: ClusterNode
    calls: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def _changed(self, result: Any) -> Any:
        self.calls -= 1
        if self.calls == 0:
            raise KeyboardInterrupt
        return result

    def write(self, files: list[File | Directory]) -> Any:
        return self._changed(self.node.write(files))

    def remove(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """One by one, as the power may go between two files."""
        removed: tuple[str, ...] = ()
        for path in paths:
            if gone := self.node.remove([path]):
                removed += self._changed(gone)
        return removed

    def run(self, command: Command) -> Any:
        completed = self.node.run(command)
        return self._changed(completed) if command.changes else completed


@pytest.mark.parametrize("last", range(1, 60))
def test_killed_anywhere_and_run_again(last: int) -> None:
    node = control_plane()
    mortal = Mortal(node, last)
    try:
        clean(mortal)
    except KeyboardInterrupt:
        clean(node)
    else:
        assert last > 30  # it was through before
    assert node.state() == bare_node().state()


def test_a_dry_run_lists_what_a_run_removes() -> None:
    node, planned = control_plane(), control_plane()
    recording = RecordingNode(planned)
    run, events = reset_run(recording)
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    clean(node)
    assert planned.state() == control_plane().state()
    gone = {entry.path for entry in recording.entries if isinstance(entry, Removal)}
    before, after = control_plane().state(), node.state()
    missing = [
        path
        for path in before["files"].keys() - after["files"].keys()
        if not any(path == each or path.startswith(f"{each}/") for each in gone)
    ]
    assert missing == []
    assert not [path for path in gone if any(kept == path or kept.startswith(f"{path}/") for kept in after["files"])]
    ran = [str(entry.command.argv) for entry in recording.entries if isinstance(entry, CommandRun)]
    for kind in ("sandboxes", "mounts", "interfaces"):
        for name in set(before[kind]) - set(after[kind]):
            assert [words for words in ran if f"'{name}'" in words], name
    listed = "\n".join(event.text for event in events if isinstance(event, Planned))
    assert "iptables: filter: chain KUBE-FIREWALL" in listed
    assert "MINE" not in listed


@pytest.mark.parametrize(
    ("group", "stays"),
    [
        ("cni", "/etc/cni/net.d/10-bridge.conflist"),
        ("kubeconfig", "/home/u/.kube/config"),
        ("logs", "/var/log/containers/coredns-1_kube-system_coredns-97df.log"),
        ("tmp", "/etc/kubernetes/tmp/kubeadm-backup-etcd-2026-01-01/etcd/member/snap/db"),
        ("units", "/etc/systemd/system/pykubeadm-routes.service"),
        ("interfaces", ""),
        ("rules", ""),
    ],
)
def test_what_is_to_be_kept_is(group: str, stays: str) -> None:
    assert group in KEEPABLE
    node = control_plane()
    clean(node, keep=[group])
    assert not stays or node.stat(stays)
    assert ("flannel.1" in node.interfaces) == (group == "interfaces")
    assert ("KUBE-FIREWALL" in node.rules) == (group == "rules")
    assert node.stat("/etc/kubernetes/admin.conf") is None


def test_a_runtime_that_does_not_answer_stops_nothing_else() -> None:
    node = control_plane()
    node.commands["crictl"] = Completed(1, stderr="connection refused")
    error = refused(node)
    assert "start the runtime, then run this again" in str(error)
    assert node.stat("/etc/kubernetes/admin.conf") is None
    assert node.mounts == ["/var/lib/data"]
    node.commands["crictl"] = node._crictl
    clean(node)
    assert node.state() == bare_node().state()


def test_pods_of_a_runtime_that_does_not_answer_are_not_asked_to_end() -> None:
    """The API server would wait a minute for an etcd that has ended."""
    node = control_plane()
    node.units["kubepods.slice"] = UnitState("loaded", "active", "active", "")
    node.commands["crictl"] = Completed(1, stderr="connection refused")
    refused(node)
    [kill] = [command.argv for command in node.ran if command.argv[:2] == ("systemctl", "kill")]
    assert kill == ("systemctl", "kill", "--signal=SIGKILL", "--", "kubepods.slice")
    assert ("kubepods.slice", "stopped") in node.unit_actions


def test_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    node = control_plane()
    node.put("/var/lib/pykubeadm/journal.json", '{"schema": "pykubeadm.journal/v1"}')

    def write(_files: object) -> tuple[str, ...]:
        raise NodeError("no space is left")

    monkeypatch.setattr(node, "write", write)
    clean(node)
    assert node.state() == bare_node().state()


def test_a_bare_node_needs_no_runtime() -> None:
    node = bare_node()
    del node.commands["crictl"]
    assert clean(node) == []


def test_pods_that_still_run_need_the_runtime() -> None:
    node = bare_node()
    del node.commands["crictl"]
    node.commands["sh -c find /sys/fs/cgroup"] = Completed(0, "4711\n")
    said = str(refused(node))
    assert "may still run: " in said
    assert "install the package cri-tools" in said
    assert "start the runtime" not in said


def test_volumes_that_cannot_be_unmounted_keep_their_data() -> None:
    node = control_plane()
    [volume] = [point for point in node.mounts if point.startswith("/var/lib/kubelet")]
    node.stuck = {volume}
    error = refused(node)
    assert f"{volume} could not be unmounted" in str(error)
    assert [path for path in node.files if path.startswith("/var/lib/kubelet/")] == [f"{volume}/ca.crt"]
    assert node.stat("/etc/kubernetes/manifests/kube-apiserver.yaml") is None
    node.stuck = set()
    clean(node)
    assert node.state() == bare_node().state()


def test_volumes_behind_a_link_are_found() -> None:
    node = control_plane()
    node.commands["readlink"] = Completed(0, "/data/kubelet\n")
    node.mounts = ["/data/kubelet/pods/a b/volume", "/data/kubelet"]
    node.put("/data/kubelet/pods/a b/volume/file")
    clean(node)
    assert node.mounts == ["/data/kubelet"]
    assert not [path for path in node.files if path.startswith("/data/kubelet/")]


def test_the_flags_of_umount_are_the_users() -> None:
    node = control_plane()
    clean(node, unmount_flags=("MNT_DETACH", "MNT_FORCE"))
    [umount] = [command for command in node.ran if command.argv[0] == "umount"]
    assert umount.argv[:4] == ("umount", "--lazy", "--force", "--")


def _without_manifest(node: ClusterNode) -> None:
    node.remove(["/etc/kubernetes/manifests/etcd.yaml"])


def _somewhere_else(node: ClusterNode) -> None:
    manifest = node.text("/etc/kubernetes/manifests/etcd.yaml").replace("/var/lib/etcd", "/data/etcd")
    node.put("/etc/kubernetes/manifests/etcd.yaml", manifest)


@pytest.mark.parametrize("arrange", [_without_manifest, _somewhere_else])
def test_data_of_an_etcd_that_is_not_this_nodes_stay(arrange: Callable[[ClusterNode], None]) -> None:
    """A worker, or a control plane with an external etcd, beside which an etcd has its data in the usual directory."""
    node = control_plane()
    arrange(node)
    clean(node)
    assert node.stat("/var/lib/etcd/member/snap/db") is not None


def test_data_are_found_by_the_journal_where_the_manifest_is_gone() -> None:
    node = control_plane()
    _without_manifest(node)
    manifest = "/etc/kubernetes/manifests/etcd.yaml"
    journal = {"schema": "pykubeadm.journal/v1", "files": {manifest: ""}, "units": [], "runs": []}
    node.put("/var/lib/pykubeadm/journal.json", json.dumps(journal))
    clean(node)
    assert node.state() == bare_node().state()


def test_an_absurd_data_directory_loses_nothing_but_etcds_own() -> None:
    node = control_plane()
    manifest = node.text("/etc/kubernetes/manifests/etcd.yaml").replace("/var/lib/etcd", "/home/u")
    node.put("/etc/kubernetes/manifests/etcd.yaml", manifest)
    node.put("/home/u/thesis.tex")
    clean(node)
    assert node.stat("/home/u/thesis.tex") is not None


@pytest.mark.parametrize(
    ("command", "answer", "named"),
    [
        ("sh -c for", Completed(0, "/proc/17/fd\n"), "etcd (process 17)"),
        ("flock", Completed(1), "an etcd"),
    ],
)
def test_data_that_are_in_use_stay_with_what_says_so(command: str, answer: Completed, named: str) -> None:
    node = control_plane()
    node.put("/proc/17/comm", "etcd\n")
    node.commands[command] = answer
    error = refused(node)
    assert f"{named} has it open" in str(error)
    assert node.stat("/var/lib/etcd/member/snap/db") is not None
    assert node.stat("/etc/kubernetes/manifests/etcd.yaml") is not None
    assert node.stat("/etc/kubernetes/admin.conf") is None
    del node.commands[command]
    node.remove(["/proc/17/comm"])
    clean(node)
    assert node.state() == bare_node().state()


def test_a_write_ahead_log_of_its_own_goes_too() -> None:
    node = control_plane()
    manifest = node.text("/etc/kubernetes/manifests/etcd.yaml")
    node.put("/etc/kubernetes/manifests/etcd.yaml", manifest.replace("- --name", "- --wal-dir=/wal\n    - --name"))
    node.put("/wal/0000000000000000-0000000000000000.wal")
    node.put("/wal/notes")
    clean(node)
    assert node.list_dir("/wal") == ("notes",)


@pytest.mark.parametrize(
    ("content", "goes"),
    [
        (ADMIN, True),
        (ADMIN.replace("QQ==", "Qg=="), True),  # before the certificate was renewed
        (ADMIN.replace("Q0E=", "Q0I="), False),  # another cluster at the same address
        (ADMIN.replace("10.0.0.1", "10.0.0.8"), False),
        (ADMIN.replace("users: [", "users: [{name: dev, user: {token: t}}, "), False),
        ("{", False),
        ("", False),
        ("clusters: 1\nusers: [1]", False),
    ],
)
def test_only_a_copy_of_this_clusters_kubeconfig_goes(content: str, goes: bool) -> None:
    node = control_plane()
    node.put("/home/u/.kube/config", content)
    clean(node)
    assert (node.stat("/home/u/.kube/config") is None) == goes


def test_accounts_of_rootless_control_planes_go_and_the_files_stay() -> None:
    node = control_plane()
    passwd = node.text("/etc/passwd")
    node.put("/etc/passwd", f"{passwd}kubeadm-etcd:x:998:998:::/bin/false\n")
    owned = {"/etc/passwd": "", "/etc/group": "", "/etc/kubernetes/admin.conf": ""}
    journal = {"schema": "pykubeadm.journal/v1", "files": owned, "units": [], "runs": []}
    node.put("/var/lib/pykubeadm/journal.json", json.dumps(journal))
    clean(node)
    assert node.text("/etc/passwd") == passwd


def test_directories_that_a_run_of_ours_made_go_when_they_are_empty() -> None:
    node = control_plane()
    node.put("/srv/other")
    node.remove(["/srv/other"])
    journal = {"schema": "pykubeadm.journal/v1", "files": {"/srv/pki/ca.crt": ""}, "directories": ["/srv/pki", "/srv"]}
    node.put("/var/lib/pykubeadm/journal.json", json.dumps(journal | {"units": [], "runs": []}))
    clean(node)
    assert node.stat("/srv") is None
    assert node.stat("/etc/kubernetes/policies") is not None


def test_the_network_stays_while_others_are_on_it() -> None:
    node = control_plane()
    node.interfaces["veth-guest"] = "pods0"
    node.rules = node.rules.replace(":MINE", ":CNI-abc - [0:0]\n:MINE")
    run, events = reset_run(node)
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    assert "pods0" in node.interfaces
    assert "CNI-abc" in node.rules
    assert "KUBE-FIREWALL" not in node.rules
    assert node.stat("/etc/cni/net.d/10-bridge.conflist") is not None
    assert [event for event in events if isinstance(event, Note) and "pods0" in event.message]
    del node.interfaces["veth-guest"]
    clean(node)
    assert "pods0" not in node.interfaces
    assert node.stat("/etc/cni/net.d/10-bridge.conflist") is None


def test_an_interface_that_goes_with_another_is_no_failure() -> None:
    node = control_plane()
    node.interfaces |= {"cilium_net": "", "cilium_host": ""}

    def delete(command: Command) -> Completed:
        name = command.argv[-1]
        if name not in node.interfaces:
            return Completed(1, stderr=f'Cannot find device "{name}"')
        for gone in ("cilium_net", "cilium_host") if name.startswith("cilium") else (name,):
            del node.interfaces[gone]
        return Completed(0)

    node.commands["ip link delete"] = delete
    assert [change for change in clean(node) if "cilium" in change] == ["deleted interface cilium_net"]
    assert node.state() == bare_node().state()


def test_one_interface_that_stays_keeps_no_other() -> None:
    node = control_plane()

    def delete(command: Command) -> Completed:
        return Completed(2, stderr="busy") if command.argv[-1] == "flannel.1" else node._delete_link(command)

    node.commands["ip link delete"] = delete
    assert "delete the interface flannel.1" in str(refused(node))
    assert "pods0" not in node.interfaces


def test_pods_of_every_runtime_go_where_the_kubelet_does_not_say_which() -> None:
    node = control_plane()
    run, _events = reset_run(node)
    run.sockets = ("unix:///a.sock", "unix:///b.sock")
    node.sandboxes["id-late"] = sandbox("late")
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    asked = {command.argv[command.argv.index("--runtime-endpoint") + 1] for command in node.ran if "pods" in command.argv}
    assert asked == {"unix:///a.sock", "unix:///b.sock"}
    assert list(node.sandboxes) == ["id-guest"]


def test_a_kubelet_directory_that_is_none_is_no_end() -> None:
    """As when a file lies in the place of a directory that is listed."""
    node = control_plane()
    node.remove(["/var/log/pods"])
    node.put("/var/log/pods", "a file")
    assert "cannot list /var/log/pods" in str(refused(node))
    assert node.stat("/etc/kubernetes/admin.conf") is None


def test_both_variants_of_iptables_are_looked_through() -> None:
    node = control_plane()
    rules = node.rules
    node.commands |= {
        "iptables-save": Completed(0, rules),  # another name of one of them
        "iptables-nft-save": Completed(0, rules),
        "iptables-nft-restore": node._restore,
        "iptables-legacy-save": Completed(0, ""),
    }
    assert "deleted the cluster's 2 rules and chains of iptables-nft" in clean(node)
    assert "KUBE-FIREWALL" not in node.rules
    assert ("iptables-save",) not in [command.argv for command in node.ran]


def test_virtual_services_of_kube_proxy_alone() -> None:
    node = FakeNode()
    saved = (
        "-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 10.0.0.1:6443\n-A -u 10.0.0.1:30053 -s rr\n-A -t 10.0.0.1:80 -s wlc\n"
    )
    saved += "-A -t [fd00::1]:443 -s rr\n-A -t 192.0.2.7:443 -s rr\n-A -f 7 -s rr\n"
    proxy = [{"ifname": "kube-ipvs0", "addr_info": [{"local": "10.96.0.1"}, {"local": "fd00::1"}]}]
    node.commands |= {
        "ip -json link show": Completed(0, json.dumps(proxy)),
        "ip -json address show dev kube-ipvs0": Completed(0, json.dumps(proxy)),
        "ip -json address show": Completed(0, json.dumps([*proxy, {"ifname": "eth0", "addr_info": [{"local": "10.0.0.1"}]}])),
        "ipvsadm --save": Completed(0, saved),
        "ipvsadm --delete-service": Completed(0),
        "ip link delete": Completed(0),
    }
    clean(node)
    deleted = [command.argv[2:] for command in node.ran if command.argv[:2] == ("ipvsadm", "--delete-service")]
    assert deleted == [("-t", "10.96.0.1:443"), ("-u", "10.0.0.1:30053"), ("-t", "[fd00::1]:443")]


def test_virtual_services_that_cannot_be_seen_are_named() -> None:
    node = FakeNode()
    proxy = [{"ifname": "kube-ipvs0", "addr_info": [{"local": "10.96.0.1"}]}]
    node.commands |= {f"ip -json {what} show": Completed(0, json.dumps(proxy)) for what in ("link", "address")}
    node.put("/proc/net/ip_vs", "1\n2\n3\nTCP  0A600001:01BB rr\n")
    assert "there is no ipvsadm" in str(refused(node))


def test_sets_and_tables_go_by_name() -> None:
    node = FakeNode()
    node.commands |= {
        "ipset list": Completed(0, "KUBE-CLUSTER-IP\nmine\n"),
        "ipset destroy": Completed(0),
        "nft list tables": Completed(0, "table ip kube-proxy\ntable inet mine\n"),
        "nft delete": Completed(0),
    }
    assert clean(node) == ["deleted nftables' table ip kube-proxy", "deleted IP set KUBE-CLUSTER-IP"]
