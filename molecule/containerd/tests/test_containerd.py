"""The runtime runs with the configuration that belongs to its version."""

import re


def configuration(host):
    """As containerd itself understood it."""
    return host.check_output("containerd config dump")


def test_it_runs_and_comes_back_at_boot(host):
    service = host.service("containerd.service")
    assert service.is_running
    assert service.is_enabled


def test_configuration_in_the_schema_of_the_version(host):
    version = re.search(r"\b(\d+)\.(\d+)\.\d+", host.check_output("containerd --version"))
    series = (int(version[1]), int(version[2]))
    schema = 2 if series < (2, 0) else 3 if series < (2, 3) else 4
    assert f"version = {schema}" in host.file("/etc/containerd/config.toml").content_string.splitlines()
    if host.check_output("hostname") == "containerd-forky":
        assert schema > 2
    # Of settings that it does not know containerd only says that it leaves them out.
    log = host.check_output("journalctl --boot --output=cat --unit=containerd.service")
    assert not re.search(r"ignoring unknown key|Ignoring unknown key|strict mode", log)


def test_cgroups_are_managed_by_systemd(host):
    assert "SystemdCgroup = true" in configuration(host)


def test_sandbox_image(host):
    assert "registry.example.com/pause:3.10.2" in configuration(host)


def test_runtime_classes(host):
    assert "/usr/bin/nvidia-container-runtime" in configuration(host)


def test_credentials_are_for_root_alone(host):
    assert host.file("/etc/containerd/config.toml").mode == 0o600


def test_mirror(host):
    hosts = host.file("/etc/containerd/certs.d/docker.io/hosts.toml").content_string
    assert '[host."https://mirror.example.com/v2/docker.io"]' in hosts
    assert "override_path = true" in hosts


def test_proxy_reaches_the_process(host):
    environment = host.check_output("tr '\\0' '\\n' </proc/$(systemctl show -P MainPID containerd.service)/environ")
    assert "HTTPS_PROXY=http://user:pa%73s@proxy.example.com:3128" in environment
    assert "NO_PROXY=10.96.0.0/12,.svc" in environment
    assert host.file("/etc/systemd/system/containerd.service.d/20-proxy.conf").mode == 0o600


def test_cri_answers(host):
    assert "io.containerd.grpc.v1" in host.check_output("ctr plugins ls")
    assert host.run("ctr plugins ls | grep -E '\\bcri\\b.*error'").rc != 0
