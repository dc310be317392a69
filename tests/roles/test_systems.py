"""Each family of systems gets what is its own; what cannot be run here is covered by recorded systems."""

from __future__ import annotations

import tomllib

import pytest

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

WHOLE = [name for name in SYSTEMS if name != "cgroup-v1"]
FAMILIES = ("debian12", "fedora", "leap16")
# Roles that are the same on all systems of a family run on one of each.
OWN = ("containerd", "kubelet")
OF_ALL = ("kernel", "cgroups", "firewall", "containerd", "cni", "kubelet", "images")
ROLES = dict.fromkeys(SYSTEMS, OWN) | dict.fromkeys((*FAMILIES, "cgroup-v1"), OF_ALL) | {"ubuntu2204": ("firewall", *OWN)}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """With the roles' defaults; kubelet and CRI-O packages from their repositories."""
    variables = {"kubelet_source": "packages", "cni_plugins_source": "package"}
    return record(tmp_path_factory.mktemp("recording"), variables, SYSTEMS, roles=ROLES)


def toml(recording, host):
    entry = recording.file(host, "/etc/containerd/config.toml")
    return tomllib.loads(entry["content"])


@pytest.mark.parametrize("host", WHOLE)
def test_every_system_is_prepared_to_the_end(recording, host):
    assert recording.of(host, "units", "kubelet"), recording.output[-3000:]


@pytest.mark.parametrize("host", FAMILIES)
def test_few_module_calls(recording, host):
    assert len(recording.calls[host]) <= 15, [call["module"] for call in recording.calls[host]]


SCHEMAS = {
    "debian12": 2, "debian13-arm64": 2, "ubuntu2204": 2, "ubuntu2404": 2, "ubuntu2604": 3, "rhel9": 3, "rocky10-arm64": 3,
    "alma9-docker": 3, "fedora": 3, "leap16": 2, "archives-2.3": 4,
}  # fmt: skip


