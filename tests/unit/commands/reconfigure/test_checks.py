"""What is found out before anything changes, and the dry run."""

from __future__ import annotations

import copy

import pytest

from pykubeadm.commands.reconfigure.checks import checks, edited_where_fixed
from pykubeadm.commands.reconfigure.command import reconfigure
from pykubeadm.commands.reconfigure.files import file_checks, host_path
from pykubeadm.commands.reconfigure.phases import PHASES
from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.commands.reconfigure.showing import show
from pykubeadm.commands.reconfigure.upload_config import upload_config
from pykubeadm.errors import PhaseError, PreflightError
from pykubeadm.phases.replacing.record import Record, write_record
from pykubeadm.workflow.events import Note, Result
from pykubeadm.workflow.phase import steps, without
from tests.support.api import FakeApi
from tests.support.node import completed
from tests.support.reconfigure_runs import cluster, document, file_of, perform, reconfigure_run
from tests.support.upgrade_runs import MANIFESTS, NEW, ControlPlaneNode, FakeEtcd, attach, secrets

AUDIT = "/etc/kubernetes/audit"
Made = tuple[ControlPlaneNode, FakeApi]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    node, api = cluster()
    attach(monkeypatch, node, FakeEtcd())
    monkeypatch.setattr("os.geteuid", lambda: 0)
    node.commands["id"] = node.commands["df"]
    return node, api


def audited(policy: str = f"{AUDIT}/policy.yaml", **volume: str) -> str:
    mount = {"name": "audit", "hostPath": AUDIT, "mountPath": "/audit", "pathType": "Directory"} | volume
    return document(apiServer={"extraArgs": [{"name": "audit-policy-file", "value": policy}], "extraVolumes": [mount]})


def missing(monkeypatch: pytest.MonkeyPatch, made: Made, text: str) -> tuple[str, ...]:
    run, _ = reconfigure_run(monkeypatch, *made, file_of(text))
    return file_checks(run)[0].look(None).errors  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tag", "first"),
    [
        ("v1.35.6", "run `pykubeadm upgrade node` first"),
        ("v1.37.1", "finish `pykubeadm upgrade apply v1.37.1` first"),
        (f"{NEW}-fips", ""),
        (f"{NEW}_ours.1", ""),
        ("latest", ""),
    ],
)
def test_a_node_of_another_version_is_not_upgraded_by_the_way(
    monkeypatch: pytest.MonkeyPatch, made: Made, tag: str, first: str
) -> None:
    node, api = made
    path = f"{MANIFESTS}/kube-apiserver.yaml"
    node.put(path, node.text(path).replace(f"kube-apiserver:{NEW}", f"kube-apiserver:{tag}"), 0o600)
    run, _ = reconfigure_run(monkeypatch, node, api)
    (check,) = [check for check in checks(run) if check.name == "ControlPlaneVersion"]
    errors = check.look(None).errors  # type: ignore[arg-type]
    said = f"kube-apiserver on this node is {tag}, and the cluster's configuration names {NEW}: {first}"
    assert errors == ((said,) if first else ())


