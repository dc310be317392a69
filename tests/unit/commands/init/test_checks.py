"""The whole preflight of `init`, as its user sees it."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import replace

import pytest

from pykubeadm.commands.init.checks import init_checks
from pykubeadm.commands.init.preflight import preflight
from pykubeadm.config.model import Etcd, ExternalEtcd
from pykubeadm.config.versions import images
from pykubeadm.errors import PreflightError
from pykubeadm.node.journal import Journal
from pykubeadm.node.port import File
from pykubeadm.node.recording import RecordingNode
from pykubeadm.workflow.events import Note
from tests.support.init_runs import configuration, init_run, warnings
from tests.support.machines import crictl, listen
from tests.support.node import completed

# kubeadm v1.36's list for a first control plane with its own etcd (preflight/checks.go), and ours beside it
KUBEADMS = """\
NumCPU Mem KubernetesVersion Firewalld Port-6443 Port-10259 Port-10257
FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml
FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml FileAvailable--etc-kubernetes-manifests-etcd.yaml
HTTPProxy HTTPProxyCIDR CRI ContainerRuntimeVersion Swap FileExisting-losetup FileExisting-mount FileExisting-cp
SystemVerification Hostname KubeletVersion Service-kubelet Port-10250 FileContent--proc-sys-net-ipv4-ip_forward
Port-2379 Port-2380 DirAvailable--var-lib-etcd
"""
OURS = "CAKeys DeployedVersion PKIPermissions CgroupDriver SandboxImage ResolvConf"
MANIFESTS = "/etc/kubernetes/manifests"


@pytest.fixture
def ready(node):
    """A machine that is ready and has all images but etcd's."""
    crictl(
        node,
        "images -o json",
        {"images": [{"repoTags": [name]} for name in images(configuration().cluster) if "etcd" not in name]},
    )
    crictl(node, "inspecti", "", 1)
    crictl(node, "pull", "")
    return node


def run_preflight(node, config=None, **fields):
    run, events = init_run(node, config, **fields)
    return tuple(preflight.apply(run)), events


def refused(node, config=None, **fields):
    run, events = init_run(node, config, **fields)
    with pytest.raises(PreflightError) as raised:
        preflight.apply(run)
    assert not any(command.changes for command in node.ran)
    return str(raised.value), events


def test_the_names_are_kubeadms():
    assert {check.name for check in init_checks(configuration())} == {*KUBEADMS.split(), *OURS.split()}


def test_a_ready_machine_gets_its_missing_image_and_no_warning(ready):
    changes, events = run_preflight(ready)
    assert changes == ("pulled registry.k8s.io/etcd:3.6.8-0",)
    assert warnings(events) == []


def test_nobody_but_root_goes_on(ready):
    ready.commands["id -u"] = completed("1000\n")
    ready.put("/proc/meminfo", "MemTotal: 1 kB\n")
    text, _ = refused(ready)
    assert "[ERROR IsPrivilegedUser]" in text
    assert "Mem" not in text


def test_everything_that_is_wrong_is_said_at_once(ready):
    ready.put("/proc/meminfo", "MemTotal: 1 kB\n")
    ready.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    ready.put(f"{MANIFESTS}/etcd.yaml")
    listen(ready, (6443, 7, "nginx"))
    text, _ = refused(ready)
    names = ["Mem", "Port-6443", "FileAvailable--etc-kubernetes-manifests-etcd.yaml", "FileContent--proc-sys-net-ipv4-ip_forward"]
    assert [line.split("]")[0].removeprefix("\t[ERROR ") for line in text.splitlines()[1:-1]] == names
    assert text.splitlines()[0] == "this node is not ready for Kubernetes, for 4 reasons:"
    assert "--ignore-preflight-errors" in text.splitlines()[-1]


def test_ignored_checks_only_warn(ready):
    ready.put("/proc/meminfo", "MemTotal: 1 kB\n")
    listen(ready, (6443, 7, "nginx"))
    text, events = refused(ready, ignore_preflight_errors=frozenset({"MEM", "nosuchcheck"}))
    assert "[ERROR Mem]" not in text
    assert "[ERROR Port-6443]" in text
    assert warnings(events) == ["[WARNING Mem]: this node has 0 MB of memory and a control plane needs 1700 MB; give it more"]
    _, events = run_preflight(ready, ignore_preflight_errors=frozenset({"all"}))
    assert [line.split(":")[0] for line in warnings(events)] == ["[WARNING Mem]", "[WARNING Port-6443]"]