@pytest.mark.parametrize(("host", "schema"), SCHEMAS.items())
def test_configuration_in_the_schema_of_the_version(recording, host, schema):
    configuration = toml(recording, host)
    assert configuration["version"] == schema
    plugins = configuration["plugins"]
    runtime = plugins["io.containerd.grpc.v1.cri" if schema == 2 else "io.containerd.cri.v1.runtime"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    if schema == 2:
        assert runtime["sandbox_image"] == "registry.k8s.io/pause:3.10.2"
    else:
        assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "registry.k8s.io/pause:3.10.2"


def test_containerd_comes_from_packages_where_there_are_any(recording):
    for host in ("debian12", "ubuntu2604", "fedora", "leap16"):
        assert names_of_packages(recording, host)[:2] == ["containerd", "runc"]
        assert not recording.of(host, "downloads", "containerd")


FURTHER = {
    "debian12": ["containernetworking-plugins", "iptables", "iproute2", "mount", "kmod"],
    "fedora": ["containernetworking-plugins", "iptables-nft", "iproute", "util-linux", "kmod"],
    "leap16": ["cni-plugins", "iptables", "iproute2", "util-linux", "kmod"],
}


@pytest.mark.parametrize(("host", "further"), FURTHER.items())
def test_packages_of_the_roles_that_follow_come_with_containerds(recording, host, further):
    """But for those that come with the kubelet's own, perhaps from its folder of packages."""
    assert names_of_packages(recording, host)[2:] == further[:1]
    assert not recording.of(host, "packages", "cni")
    [packages] = recording.of(host, "packages", "kubelet")
    assert [package["name"] for package in packages["packages"]][: len(further) - 1] == further[1:]


def names_of_packages(recording, host):
    [packages] = recording.of(host, "packages", "containerd")
    return [package["name"] for package in packages["packages"]]


def test_what_no_tag_asks_for_is_not_installed_with_containerd(tmp_path):
    systems = {host: SYSTEMS[host] for host in FURTHER}
    recording = record(tmp_path, {"cni_plugins_source": "package"}, systems, tags=("runtime", "kubelet"))
    for host, further in FURTHER.items():
        assert names_of_packages(recording, host) == ["containerd", "runc", *further[1:]]
        assert not recording.of(host, "packages", "kubelet"), "they are there"
        assert recording.of(host, "units", "kubelet"), recording.output[-3000:]


def test_containerd_comes_from_archives_where_there_are_none(recording):
    for host, architecture in (("rhel9", "amd64"), ("rocky10-arm64", "arm64")):
        assert not recording.of(host, "packages", "containerd")
        [downloads] = recording.of(host, "downloads", "containerd")
        containerd, runc = downloads["items"]
        assert containerd["sources"][-1].endswith(f"/containerd-2.1.4-linux-{architecture}.tar.gz")
        assert runc["sources"][-1].endswith(f"/runc.{architecture}")
        assert "ExecStart=/usr/local/bin/containerd" in recording.file(host, "/etc/systemd/system/containerd.service")["content"]


def test_a_containerd_of_other_means_is_configured_and_not_replaced(recording):
    assert not recording.of("alma9-docker", "packages", "containerd")
    assert not recording.of("alma9-docker", "downloads", "containerd")
    assert recording.file("alma9-docker", "/etc/systemd/system/containerd.service") is None


@pytest.mark.parametrize(
    ("host", "path", "line"),
    [
        ("debian12", "/etc/apt/sources.list.d/kubernetes.sources", "URIs: https://pkgs.k8s.io/core:/stable:/v1.36/deb/"),
        ("rhel9", "/etc/yum.repos.d/kubernetes.repo", "baseurl=https://pkgs.k8s.io/core:/stable:/v1.36/rpm/"),
        ("leap16", "/etc/zypp/repos.d/kubernetes.repo", "baseurl=https://pkgs.k8s.io/core:/stable:/v1.36/rpm/"),
    ],
)
def test_kubernetes_repository(recording, host, path, line):
    [packages] = recording.of(host, "packages", "kubelet")
    [repository] = packages["repositories"]
    assert repository["path"] == path
    assert line in repository["content"].splitlines()
    by_name = {package["name"]: package for package in packages["packages"]}
    assert by_name["kubelet"]["version"] == "1.36.2"
    assert by_name["kubelet"]["hold"] is True


@pytest.mark.parametrize(("host", "path"), [("debian12", "/etc/default/kubelet"), ("fedora", "/etc/sysconfig/kubelet")])
def test_environment_file_of_the_family(recording, host, path):
    drop_in = recording.file(host, "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf")
    assert f"EnvironmentFile=-{path}" in drop_in["content"].splitlines()


def test_ports_are_opened_where_a_firewall_is_active(recording):
    assert recording.of("fedora", "firewall_ports")[0]["firewall"] == "firewalld"
    assert "6443/tcp" in recording.of("ubuntu2204", "firewall_ports")[0]["ports"]
    assert not recording.of("debian12", "firewall_ports")


def test_cgroup_v1_is_refused_with_what_to_do(recording):
    assert not recording.of("cgroup-v1", "units")
    assert "The node has cgroup v1, which kubelet 1.36.2 refuses" in " ".join(recording.output.split())


def test_no_part_of_a_template_is_left(recording):
    for host in WHOLE:
        for args in recording.of(host, "files"):
            for entry in args["files"]:
                assert "{{" not in (entry.get("content") or "")
                assert "{%" not in (entry.get("content") or "")


@pytest.mark.parametrize(
    ("host", "folder"),
    [
        ("debian12", "vendor-completions"),
        ("ubuntu2404", "vendor-completions"),
        ("rhel9", "site-functions"),
        ("leap16", "site-functions"),
    ],
)
def test_completion_where_the_systems_zsh_looks(recording, host, folder):
    assert recording.file(host, f"/usr/share/zsh/{folder}/_kubectl"), recording.output[-2000:]
