from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pykubeadm.config.host import HostFacts
from pykubeadm.config.model import (
    APIEndpoint,
    APIServer,
    Arg,
    ClusterConfiguration,
    ControlPlaneComponent,
    EnvVar,
    Etcd,
    ExternalEtcd,
    HostPathMount,
    LocalEtcd,
    Timeouts,
)
from pykubeadm.manifests.apiserver import apiserver_pod
from pykubeadm.manifests.arguments import command_line
from pykubeadm.manifests.controller_manager import controller_manager_pod
from pykubeadm.manifests.etcd import InitialMember, etcd_pod
from pykubeadm.manifests.scheduler import scheduler_pod

ENDPOINT = APIEndpoint(advertise_address="10.0.0.9")
HOST = HostFacts("cp1")


def cluster(**fields: Any) -> ClusterConfiguration:
    return ClusterConfiguration(**{"kubernetes_version": "v1.36.2", "etcd": Etcd(local=LocalEtcd()), **fields})


def apiserver(
    config: ClusterConfiguration, endpoint: APIEndpoint = ENDPOINT, host: HostFacts = HOST
) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    pod = apiserver_pod(config, endpoint, Timeouts(), host, lambda _level, message: notes.append(message))
    return pod["spec"]["containers"][0], notes


def extra(*args: tuple[str, str]) -> tuple[Arg, ...]:
    return tuple(Arg(name=name, value=value) for name, value in args)


def test_an_extra_argument_replaces_the_base_and_keeps_its_place_and_number() -> None:
    assert command_line({"b": "1", "a": "2", "c": "3"}, extra(("c", "y"), ("b", "x"), ("c", "z"))) == [
        "--a=2",
        "--c=y",
        "--b=x",
        "--c=z",
    ]


def test_proxy_variables_come_in_unless_the_user_sets_them() -> None:
    config = cluster(api_server=APIServer(extra_envs=(EnvVar(name="HTTP_PROXY", value="mine"), EnvVar(name="A", value="1"))))
    container, _ = apiserver(config, host=HostFacts("cp1", proxy_env={"HTTP_PROXY": "host", "no_proxy": "10.0.0.0/8"}))
    assert container["env"] == [
        {"name": "A", "value": "1"},
        {"name": "HTTP_PROXY", "value": "mine"},
        {"name": "no_proxy", "value": "10.0.0.0/8"},
    ]


def test_ca_directories_of_the_host_are_mounted() -> None:
    container, _ = apiserver(
        cluster(), host=HostFacts("cp1", ca_directories=("/etc/pki/tls/certs", "/usr/share/ca-certificates"))
    )
    assert {"name": "etc-pki-tls-certs", "mountPath": "/etc/pki/tls/certs", "readOnly": True} in container["volumeMounts"]
    assert {"name": "usr-share-ca-certificates", "mountPath": "/usr/share/ca-certificates", "readOnly": True} in container[
        "volumeMounts"
    ]


def test_a_volume_of_the_users_takes_the_place_of_another_of_its_name() -> None:
    mount = HostPathMount(name="ca-certs", host_path="/opt/ca", mount_path="/etc/ssl/certs")
    container, _ = apiserver(cluster(api_server=APIServer(extra_volumes=(mount,))))
    assert [entry for entry in container["volumeMounts"] if entry["name"] == "ca-certs"] == [
        {"name": "ca-certs", "mountPath": "/etc/ssl/certs"}
    ]


@pytest.mark.parametrize(
    ("modes", "notes"),
    [
        ("Node,RBAC", []),
        ("Node,RBAC,Webhook", ["apiServer.extraArgs: authorization-mode is Node,RBAC,Webhook; recommended is Node,RBAC"]),
    ],
)
def test_unusual_authorization_modes_are_reported(modes: str, notes: list[str]) -> None:
    container, reported = apiserver(cluster(api_server=APIServer(extra_args=extra(("authorization-mode", modes)))))
    assert [word for word in container["command"] if "authorization" in word] == [f"--authorization-mode={modes}"]
    assert reported == notes


def test_an_unknown_authorization_mode_is_named() -> None:
    _, reported = apiserver(cluster(api_server=APIServer(extra_args=extra(("authorization-mode", "Nod")))))
    assert '"Nod" is not an authorization mode' in reported[0]


def test_an_authorization_configuration_leaves_no_mode() -> None:
    container, _ = apiserver(cluster(api_server=APIServer(extra_args=extra(("authorization-config", "/a.yaml")))))
    assert [word for word in container["command"] if "authorization" in word] == ["--authorization-config=/a.yaml"]


