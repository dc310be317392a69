"""The command line of `join`: kubeadm's, with the endpoint before or after the flags."""

import click
import pytest
from click.testing import CliRunner

from pykubeadm.cli.join import join
from pykubeadm.cli.lazy import Globals
from pykubeadm.config.host import HostFacts
from pykubeadm.config.join_flags import JoinFlags
from pykubeadm.config.read_join import read_join
from pykubeadm.config.reading import Environment
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError

TOKEN = "abcdef.0123456789abcdef"
PIN = f"sha256:{'a' * 64}"
HOST = HostFacts("n1", default_ipv4="10.0.0.9", cri_sockets=("unix:///run/x.sock",))


def parsed(*words: str) -> dict:
    ctx = join.make_context("join", list(words), obj=Globals())
    return ctx.params


def read(*, source: Source | None = None, notes: list | None = None, **flags: object):
    world = Environment(host=HOST, new_token=lambda: TOKEN, note=(notes if notes is not None else []).append)
    return read_join(source, JoinFlags(**flags), world)


@pytest.mark.parametrize("words", [("10.0.0.1:6443", "--token", TOKEN), ("--token", TOKEN, "10.0.0.1:6443")])
def test_the_endpoint_may_stand_before_or_after_the_flags(words):
    found = parsed(*words)
    assert (found["api_server_endpoint"], found["token"]) == ("10.0.0.1:6443", TOKEN)


def test_two_endpoints_are_one_too_many():
    with pytest.raises(click.UsageError, match="one API server endpoint is enough"):
        parsed("10.0.0.1:6443", "10.0.0.2:6443")


def test_an_unknown_flag_after_the_endpoint_is_reported():
    with pytest.raises(click.NoSuchOption):
        parsed("10.0.0.1:6443", "--tokn", TOKEN)


def test_the_help_lists_the_phases_but_the_hidden_one():
    shown = CliRunner().invoke(join, ["--help"], obj=Globals()).output
    assert "[API-SERVER-ENDPOINT]" in shown
    assert "kubelet-wait-bootstrap" in shown
    assert "check-etcd" not in shown


@pytest.mark.parametrize("phase", [("preflight",), ("control-plane-prepare", "all"), ("kubelet-start",)])
def test_phases_that_discover_take_the_endpoint_too(phase):
    shown = CliRunner().invoke(join, ["phase", *phase, "--help"], obj=Globals()).output
    assert "[API_SERVER_ENDPOINT]" in shown
    assert "--discovery-token-ca-cert-hash" in shown


def test_one_token_is_both():
    found = read(api_server_endpoint="10.0.0.1:6443", token=TOKEN, discovery_token_ca_cert_hash=(PIN,)).discovery
    assert found.bootstrap_token is not None
    assert (found.bootstrap_token.token, found.tls_bootstrap_token) == (TOKEN, TOKEN)


def test_a_discovery_file_takes_the_token_for_tls_bootstrap():
    found = read(discovery_file="/root/x.conf", token=TOKEN).discovery
    assert found.bootstrap_token is None
    assert found.tls_bootstrap_token == TOKEN


def test_workers_get_no_taint_and_control_planes_theirs():
    flags = {"api_server_endpoint": "10.0.0.1:6443", "token": TOKEN, "discovery_token_ca_cert_hash": (PIN,)}
    assert read(**flags).node_registration.taints is None
    found = read(**flags, control_plane=True)
    assert [taint.key for taint in found.node_registration.taints or ()] == ["node-role.kubernetes.io/control-plane"]
    assert found.control_plane.local_api_endpoint.advertise_address == "10.0.0.9"


def test_flags_of_control_planes_without_control_plane_are_a_warning_as_in_kubeadm():
    notes: list[str] = []
    found = read(
        api_server_endpoint="10.0.0.1:6443",
        token=TOKEN,
        discovery_token_ca_cert_hash=(PIN,),
        certificate_key="a" * 64,
        notes=notes,
    )
    assert found.control_plane is None
    assert notes == ["--certificate-key means nothing without --control-plane: this node joins as a worker"]


def test_no_cluster_is_reported_with_what_to_do():
    with pytest.raises(ConfigError, match="token create --print-join-command"):
        read(token=TOKEN)


def test_every_wrong_value_is_reported_with_its_flag():
    with pytest.raises(ConfigError) as error:
        read(api_server_endpoint="10.0.0.1", token="no", discovery_token_ca_cert_hash=("md5:1",), node_name="A_B")
    said = str(error.value)
    for part in ("API server endpoint: ", "--token: ", "--discovery-token-ca-cert-hash: ", "--node-name: "):
        assert part in said


FILE = f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {{apiServerEndpoint: "10.0.0.1:6443", token: {TOKEN}, caCertHashes: ["{PIN}"]}}
"""


def test_beside_a_file_only_kubeadms_flags_stand():
    source = Source("join.yaml", FILE.encode())
    found = read(source=source, node_name="other", dry_run=True, ignore_preflight_errors=("Swap",))
    assert (found.node_registration.name, found.dry_run) == ("other", True)
    assert found.node_registration.ignore_preflight_errors == ("swap",)
    with pytest.raises(ConfigError) as error:
        read(source=source, token=TOKEN, control_plane=True)
    assert "--token: cannot be given together with --config" in str(error.value)
    assert "--control-plane: cannot be given together with --config" in str(error.value)
