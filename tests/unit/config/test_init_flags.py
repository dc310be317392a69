"""The configuration that flags give, and which may stand beside a file."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.read_all import read_all
from pykubeadm.config.read_init import read_init
from pykubeadm.config.read_join import read_join
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from tests.unit.config.texts import CLUSTER, INIT, JOIN, TOKEN, world


def refusals(source: Source | None, flags: InitFlags) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_init(source, flags, world())
    return [str(problem) for problem in caught.value.problems]


def test_every_flag_reaches_its_field() -> None:
    flags = InitFlags(
        apiserver_advertise_address="10.1.1.1",
        apiserver_bind_port=7443,
        apiserver_cert_extra_sans=("A.example.com", "10.9.9.9"),
        apiserver_extra_args=("v=4", "audit-log-path=/var/log/x"),
        cert_dir="/pki",
        certificate_key="0" * 64,
        control_plane_endpoint="api.example.com",
        controller_manager_extra_args=("bind-address=10.1.1.1",),
        cri_socket="unix:///run/x.sock",
        dry_run=True,
        feature_gates=("RootlessControlPlane=true",),
        ignore_preflight_errors=("Swap", "NumCPU"),
        image_repository="registry.example.com/k8s",
        kubernetes_version="v1.35.1",
        node_name="cp-1",
        patches="/patches",
        pod_network_cidr="10.244.0.0/16",
        scheduler_extra_args=("v=2",),
        service_cidr="10.97.0.0/16",
        service_dns_domain="example.local",
        skip_phases=("addon/kube-proxy",),
        token=TOKEN,
        token_ttl="2h",
    )
    assert len(flags.given()) == 23, "a new flag belongs into this test"
    init, found = read_init(None, flags, world())
    cluster = found.cluster
    assert (init.local_api_endpoint.advertise_address, init.local_api_endpoint.bind_port) == ("10.1.1.1", 7443)
    assert cluster.api_server.cert_sans == ("a.example.com", "10.9.9.9")
    assert [(item.name, item.value) for item in cluster.api_server.extra_args] == [("v", "4"), ("audit-log-path", "/var/log/x")]
    assert cluster.controller_manager.extra_args[0].value == "10.1.1.1"
    assert cluster.scheduler.extra_args[0].name == "v"
    assert (cluster.certificates_dir, init.certificate_key) == ("/pki", "0" * 64)
    assert cluster.control_plane_endpoint == "api.example.com:7443"
    assert (init.node_registration.name, init.node_registration.cri_socket) == ("cp-1", "unix:///run/x.sock")
    assert init.node_registration.ignore_preflight_errors == ("numcpu", "swap")
    assert init.dry_run
    assert cluster.feature_gates == {"RootlessControlPlane": True}
    assert (cluster.image_repository, cluster.kubernetes_version) == ("registry.example.com/k8s", "v1.35.1")
    assert init.patches
    assert init.patches.directory == "/patches"
    assert (cluster.networking.pod_subnet, cluster.networking.service_subnet) == ("10.244.0.0/16", "10.97.0.0/16")
    assert cluster.networking.dns_domain == "example.local"
    assert init.skip_phases == ("addon/kube-proxy",)
    assert (init.bootstrap_tokens[0].token, init.bootstrap_tokens[0].ttl) == (TOKEN, timedelta(hours=2))


def test_a_bad_value_is_reported_with_its_flag() -> None:
    flags = InitFlags(service_cidr="10.0.0.0/40", token="x", token_ttl="1d", feature_gates=("A",), apiserver_bind_port=70000)
    assert [line.split(": ")[0] for line in refusals(None, flags)] == [
        "--apiserver-bind-port",
        "--feature-gates",
        "--service-cidr",
        "--token",
        "--token-ttl",
    ]


def test_a_lifetime_that_is_empty_is_not_that_of_a_day() -> None:
    """Such as a variable that is not set."""
    assert refusals(None, InitFlags(token_ttl=""))[0].startswith('--token-ttl: "" is not a duration')


def test_flags_beside_a_file() -> None:
    source = Source("x.yaml", f"{INIT}nodeRegistration: {{name: a, ignorePreflightErrors: [NumCPU]}}\n---\n{CLUSTER}".encode())
    flags = InitFlags(node_name="B", dry_run=True, ignore_preflight_errors=("Swap",), skip_phases=("addon",))
    init, _ = read_init(source, flags, world())
    assert (init.node_registration.name, init.dry_run, init.skip_phases) == ("b", True, ("addon",))
    assert init.node_registration.ignore_preflight_errors == ("numcpu", "swap")
    assert refusals(source, InitFlags(node_name="b_"))[0].startswith("--node-name: ")


def test_other_flags_exclude_a_file() -> None:
    source = Source("x.yaml", f"{CLUSTER}certificatesDir: x\n".encode())
    assert refusals(source, InitFlags(patches="/patches", token=TOKEN, pod_network_cidr="10.244.0.0/16")) == [
        "--patches: cannot be given together with --config",
        "--pod-network-cidr: cannot be given together with --config",
        "--token: cannot be given together with --config",
        'x.yaml:4:18: certificatesDir: "x" is not absolute; write the path from /',
    ]


def test_of_takes_what_is_configuration() -> None:
    assert InitFlags.of({"token": TOKEN, "config": None, "skip_token_print": True}) == InitFlags(token=TOKEN)


@pytest.mark.parametrize(
    ("skipped", "dns", "proxy"),
    [(("addon",), True, True), (("addon/coredns",), True, False), (("addon/kube-proxy",), False, True)],
)
def test_an_addon_whose_phase_is_skipped_is_disabled_in_the_cluster(skipped: tuple[str, ...], dns: bool, proxy: bool) -> None:
    for source in (None, Source("x.yaml", CLUSTER.encode())):
        cluster = read_init(source, InitFlags(skip_phases=skipped), world())[1].cluster
        assert (cluster.dns.disabled, cluster.proxy.disabled) == (dns, proxy)


def test_a_bad_token_is_reported_with_the_flag_that_gave_it() -> None:
    for flags, source in (
        (JoinFlags(api_server_endpoint="10.0.0.1:6443", token="x"), "--token: is not a bootstrap token of the form"),
        (JoinFlags(api_server_endpoint="10.0.0.1:6443"), "--token: a bootstrap token is needed"),
        (JoinFlags(api_server_endpoint="10.0.0.1:6443"), "--discovery-token-ca-cert-hash: the hash of the cluster CA's"),
        (JoinFlags(api_server_endpoint="10.0.0.1:6443", token=TOKEN, discovery_token="x"), "--discovery-token: "),
    ):
        with pytest.raises(ConfigError) as caught:
            read_join(None, flags, world())
        assert any(line.startswith(source) for line in str(caught.value).splitlines())
        assert "unsafeSkipCAVerification" not in str(caught.value)  # which is a field of a file


def test_a_cluster_is_found_by_endpoint_or_by_file() -> None:
    flags = JoinFlags(
        api_server_endpoint="10.0.0.1:6443",
        token=TOKEN,
        discovery_token_unsafe_skip_ca_verification=True,
        discovery_file="/etc/passwd",
    )
    with pytest.raises(ConfigError) as caught:
        read_join(None, flags, world())
    assert str(caught.value) == "--discovery-file: bootstrapToken and file exclude each other"


def test_a_file_without_the_document_that_is_needed_has_one_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        read_join(Source("x.yaml", CLUSTER.encode()), JoinFlags(), world())
    assert str(caught.value) == "x.yaml:1:1: the file holds no JoinConfiguration, only ClusterConfiguration"


OTHERS = "apiVersion: tools.example.com/v1\nkind: Site\nname: a\n"


def test_documents_of_other_programs_are_noted_and_left_out() -> None:
    """As kubeadm's init, join and reset do; its `config validate` refuses them, and so does ours."""
    notes: list[str] = []
    source = Source("x.yaml", f"{INIT}---\n{OTHERS}---\n{CLUSTER}".encode())
    read_init(source, InitFlags(), world(notes))
    assert "x.yaml: Site of tools.example.com/v1 is not read here" in notes
    with pytest.raises(ConfigError, match='"Site" is not known'):
        read_all(source, world())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (OTHERS, "x.yaml:1:1: the file holds no InitConfiguration or ClusterConfiguration"),
        (OTHERS.replace("tools.example.com/", "") + f"---\n{CLUSTER}", '"Site" is not known'),
        (OTHERS.replace("Site", "KubeletConfiguration") + f"---\n{CLUSTER}", "is not known for KubeletConfiguration"),
        (OTHERS.replace("tools.example.com/v1", "kubeadm.k8s.io/v1beta4") + f"---\n{CLUSTER}", '"Site" is not known'),
    ],
)
def test_what_may_be_meant_for_us_is_not_taken_for_others(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_init(Source("x.yaml", text.encode()), InitFlags(), world())
    assert sentence in str(caught.value)


@pytest.mark.parametrize("names", [("all", "Swap"), ("ALL", "numcpu")])
def test_all_preflight_checks_and_single_ones_exclude_each_other(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="--ignore-preflight-errors: all stands for every check"):
        read_init(None, InitFlags(kubernetes_version="v1.36.2", ignore_preflight_errors=names), replace(world(), phases=tuple))


FILE = "discovery: {file: {kubeConfigPath: /etc/passwd}, tlsBootstrapToken: abcdef.0123456789abcdef}\n"


def test_all_beside_other_checks_in_a_file_is_reported_with_its_place_and_the_other_problems() -> None:
    text = f"""{JOIN}{FILE}nodeRegistration:
  ignorePreflightErrors: [all, Swap]
  imagePullPolicy: Sometimes
"""
    with pytest.raises(ConfigError) as caught:
        read_join(Source("x.yaml", text.encode()), JoinFlags(), replace(world(), phases=tuple))
    assert [str(problem).partition(": ")[0] for problem in caught.value.problems] == ["x.yaml:5:26", "x.yaml:6:20"]


def join_phases() -> tuple[str, ...]:
    return ("preflight", "kubelet-start")


def init_phases() -> tuple[str, ...]:
    return ("addon", "addon/coredns")


def test_phases_to_skip_that_do_not_exist_are_reported_with_their_place() -> None:
    text = f"{JOIN}{FILE}skipPhases: [preflight, prefligth, nothing]\n"
    with pytest.raises(ConfigError) as caught:
        read_join(Source("x.yaml", text.encode()), JoinFlags(), replace(world(), phases=join_phases))
    assert [str(problem) for problem in caught.value.problems] == [
        'x.yaml:4:25: skipPhases[1]: there is no phase "prefligth"; did you mean "preflight"?',
        'x.yaml:4:36: skipPhases[2]: there is no phase "nothing"; the phases are preflight, kubelet-start',
    ]


@pytest.mark.parametrize("source", [None, Source("x.yaml", f"{JOIN}{FILE}".encode())])
def test_a_flag_with_a_phase_that_does_not_exist_is_reported_before_anybody_is_asked(source: Source | None) -> None:
    given = {} if source else {"discovery_file": "/etc/passwd"}
    with pytest.raises(ConfigError, match=r'^--skip-phases: there is no phase "nope"; the phases are'):
        read_join(source, JoinFlags(skip_phases=("nope",), **given), replace(world(), phases=join_phases))
    flags = InitFlags(kubernetes_version="v1.36.2", skip_phases=("addon/coredn",))
    with pytest.raises(ConfigError, match=r'^--skip-phases: there is no phase "addon/coredn"; did you mean "addon/coredns"\?'):
        read_init(None, flags, replace(world(), phases=init_phases))


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("https://10.0.0.1:6443", "is a URL; give host and port alone"),
        ("http://api", "is a URL; give host and port alone"),
        ("fd00::1:6443", "needs brackets around the IPv6 address"),
        ("10.0.0.1", "needs a port"),
    ],
)
def test_an_endpoint_that_is_none_is_reported_what_is_wrong_with_it(endpoint: str, sentence: str) -> None:
    flags = JoinFlags(api_server_endpoint=endpoint, token=TOKEN, discovery_token_ca_cert_hash=(f"sha256:{'0' * 64}",))
    with pytest.raises(ConfigError, match=f'^API server endpoint: "{re.escape(endpoint)}" {sentence}'):
        read_join(None, flags, world())