def test_a_volume_that_is_not_on_the_node(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    (volume, flag) = missing(monkeypatch, made, audited("/audit/policy.yaml"))
    assert volume.startswith(f"{AUDIT} of apiServer.extraVolumes does not exist on this node")
    assert f"--audit-policy-file=/audit/policy.yaml does not exist on this node ({AUDIT}/policy.yaml)" in flag


def test_a_volume_of_another_kind(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    made[0].put(f"{AUDIT}/policy.yaml", "")
    (kind,) = missing(monkeypatch, made, audited("/audit/policy.yaml", pathType="File"))
    assert "is not a file on this node, which pathType: File requires" in kind


def test_a_file_outside_of_the_container(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    made[0].put(f"{AUDIT}/policy.yaml", "")
    (flag,) = missing(monkeypatch, made, audited())
    assert f"kube-apiserver's --audit-policy-file={AUDIT}/policy.yaml is in no volume of its pod" in flag


def test_all_is_there(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    made[0].put(f"{AUDIT}/policy.yaml", "")
    assert missing(monkeypatch, made, audited("/audit/policy.yaml")) == ()


def test_a_file_that_changed_under_its_name_is_warned_of(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    node, api = made
    node.put(f"{AUDIT}/policy.yaml", "")
    text = audited("/audit/policy.yaml")
    perform(reconfigure_run(monkeypatch, node, api, file_of(text))[0], PHASES[1])
    for changed, warned in (("0", 0), ("2000000000", 1)):  # its container was made a nanosecond after 1970 began
        node.commands["stat"] = completed(f"{changed}\n")
        found = file_checks(reconfigure_run(monkeypatch, node, api, file_of(text))[0])[1].look(None)  # type: ignore[arg-type]
        assert len(found.warnings) == warned
    assert f"{AUDIT}/policy.yaml has changed since kube-apiserver started" in found.warnings[0]


@pytest.mark.parametrize(
    ("path", "found"),
    [("/a/b/c", "/host/inner/c"), ("/a/x", "/host/x"), ("/ab", None), ("/a/empty/x", None), ("a/x", None), ("", None)],
)
def test_where_a_file_of_the_container_lies(path: str, found: str | None) -> None:
    pod = {
        "spec": {
            "volumes": [
                {"name": "a", "hostPath": {"path": "/host"}},
                {"name": "b", "hostPath": {"path": "/host/inner"}},
                {"name": "c", "emptyDir": {}},
            ],
            "containers": [
                {
                    "volumeMounts": [
                        {"name": "a", "mountPath": "/a"},
                        {"name": "b", "mountPath": "/a/b"},
                        {"name": "c", "mountPath": "/a/empty"},
                    ]
                }
            ],
        }
    }
    assert host_path(pod, path) == found


def test_a_stored_configuration_that_was_edited_where_it_cannot_change(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    node, api = made
    assert list(edited_where_fixed(reconfigure_run(monkeypatch, node, api)[0])) == []
    stored = api.objects["v1", "ConfigMap", "kube-system", "kubeadm-config"]["data"]
    stored["ClusterConfiguration"] = stored["ClusterConfiguration"].replace("10.96.0.0/12", "10.97.0.0/16")
    found = list(edited_where_fixed(reconfigure_run(monkeypatch, node, api)[0]))
    assert "kube-apiserver's --service-cluster-ip-range is 10.96.0.0/12 and would become 10.97.0.0/16" in found[0]


def test_only_with_a_file_it_is_known_what_was_edited_by_hand(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    text = document(scheduler={"extraArgs": [{"name": "v", "value": "4"}]})
    run, _ = reconfigure_run(monkeypatch, *made, file_of(text))
    assert "EditedManifests" in [check.name for check in checks(run)]
    perform(run, upload_config)
    assert "EditedManifests" not in [check.name for check in checks(reconfigure_run(monkeypatch, *made)[0])]


def test_a_file_on_a_worker_is_refused(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    made[0].remove(["/etc/kubernetes/manifests"])
    with pytest.raises(PreflightError, match="this node is not a control plane"):
        reconfigure_run(monkeypatch, *made, file_of(document()))


@pytest.mark.parametrize("of_cluster", [True, False])
def test_a_control_plane_that_was_stopped_is_one(monkeypatch: pytest.MonkeyPatch, made: Made, of_cluster: bool) -> None:
    name = "kube-apiserver.yaml"
    made[0].put(f"/var/lib/pykubeadm/stopped/{name}", made[0].text(f"/etc/kubernetes/manifests/{name}"))
    made[0].remove(["/etc/kubernetes/manifests"])
    with pytest.raises(PreflightError, match=r"was stopped .*: run `pykubeadm etcd start`"):
        reconfigure_run(monkeypatch, *made, *([file_of(document())] if of_cluster else []))


def test_an_upgrade_that_was_interrupted_is_finished_first(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    write_record(made[0], Record(command="upgrade node", target="v1.36.2", cluster=""))
    with pytest.raises(PhaseError, match="`pykubeadm upgrade node` was interrupted on this node"):
        reconfigure_run(monkeypatch, *made, file_of(document()))


def test_a_dry_run_shows_everything_and_changes_nothing(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    node, api = made
    before, certificates = dict(node.files), secrets(node)
    kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 77\n"
    text = document(scheduler={"extraArgs": [{"name": "v", "value": "4"}]}, apiServer={"certSANs": ["api.example.org"]})
    run, events = reconfigure_run(monkeypatch, node, api, file_of(text, kubelet), dry_run=True)
    monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.run_preflight", lambda _run: None)
    monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.connect", lambda *_args, **_options: copy.deepcopy(api))
    api.writes = []
    show(run, tuple(steps(PHASES)))
    shown = {event.data["what"]: event.text for event in events if isinstance(event, Result)}
    assert list(shown) == [
        "/etc/kubernetes/manifests/kube-scheduler.yaml",
        "/var/lib/kubelet/config.yaml",
        "ConfigMap kube-system/kubelet-config",
        "ConfigMap kube-system/kubeadm-config",
        "apiserver",
    ]
    assert "+    - --v=4" in shown["/etc/kubernetes/manifests/kube-scheduler.yaml"]
    assert shown["apiserver"].endswith("issued again, for api.example.org too")
    assert (node.files, secrets(node), node.unit_actions, api.writes) == (before, certificates, [], [])


@pytest.mark.parametrize(
    ("left", "what"),
    [
        ("kubelet", ["/var/lib/kubelet/config.yaml"]),
        ("control-plane", ["/etc/kubernetes/manifests/kube-scheduler.yaml"]),
        ("upload-config/kubelet", ["ConfigMap kube-system/kubelet-config"]),
        ("certs", ["apiserver"]),
        ("addon/coredns", []),
        ("preflight", ["refused"]),
    ],
)
def test_a_dry_run_shows_what_the_chosen_phases_would_do(
    monkeypatch: pytest.MonkeyPatch, made: Made, left: str, what: list[str]
) -> None:
    """As `reconfigure phase` and --skip-phases choose them."""
    node, api = made
    kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 77\n"
    text = document(scheduler={"extraArgs": [{"name": "v", "value": "4"}]}, apiServer={"certSANs": ["api.example.org"]})
    events: list[object] = []
    reconfigure_run(monkeypatch, node, api)

    def refuse(run: ReconfigureRun) -> None:
        run.result("refused", "refused", what="refused")

    monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.run_preflight", refuse)
    monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.connect", lambda *_args, **_options: copy.deepcopy(api))
    reconfigure(
        {"dry_run": True},
        events.append,
        choose=lambda _skip: tuple(step for step in steps(PHASES) if step.path == left),
        name="reconfigure phase",
        machine=node,
        source=file_of(text, kubelet),
    )
    assert [event.data["what"] for event in events if isinstance(event, Result)] == what


def test_a_dry_run_without_a_difference_says_so(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    run, events = reconfigure_run(monkeypatch, *made, file_of(document()), dry_run=True)
    monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.run_preflight", lambda _run: None)
    monkeypatch.setattr("pykubeadm.commands.reconfigure.showing.connect", lambda *_args, **_options: made[1])
    show(run, tuple(steps(PHASES)))
    assert [event.message for event in events if isinstance(event, Note)] == ["there is nothing to change"]


def test_the_nodes_that_are_next_are_named(monkeypatch: pytest.MonkeyPatch, made: Made) -> None:
    node, api = made
    api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a-worker"}})
    events: list[object] = []
    run, _ = reconfigure_run(monkeypatch, node, api)
    assert run
    source = file_of(document(scheduler={"extraArgs": [{"name": "v", "value": "4"}]}))
    reconfigure(
        {}, events.append, choose=lambda skip: without((upload_config,), skip), name="reconfigure", machine=node, source=source
    )
    (said,) = [event.text for event in events if isinstance(event, Result)]
    assert "Run `pykubeadm reconfigure` on the other nodes next, one after the other: a-worker." in said