def test_a_second_run_of_ours_is_not_stopped_by_the_first(ready):
    own = [
        File(f"{MANIFESTS}/{name}.yaml", b"pod")
        for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ]
    journal = Journal(ready)
    journal.will_write(own)
    journal.will_start("kubelet")
    ready.write(own)
    ready.put("/var/lib/etcd/member/wal/0.wal")
    listen(
        ready,
        (6443, 11, "kube-apiserver"),
        (10257, 12, "kube-controller"),
        (10259, 13, "kube-scheduler"),
        (2379, 14, "etcd"),
        (2380, 15, "etcd"),
        (10250, 16, "kubelet"),
    )
    _, events = run_preflight(ready)
    assert warnings(events) == []
    ready.remove(["/var/lib/pykubeadm"])  # the same machine, as kubeadm would have left it
    text, _ = _refused_after_pull(ready)
    assert text.count("[ERROR ") == 11


def _refused_after_pull(node):
    node.ran.clear()
    return refused(node)


def test_a_dry_run_says_what_would_be_pulled(ready):
    changes, events = run_preflight(RecordingNode(ready))
    assert changes == ()
    assert [event.message for event in events if isinstance(event, Note)] == ["would pull registry.k8s.io/etcd:3.6.8-0"]
    assert not any(command.changes for command in ready.ran)


def test_a_dry_run_without_crictl_names_every_image(ready):
    ready.commands = {line: answer for line, answer in ready.commands.items() if not line.startswith("crictl")}
    _, events = run_preflight(RecordingNode(ready))
    named = [event.message for event in events if isinstance(event, Note) and event.level == "info"]
    assert named == [f"would pull {image}" for image in images(configuration().cluster)]


def test_a_dry_run_does_not_mind_what_prepare_would_have_brought(ready):
    ready.commands = {line: answer for line, answer in ready.commands.items() if not line.startswith(("crictl", "kubelet"))}
    crictl(ready, "info", "", 1, "connection refused")
    text, _ = refused(ready)
    assert "[ERROR CRI]" in text
    assert "[ERROR KubeletVersion]" in text
    _, events = run_preflight(RecordingNode(ready), missing_parts=frozenset({"runtime", "cni", "kubelet", "kernel"}))
    for words in ("connection refused", "there is no kubelet that answers"):
        assert any(words in text for text in warnings(events))


def test_other_ports_and_families():
    config = configuration(address="fd00::9", port=8443)
    names = {check.name for check in init_checks(config)}
    assert "Port-8443" in names
    assert "Port-6443" not in names
    assert {name for name in names if name.startswith("FileContent")} == {
        "FileContent--proc-sys-net-ipv4-ip_forward",
        "FileContent--proc-sys-net-ipv6-conf-default-forwarding",
    }


@pytest.fixture
def etcd():
    """An etcd that reports a version; (its URL, a list with the version to report)."""
    reported = ["3.6.8"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"etcdserver": reported[0], "etcdcluster": "3.6.0"}).encode()
            self.send_response(200 if self.path == "/version" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", reported
        server.shutdown()
        thread.join()


def test_an_external_etcd_is_asked_for_its_version(ready, etcd):
    url, reported = etcd
    config = configuration(etcd=Etcd(external=ExternalEtcd(endpoints=(url,))))
    names = {check.name for check in init_checks(config)}
    assert "ExternalEtcdVersion" in names
    assert not names & {"Port-2379", "Port-2380", "DirAvailable--var-lib-etcd"}
    run_preflight(ready, config)
    ready.ran.clear()
    reported[0] = "3.5.9"
    text, _ = refused(ready, config)
    assert f"[ERROR ExternalEtcdVersion]: external etcd {url} is 3.5.9; 3.5.24-0 is the oldest supported" in text
    reported[0] = "new"
    text, _ = refused(ready, config)
    assert "does not say its version" in text


def test_an_external_etcd_that_cannot_be_reached_and_missing_files(ready):
    external = ExternalEtcd(endpoints=("https://127.0.0.1:1",))
    text, _ = refused(ready, configuration(etcd=Etcd(external=external)))
    assert "external etcd https://127.0.0.1:1 does not say its version: connection refused; check" in text
    with_files = replace(external, ca_file="/pki/ca.crt", cert_file="/pki/c.crt", key_file="/pki/c.key")
    text, _ = refused(ready, configuration(etcd=Etcd(external=with_files)))
    assert text.count("[ERROR ExternalEtcdClientCertificates]") == 3
    assert "[ERROR ExternalEtcdVersion]: /pki/ca.crt does not exist" in text
    for path in ("/pki/ca.crt", "/pki/c.crt", "/pki/c.key"):
        ready.put(path, "no certificate")
    text, _ = refused(ready, configuration(etcd=Etcd(external=with_files)))
    assert "/pki/ca.crt, /pki/c.crt and /pki/c.key cannot be used: etcd's CA holds no certificate in PEM form" in text
