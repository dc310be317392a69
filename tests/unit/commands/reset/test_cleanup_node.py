"""What goes from a node that leaves its cluster, what stays, and what is said where something cannot go."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pykubeadm.commands.reset.cleanup_node import cleanup_node
from pykubeadm.commands.reset.run import KEEPABLE
from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command, Completed, Directory, File, UnitState
from pykubeadm.node.recording import CommandRun, RecordingNode, Removal
from pykubeadm.workflow.events import Note, Planned
from tests.support.reset_runs import ADMIN, ClusterNode, bare_node, clean, control_plane, refused, reset_run


def test_the_node_is_as_it_was() -> None:
    node = control_plane()
    assert clean(node)
    assert node.state() == bare_node().state()
    assert not [name for name in node.units if name.startswith("pykubeadm-") and node.unit(name).enabled == "enabled"]


def test_nothing_of_a_rotation_of_cas_is_left() -> None:
    node = control_plane()
    node.put("/etc/kubernetes/pki/ca-signing.crt", "the CA that signs in this stage")
    assert clean(node)
    assert node.state() == bare_node().state()


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


def test_no_timer_of_the_cluster_is_left_to_work_on_the_next_one() -> None:
    """As one that would prune the snapshots of the cluster that was."""
    node, bare = control_plane(), bare_node()
    for each in (node, bare):  # the record of what the node was prepared with stays: without it nobody prepares it again
        each.put("/var/lib/pykubeadm/prepared.json", '{"node": "1"}')
    for name in ("pykubeadm-snapshots.timer", "pykubeadm-snapshots.service"):
        node.put(f"/etc/systemd/system/{name}")
        node.units[name] = UnitState("loaded", "active", "waiting", "enabled")
    clean(node)
    assert node.state() == bare.state()
    assert (node.units["pykubeadm-snapshots.timer"].active, node.units["pykubeadm-snapshots.timer"].enabled) == (
        "inactive",
        "disabled",
    )


def test_nothing_is_to_be_done_on_a_clean_node() -> None:
    node = bare_node()
    before = node.state()
    assert clean(node) == []
    assert node.state() == before
    assert not [command for command in node.ran if command.changes]


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


def test_a_full_disk_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    node = control_plane()
    node.put("/var/lib/pykubeadm/journal.json", '{"schema": "pykubeadm.journal/v1"}')

    def write(_files: object) -> tuple[str, ...]:
        raise NodeError("no space is left")

    monkeypatch.setattr(node, "write", write)
    clean(node)
    assert node.state() == bare_node().state()


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


def test_a_control_plane_that_etcd_stop_stopped_goes_whole() -> None:
    """Its manifests wait in a directory of ours, and the journal has them no longer."""
    node = control_plane()
    _somewhere_else(node)
    node.put("/data/etcd/member/snap/db", "{}")
    for name in ("etcd", "kube-apiserver"):
        content = node.text(f"/etc/kubernetes/manifests/{name}.yaml")
        node.remove([f"/etc/kubernetes/manifests/{name}.yaml"])
        node.put(f"/var/lib/pykubeadm/stopped/{name}.yaml", content)
    run, _events = reset_run(node)
    assert run.found.is_control_plane
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    assert node.stat("/data/etcd/member") is None
    assert node.stat("/srv/pki/ca.key") is None
    assert node.stat("/var/lib/pykubeadm/stopped") is None


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


def test_leases_of_other_networks_may_be_anything() -> None:
    node = control_plane()
    others = {
        "/var/lib/cni/networks/podman/10.88.0.3": b"\xff\xfe",
        "/var/lib/cni/networks/podman/10.88.0.4/x": b"",
        "/var/lib/cni/networks/notes": b"",
    }
    for path, content in others.items():
        node.put(path, content)
    clean(node)
    assert all(path in node.files for path in others)
    assert node.stat("/etc/kubernetes/admin.conf") is None


def test_a_kubelet_directory_that_is_none_is_no_end() -> None:
    """As when a file lies in the place of a directory that is listed."""
    node = control_plane()
    node.remove(["/var/log/pods"])
    node.put("/var/log/pods", "a file")
    assert "cannot list /var/log/pods" in str(refused(node))
    assert node.stat("/etc/kubernetes/admin.conf") is None


def test_snapshots_of_etcd_stay_with_a_word_about_them() -> None:
    """They may be all that is left of the cluster."""
    node = control_plane()
    node.put("/var/lib/pykubeadm/snapshots/etcd-1.tar", "archive")
    node.put("/var/lib/pykubeadm/journal.json", "{}")
    node.remove(["/var/lib/pykubeadm/downloads.json"])
    run, events = reset_run(node)
    assert cleanup_node.apply is not None
    cleanup_node.apply(run)
    assert [path for path in node.files if path.startswith("/var/lib/pykubeadm")] == ["/var/lib/pykubeadm/snapshots/etcd-1.tar"]
    [note] = [event.message for event in events if isinstance(event, Note)]
    assert note.startswith("/var/lib/pykubeadm/snapshots stays")


def test_a_store_without_snapshots_goes() -> None:
    node = control_plane()
    node.put("/var/lib/pykubeadm/snapshots/etcd-1.tar")
    node.remove(["/var/lib/pykubeadm/snapshots/etcd-1.tar", "/var/lib/pykubeadm/downloads.json"])
    clean(node)
    assert node.stat("/var/lib/pykubeadm") is None
