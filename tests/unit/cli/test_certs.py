from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pykubeadm.cli.main import cli
from pykubeadm.errors import PhaseError
from tests.support.control_plane_files import CONFIG, all_ends, write_control_plane


def control_plane(root: Path, leaf: timedelta, now: datetime | None = None) -> list[str]:
    """The words that lead there; its certificates end `leaf` from `now`."""
    now = now or datetime.now(UTC)
    write_control_plane(root, all_ends(now, leaf), begin=now - timedelta(days=300))
    (root / "cfg.yaml").write_text(CONFIG)
    return ["--config", "/cfg.yaml", "--rootfs", str(root)]


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


@pytest.mark.parametrize("group", ["certs", "certificates"])
def test_monitoring_gets_a_status_and_the_names(tmp_path: Path, group: str) -> None:
    where = control_plane(tmp_path, timedelta(days=20, hours=12))
    fine = run(group, "check-expiration", "--warn-days", "20", *where)
    assert (fine.exit_code, fine.stderr) == (0, "")
    soon = run(group, "check-expiration", "--warn-days=21", *where)
    assert soon.exit_code == 7
    assert soon.stdout == fine.stdout
    warned = re.findall(r"warning: (\S+) expires in 20d", soon.stderr)
    assert len(warned) == 12  # eleven that are renewed here, and the kubelet's
    assert "apiserver" in warned


def test_what_has_expired_is_named_so(tmp_path: Path) -> None:
    done = run("certs", "check-expiration", "--warn-days=0", *control_plane(tmp_path, timedelta(days=-3)))
    assert done.exit_code == 7
    assert "warning: etcd-peer expired 3d ago" in done.stderr


