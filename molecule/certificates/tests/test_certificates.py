"""The timer runs from boot on, and the service has nothing to do on a node without certificates."""


def test_timer(host):
    timer = host.service("pykubeadm-certificates.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_systemd_takes_the_units_as_they_are(host):
    done = host.run("systemd-analyze verify /etc/systemd/system/pykubeadm-certificates.*")
    assert done.rc == 0
    assert "pykubeadm-certificates" not in done.stderr


def test_service(host):
    assert host.run("systemctl start pykubeadm-certificates.service").rc == 0