def test_ipv6_addresses_get_brackets_where_a_port_follows() -> None:
    endpoint = APIEndpoint(advertise_address="fd00::9", bind_port=7443)
    container, _ = apiserver(cluster(), endpoint)
    assert "--etcd-servers=https://[::1]:2379" in container["command"]
    assert container["livenessProbe"]["httpGet"]["host"] == "fd00::9"
    etcd = etcd_pod(cluster(), endpoint, "cp1", Timeouts())["spec"]["containers"][0]
    assert "--listen-metrics-urls=http://[::1]:2381" in etcd["command"]
    assert etcd["livenessProbe"]["httpGet"]["host"] == "::1"


@pytest.mark.parametrize(
    ("ca_file", "cert_file", "key_file"),
    [
        ("/etc/etcd/pki/ca.crt", "/etc/etcd/client.crt", "/etc/kubernetes/pki/client.key"),
        ("/etc//etcd/./pki/ca.crt", "/etc/etcd/pki/../client.crt", "/etc/kubernetes//pki/client.key"),
    ],
    ids=["clean", "unclean"],
)
def test_external_etcd_directories_are_mounted_once(ca_file: str, cert_file: str, key_file: str) -> None:
    external = ExternalEtcd(endpoints=("https://e:2379",), ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    container, _ = apiserver(cluster(etcd=Etcd(external=external)))
    assert [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"].startswith("etcd")] == ["/etc/etcd"]


def test_with_an_external_ca_the_controller_manager_has_no_signing_key() -> None:
    command = controller_manager_pod(cluster(), Timeouts(), HOST, external_ca=True)["spec"]["containers"][0]["command"]
    assert {"--cluster-signing-cert-file=", "--cluster-signing-key-file="} <= set(command)


@pytest.mark.parametrize(("address", "host"), [("0.0.0.0", None), ("::", None), ("10.0.0.9", "10.0.0.9")])  # noqa: S104 - a value to test
def test_the_bind_address_says_where_to_probe(address: str, host: str | None) -> None:
    config = cluster(scheduler=ControlPlaneComponent(extra_args=extra(("bind-address", "1.1.1.1"), ("bind-address", address))))
    probe = scheduler_pod(config, Timeouts(), HOST)["spec"]["containers"][0]["livenessProbe"]
    assert probe["httpGet"].get("host") == host


@pytest.mark.parametrize(("seconds", "failures"), [(240, 24), (241, 25), (1, 1)])
def test_the_startup_probe_covers_the_timeout(seconds: int, failures: int) -> None:
    timeouts = Timeouts(control_plane_component_health_check=timedelta(seconds=seconds))
    assert scheduler_pod(cluster(), timeouts, HOST)["spec"]["containers"][0]["startupProbe"]["failureThreshold"] == failures


@pytest.mark.parametrize("tag", ["3.5.24-0", "v3.5.9", "3.4.27"])
def test_older_etcd_gets_its_experimental_flags(tag: str) -> None:
    command = etcd_pod(cluster(etcd=Etcd(local=LocalEtcd(image_tag=tag))), ENDPOINT, "cp1", Timeouts())["spec"]["containers"][0][
        "command"
    ]
    assert {"--experimental-initial-corrupt-check=true", "--experimental-watch-progress-notify-interval=5s"} <= set(command)
    assert not [word for word in command if "feature-gates" in word]


def test_a_joining_etcd_member_names_all_members() -> None:
    members = (InitialMember("cp1", "https://10.0.0.8:2380"), InitialMember("cp2", "https://10.0.0.9:2380"))
    command = etcd_pod(cluster(), ENDPOINT, "cp2", Timeouts(), members)["spec"]["containers"][0]["command"]
    assert "--initial-cluster=cp1=https://10.0.0.8:2380,cp2=https://10.0.0.9:2380" in command
    assert "--initial-cluster-state=existing" in command


@pytest.mark.parametrize(
    ("urls", "host", "port"),
    [
        ("http://[bad:99999", "127.0.0.1", 2381),
        ("http://10.0.0.9:metrics", "127.0.0.1", 2381),
        (" http://10.0.0.9:9", "127.0.0.1", 2381),
        ("http://10.0.0.9:99999", "10.0.0.9", 2381),
        ("http://:77", "127.0.0.1", 77),
        ("http://[fd00::9],http://10.0.0.9", "fd00::9", 2381),
        ("http://Metrics.Example:2400", "Metrics.Example", 2400),
    ],
)
def test_the_metrics_urls_say_where_to_probe_etcd_as_far_as_they_can_be_read(urls: str, host: str, port: int) -> None:
    local = LocalEtcd(extra_args=extra(("listen-metrics-urls", urls)))
    container = etcd_pod(cluster(etcd=Etcd(local=local)), ENDPOINT, "cp1", Timeouts())["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["host"] == host
    assert container["ports"][0]["containerPort"] == port