def test_a_kubelet_that_renews_its_short_certificates_is_no_alarm(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    where = control_plane(tmp_path, timedelta(days=300), now)
    for left, status in ((timedelta(hours=4), 0), (timedelta(hours=2), 7), (timedelta(hours=-1), 7)):
        write_control_plane(
            tmp_path, {"ca": now + timedelta(days=999), "kubelet.conf": now + left}, begin=now + left - timedelta(days=1)
        )
        done = run("certs", "check-expiration", "--warn-days=30", *where)
        assert (done.exit_code, "kubelet.conf" in done.stderr) == (status, status == 7)


def test_metrics_in_prometheus_text_format(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    where = control_plane(tmp_path, timedelta(days=20), now)
    (tmp_path / "etc/kubernetes/super-admin.conf").unlink()
    text = run("certs", "check-expiration", "-o", "prometheus", *where).stdout
    assert text.endswith("\n")
    lines = text.splitlines()
    sample = re.compile(r'[a-z_]+\{name="[\w.-]+",kind="(certificate|authority|kubelet)",ca="[\w-]*"\} \d+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    end = int((now + timedelta(days=20)).timestamp())
    name = "pykubeadm_certificate_expiration_timestamp_seconds"
    assert f'{name}{{name="apiserver",kind="certificate",ca="ca"}} {end}' in lines
    assert 'pykubeadm_certificate_missing{name="super-admin.conf",kind="certificate",ca="ca"} 1' in lines
    for metric in (name, "pykubeadm_certificate_missing"):  # a metric's lines stand together, below its type
        at = [number for number, line in enumerate(lines) if line.startswith(metric)]
        assert at == list(range(at[0], at[-1] + 1))
        assert lines[at[0] - 1] == f"# TYPE {metric} gauge"


def test_an_empty_node_has_everything_missing_and_that_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "cfg.yaml").write_text(CONFIG)
    done = run("certs", "check-expiration", "--warn-days=30", "--config", "/cfg.yaml", "--rootfs", str(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.count("!MISSING!") == 14


def test_the_given_directory_counts_beside_a_file(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=20))
    (tmp_path / "etc/kubernetes/pki").rename(tmp_path / "elsewhere")
    assert run("certs", "check-expiration", *where).stdout.count("!MISSING!") == 10
    assert run("certs", "check-expiration", "--cert-dir=/elsewhere", *where).stdout.count("!MISSING!") == 0


def test_the_cluster_is_only_asked_for_what_the_node_does_not_say(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=20))[2:]  # no server listens where its kubeconfigs lead
    kubernetes = tmp_path / "etc/kubernetes"
    text = (kubernetes / "admin.conf").read_text()
    (kubernetes / "admin.conf").write_text(text.replace("https://10.0.0.9:6443", "https://127.0.0.1:1"))
    asked = run("certs", "check-expiration", *where)
    assert "the cluster's configuration cannot be read" in asked.stderr
    flag = "--client-ca-file=/etc/kubernetes/pki/ca.crt"
    (kubernetes / "manifests").mkdir()
    pod = {"spec": {"containers": [{"name": "kube-apiserver", "command": ["kube-apiserver", flag]}]}}
    (kubernetes / "manifests/kube-apiserver.yaml").write_text(json.dumps(pod))
    done = run("certs", "check-expiration", *where)
    assert (done.stdout, done.stderr) == (asked.stdout, "")
    assert done.stdout.count("ca ") > 5
    (kubernetes / "manifests/kube-apiserver.yaml").unlink()
    (kubernetes / "admin.conf").unlink()
    worker = run("certs", "check-expiration", *where)
    assert (worker.exit_code, worker.stderr) == (0, "")


def test_asking_for_expirations_loads_nothing_that_takes_long(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=20))[2:]
    (tmp_path / "etc/kubernetes/admin.conf").unlink()
    code = (
        "import sys\n"
        "from pykubeadm.cli.main import cli\n"
        f"cli.main({['certs', 'check-expiration', '-o', 'prometheus', *where]!r}, standalone_mode=False)\n"
        "print(sorted({'cryptography', 'http.client', 'rich', 'ssl', 'pykubeadm.config.model'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=20))
    path = tmp_path / "etc/kubernetes/pki/apiserver.crt"
    for content in (b"garbage", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"):
        path.write_bytes(content)
        done = CliRunner().invoke(cli, ["certs", "check-expiration", *where])
        assert isinstance(done.exception, PhaseError)
        assert str(done.exception).startswith("/etc/kubernetes/pki/apiserver.crt holds ")
        assert "put the right one there" in str(done.exception)


def damaged(root: Path) -> list[str]:
    where = control_plane(root, timedelta(days=20, hours=12))
    (root / "etc/kubernetes/pki/apiserver.crt").write_bytes(b"garbage")
    (root / "etc/kubernetes/admin.conf").write_bytes(b"")
    (root / "etc/kubernetes/scheduler.conf").write_text("users: []\n")
    (root / "etc/kubernetes/pki/front-proxy-ca.crt").write_bytes(b"garbage")
    (root / "etc/kubernetes/kubelet.conf").write_text("[]")
    return where


_DAMAGED = ["admin.conf", "apiserver", "scheduler.conf", "front-proxy-ca", "kubelet.conf"]


def test_what_is_damaged_hides_no_other_certificate(tmp_path: Path) -> None:
    done = run("certs", "check-expiration", *damaged(tmp_path))
    assert done.exit_code == 1  # click's, for an exception: PhaseError
    assert isinstance(done.exception, PhaseError)
    assert re.findall(r"^!UNREADABLE! (\S+)", done.stdout, re.MULTILINE) == _DAMAGED
    assert done.stdout.count("20d") == 8
    files = ("admin.conf", "pki/apiserver.crt", "scheduler.conf", "pki/front-proxy-ca.crt", "kubelet.conf")
    assert [line.partition(" ")[0] for line in str(done.exception).splitlines()] == [f"/etc/kubernetes/{name}" for name in files]


def test_programs_are_told_what_is_damaged(tmp_path: Path) -> None:
    where = damaged(tmp_path)
    document = json.loads(run("certs", "check-expiration", "-o", "json", *where).stdout)
    every = [*document["certificates"], *document["certificateAuthorities"], *document["kubeletCertificates"]]
    found = {entry["name"]: entry["problem"] for entry in every if "problem" in entry}
    assert list(found) == _DAMAGED
    assert found["apiserver"].startswith("/etc/kubernetes/pki/apiserver.crt holds no certificate")
    metrics = run("certs", "check-expiration", "-o", "prometheus", *where).stdout
    assert 'pykubeadm_certificate_missing{name="apiserver",kind="certificate",ca="ca"} 1' in metrics
    assert 'pykubeadm_certificate_expiration_timestamp_seconds{name="etcd-peer"' in metrics


def test_monitoring_hears_of_what_expires_beside_what_is_damaged(tmp_path: Path) -> None:
    done = run("certs", "check-expiration", "--warn-days=21", *damaged(tmp_path))
    assert done.exit_code == 7
    assert "warning: etcd-peer expires in 20d" in done.stderr
    assert "/etc/kubernetes/pki/apiserver.crt holds no certificate" in done.stderr


def test_monitoring_hears_of_what_is_not_valid_yet(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    where = control_plane(tmp_path, timedelta(days=300), now)
    write_control_plane(tmp_path, all_ends(now, timedelta(days=300)), begin=now + timedelta(hours=5))
    done = run("certs", "check-expiration", "--warn-days=30", *where)
    assert done.exit_code == 4
    for name in ("apiserver", "ca", "kubelet.conf"):
        assert f"warning: {name} is not valid before {now + timedelta(hours=5):%Y-%m-%d %H:%M} UTC" in done.stderr
    assert run("certs", "check-expiration", *where).exit_code == 0


def test_monitoring_hears_of_what_a_control_plane_misses(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=300))
    for name in ("super-admin.conf", "scheduler.conf", "pki/apiserver.crt", "pki/etcd/peer.crt", "pki/front-proxy-ca.crt"):
        (tmp_path / "etc/kubernetes" / name).unlink()
    done = run("certs", "check-expiration", "--warn-days=30", *where)
    assert done.exit_code == 4
    missing = re.findall(r"warning: (\S+) is missing", done.stderr)  # super-admin.conf is on the first control plane only
    assert missing == ["apiserver", "etcd-peer", "scheduler.conf", "front-proxy-ca"]
    done = run("certs", "check-expiration", "--warn-days=301", *where)
    assert (done.exit_code, "apiserver is missing" in done.stderr) == (7, True)


def test_a_worker_with_a_kubeconfig_of_an_administrator_misses_nothing(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=300))
    pki = tmp_path / "etc/kubernetes/pki"
    for path in [*pki.glob("**/*"), *(tmp_path / "etc/kubernetes").glob("*.conf")]:
        if path.is_file() and path.name not in ("admin.conf", "kubelet.conf") and path != pki / "ca.crt":
            path.unlink()
    assert run("certs", "check-expiration", "--warn-days=30", *where).exit_code == 0


def test_a_host_of_etcd_needs_nothing_of_a_control_plane(tmp_path: Path) -> None:
    where = control_plane(tmp_path, timedelta(days=300))
    for path in (tmp_path / "etc/kubernetes").glob("**/*"):
        if path.is_file() and "etcd" not in str(path.relative_to(tmp_path)):
            path.unlink()
    assert run("certs", "check-expiration", "--warn-days=30", *where).exit_code == 0


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("pki/ca.key", "Detected external ca, certificate for serving the Kubernetes API can't be renewed"),
        ("pki/apiserver.crt", "MISSING! certificate for serving the Kubernetes API"),
    ],
)
def test_what_cannot_be_renewed_is_not_called_up_to_date(tmp_path: Path, file: str, said: str) -> None:
    where = control_plane(tmp_path, timedelta(days=20))
    (tmp_path / "etc/kubernetes" / file).unlink()
    done = run("certs", "renew", "apiserver", "--no-restart", *where)
    assert done.exit_code == 0  # as kubeadm's
    assert f"warning: nothing is renewed: {said}" in done.stderr
    assert re.fullmatch(r"Nothing to do \(\d+\.\ds\)", done.stdout.splitlines()[-1])


def test_renew_lists_kubeadms_names() -> None:
    listed = re.findall(r"^  ([a-z][\w.-]+) ", run("certs", "renew", "--help").stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed == [
        "admin.conf", "all", "apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "controller-manager.conf",
        "etcd-healthcheck-client", "etcd-peer", "etcd-server", "front-proxy-client", "kubelet.conf", "scheduler.conf",
        "super-admin.conf",
    ]  # fmt: skip
    assert run("certs", "renew", "nonsense").exit_code == 2


def test_phases_answer_to_kubeadms_aliases() -> None:
    for words in (("init", "phase", "uploadconfig"), ("init", "phase", "bootstraptoken")):
        assert run(*words, "--help").exit_code == 0
