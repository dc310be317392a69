"""The timer runs from boot on; the service saves as it is configured to where a member of etcd is, and fails where that fails."""

import pytest

PROGRAM = "/usr/local/bin/stand-in"
MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
SERVICE = "pykubeadm-snapshots.service"


@pytest.fixture
def program(host):
    """Has the program end with a status and write down what it is called with; and puts a member of etcd there."""

    def put(status):
        script = f'#!/bin/sh\necho "$AWS_ENDPOINT_URL $*" >>/run/called\nexit {status}\n'
        assert host.run("rm -f /run/called; printf %%s %s >%s && chmod 755 %s", script, PROGRAM, PROGRAM).rc == 0
        assert host.run(f"mkdir -p /etc/kubernetes/manifests; touch {MANIFEST}").rc == 0
        assert host.run("echo AWS_ENDPOINT_URL=http://minio >/etc/pykubeadm.env").rc == 0

    yield put
    # The role needs a program.
    host.run("cp /bin/true %s; rm -f %s /run/called /etc/pykubeadm.env; systemctl reset-failed", PROGRAM, MANIFEST)


def test_timer(host):
    timer = host.service("pykubeadm-snapshots.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_systemd_takes_the_units_as_they_are(host, program):
    program(0)
    done = host.run("systemd-analyze verify /etc/systemd/system/pykubeadm-snapshots.*")
    assert done.rc == 0
    assert "pykubeadm-snapshots" not in done.stderr


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (6, 1)])
def test_service(host, program, status, ends):
    program(status)
    assert host.run(f"systemctl start {SERVICE}").rc == ends
    called = host.file("/run/called").content_string.strip()
    assert called == ("http://minio etcd snapshot save --keep=3 --store=/srv/backups --encrypt-to=age1aaa --encrypt-to=age1bbb")


def test_without_a_member_of_etcd_there_is_nothing_to_do(host, program):
    program(0)
    host.run(f"rm {MANIFEST}")
    assert host.run(f"systemctl start {SERVICE}").rc == 0
    assert not host.file("/run/called").exists
