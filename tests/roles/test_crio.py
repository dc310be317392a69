"""CRI-O as the runtime: what its role would do on recorded systems, for none that the tests can run has a package of it."""

from __future__ import annotations

import tomllib

import pytest

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

HOSTS = ("debian12", "rhel9", "leap16")  # one of each family
ROLES = ("containerd", "crio", "cni", "kubelet")
SETTINGS = "/etc/crio/crio.conf.d/20-pykubeadm.conf"
VARIABLES = {
    "prepare_runtime": "crio",
    "crio_version": "v1.36.2",  # as releases are named
    "crio_registries": [{"host": "docker.io", "mirrors": [{"location": "mirror.example.com/docker", "insecure": True}]}],
    "crio_proxy": {"https": "http://user:pa%73s@proxy.example.com:3128", "no_proxy": [".svc", "10.96.0.0/12"]},
}


@pytest.fixture(scope="module")
def crio(tmp_path_factory):
    systems = {name: SYSTEMS[name] for name in HOSTS}
    return record(tmp_path_factory.mktemp("crio"), VARIABLES, systems, roles=dict.fromkeys(HOSTS, ROLES))


@pytest.mark.parametrize("host", HOSTS)
def test_prepared_to_the_end_with_crio_and_without_containerd(crio, host):
    assert crio.of(host, "units", "kubelet"), crio.output[-3000:]
    assert crio.of(host, "packages", "crio")[0]["packages"] == [{"name": "cri-o", "provides": "/usr/bin/crio"}]
    assert crio.of(host, "units", "crio")[0]["units"][0]["name"] == "crio.service"
    assert not [call for call in crio.calls[host] if (call["role"] or "").endswith("containerd")]
    assert len(crio.calls[host]) <= 15


@pytest.mark.parametrize("host", HOSTS)
def test_everything_asks_its_socket(crio, host):
    assert "unix:///run/crio/crio.sock" in crio.file(host, "/etc/crictl.yaml")["content"]
    assert crio.of(host, "units", "crio")[0]["units"][0]["wait_for"] == ["/run/crio/crio.sock"]


@pytest.mark.parametrize(
    ("host", "path", "line"),
    [
        ("debian12", "/etc/apt/sources.list.d/cri-o.sources", "URIs: {base}v1.36/deb/"),
        ("rhel9", "/etc/yum.repos.d/cri-o.repo", "baseurl={base}v1.36/rpm/"),
        ("leap16", "/etc/zypp/repos.d/cri-o.repo", "baseurl={base}v1.36/rpm/"),
    ],
)
def test_the_projects_repository(crio, host, path, line):
    [repository] = crio.of(host, "packages", "crio")[0]["repositories"]
    assert repository["path"] == path
    base = "https://download.opensuse.org/repositories/isv:/cri-o:/stable:/"
    assert line.format(base=base) in repository["content"].splitlines()


@pytest.mark.parametrize("host", HOSTS)
def test_one_drop_in_that_crio_itself_must_accept(crio, host):
    entry = crio.file(host, SETTINGS)
    settings = tomllib.loads(entry["content"])["crio"]
    assert settings["runtime"] == {"cgroup_manager": "systemd", "conmon_cgroup": "system.slice"}
    assert settings["image"]["pause_image"] in settings["image"]["pinned_images"]
    assert settings["network"] == {"network_dir": "/etc/cni/net.d", "plugin_dirs": ["/opt/cni/bin"]}
    assert entry["validate"] == ["crio", "--config", "%s", "--config-dir", "", "config"]


@pytest.mark.parametrize("host", HOSTS)
def test_no_former_version_of_it_is_left_for_crio_to_read(crio, host):
    assert not crio.file(host, SETTINGS).get("backup")
    assert crio.file(host, f"{SETTINGS}.before-pykubeadm")["state"] == "absent"


def test_mirrors_and_proxy(crio):
    mirrors = tomllib.loads(crio.file("rhel9", "/etc/containers/registries.conf.d/50-pykubeadm-docker.io.conf")["content"])
    assert mirrors == {
        "registry": [{"location": "docker.io", "mirror": [{"location": "mirror.example.com/docker", "insecure": True}]}]
    }
    proxy = crio.file("rhel9", "/etc/systemd/system/crio.service.d/20-proxy.conf")
    assert proxy["mode"] == "0600"
    assert 'Environment="HTTPS_PROXY=http://user:pa%%73s@proxy.example.com:3128"' in proxy["secret_content"]
    assert "content" not in proxy
