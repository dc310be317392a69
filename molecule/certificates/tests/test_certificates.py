"""The timer runs from boot on; the service renews when a certificate is about to expire, and fails where it cannot look."""

import pytest

PROGRAM = "/usr/local/bin/stand-in"
SERVICE = "pykubeadm-certificates.service"


@pytest.fixture
def program(host):
    """Has the program end `check-expiration` with a status and write down what else it is called with."""

    def put(status):
        cases = (
            f'"check-expiration --warn-days=14") exit {status};;',
            '"check-expiration -o") echo metrics;;',
            '*) echo "$*" >>/run/called;;',
        )
        script = "\n".join(["#!/bin/sh", 'case "$2 $3" in', *cases, "esac", ""])
        assert host.run("rm -f /run/called; printf %%s %s >%s && chmod 755 %s", script, PROGRAM, PROGRAM).rc == 0

    yield put
    # The role needs one.
    host.run("cp /bin/true %s; rm -f /run/called /run/certificates.prom; systemctl reset-failed", PROGRAM)


def test_timer(host):
    timer = host.service("pykubeadm-certificates.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_systemd_takes_the_units_as_they_are(host, program):
    program(0)
    done = host.run("systemd-analyze verify /etc/systemd/system/pykubeadm-certificates.*")
    assert done.rc == 0
    assert "pykubeadm-certificates" not in done.stderr


@pytest.mark.parametrize(("status", "ends", "renewed"), [(0, 0, False), (7, 0, True), (5, 1, False)])
def test_service(host, program, status, ends, renewed):
    program(status)
    assert host.run(f"systemctl start {SERVICE}").rc == ends
    assert host.file("/run/called").exists is renewed
    if renewed:
        assert host.file("/run/called").content_string.strip() == "certs renew all"
    assert host.file("/run/certificates.prom").content_string.strip() == "metrics"


def test_a_service_without_its_program_fails(host, program):
    program(0)
    assert host.run("rm %s", PROGRAM).rc == 0
    assert host.run(f"systemctl start {SERVICE}").rc != 0
