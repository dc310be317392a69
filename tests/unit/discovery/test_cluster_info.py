"""Discovery against a TLS server that answers as an API server does, or as something else."""

import base64
import json
import socket
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from pykubeadm.discovery.anonymous import ClockError, ask
from pykubeadm.discovery.cluster_info import CLUSTER_INFO, Cluster, discover_by_token, refresh_from_file
from pykubeadm.errors import ApiError
from pykubeadm.kubeconfig.document import cluster_only_kubeconfig
from pykubeadm.pki.issue import encode_certificate
from pykubeadm.pki.sans import Names
from pykubeadm.tokens.bootstrap import Token
from pykubeadm.tokens.jws import sign_detached
from pykubeadm.tokens.pin import pin_of
from tests.support.servers import NOW, authority, ca_pem, serving

TOKEN = Token("abcdef", "0123456789abcdef")


def config_map(server: str, *, token: Token = TOKEN, ca: bytes | None = None, **data: str) -> bytes:
    kubeconfig = cluster_only_kubeconfig(server, ca or ca_pem())
    signatures = {f"jws-kubeconfig-{token.id}": sign_detached(kubeconfig, token)}
    return json.dumps(
        {"kind": "ConfigMap", "apiVersion": "v1", "data": {"kubeconfig": kubeconfig, **signatures, **data}}
    ).encode()


def status(code: int, message: str) -> tuple[int, bytes]:
    return code, json.dumps({"kind": "Status", "status": "Failure", "message": message, "code": code}).encode()


def discover(endpoint: str, *, token: Token = TOKEN, pins=None, timeout=0.0, now=NOW, report=lambda _reason: None) -> Cluster:
    pins = [pin_of(authority().certificate)] if pins is None else pins
    return discover_by_token(endpoint, token, pins, timeout=timedelta(seconds=timeout), now=lambda: now, report=report)


def refusal(endpoint: str, **options) -> str:
    with pytest.raises(ApiError) as error:
        discover(endpoint, **options)
    return str(error.value)


def test_a_signed_cluster_with_the_pinned_ca_is_found():
    with serving() as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert discover(server.endpoint) == Cluster(f"https://{server.endpoint}", ca_pem())
        assert server.asked == ["/api/v1/namespaces/kube-public/configmaps/cluster-info"] * 2


def test_pins_may_be_in_capitals_and_one_of_several_is_enough():
    with serving() as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        pin = pin_of(authority().certificate)
        found = discover(server.endpoint, pins=["sha256:" + "0" * 64, "sha256:" + pin.removeprefix("sha256:").upper()])
    assert found.ca == ca_pem()


def test_another_ca_than_the_pinned_one_is_refused():
    with serving() as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        said = refusal(server.endpoint, pins=["sha256:" + "0" * 64])
    assert pin_of(authority().certificate) in said
    assert "token create --print-join-command" in said


def test_without_pins_the_signature_alone_is_trusted():
    with serving() as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert discover(server.endpoint, pins=[]).ca == ca_pem()


def test_a_wrong_secret_is_not_an_expired_token():
    with serving() as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        said = refusal(server.endpoint, token=Token("abcdef", "f" * 16))
        assert "not signed with this token" in said
        assert "f" * 16 not in said
        said = refusal(server.endpoint, token=Token("ffffff", "0123456789abcdef"))
        assert "ffffff has expired or was deleted" in said
        assert "pykubeadm token create" in said


@pytest.mark.parametrize("tamper", [lambda text: text + " ", lambda text: text.replace("server:", "server: ")])
def test_the_signature_holds_to_the_byte(tamper):
    with serving() as server:
        document = json.loads(config_map(f"https://{server.endpoint}"))
        document["data"]["kubeconfig"] = tamper(document["data"]["kubeconfig"])
        server.answers = [(200, json.dumps(document).encode())]
        assert "not signed with this token" in refusal(server.endpoint)


def test_a_signature_that_comes_late_is_waited_for():
    with serving() as server:
        signed = config_map(f"https://{server.endpoint}")
        unsigned = json.loads(signed)
        del unsigned["data"]["jws-kubeconfig-abcdef"]
        server.answers = [(200, json.dumps(unsigned).encode()), (200, signed)]
        reasons: list[str] = []
        discover(server.endpoint, timeout=10, report=reasons.append)
    assert len(reasons) == 1
    assert "no signature" in reasons[0]


def test_an_endpoint_that_is_still_starting_is_waited_for():
    with serving() as server:
        good = config_map(f"https://{server.endpoint}")
        server.answers = [(503, b"<html>no server is available"), status(500, "etcdserver: leader changed"), (200, good)]
        reasons: list[str] = []
        discover(server.endpoint, timeout=10, report=reasons.append)
    assert len(reasons) == 2


def test_what_changes_between_the_two_requests_is_refused():
    with serving() as server:
        first, second = (config_map(f"https://{name}:6443") for name in ("one", "two"))
        server.answers = [(200, first), (200, second)]
        assert "changed between two requests" in refusal(server.endpoint)


def test_a_server_with_another_ca_is_refused_in_the_second_request():
    with serving(ca=authority("other")) as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        said = refusal(server.endpoint)
    assert "did not sign" in said


def test_a_name_that_is_not_in_the_certificate_is_reported():
    with serving(names=Names(dns=("kubernetes",))) as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert "certSANs" in refusal(server.endpoint)


def test_a_clock_that_is_behind_is_reported_from_a_certificate_that_is_not_valid_yet():
    begin = NOW + timedelta(days=3)
    with serving(begin=begin, end=begin + timedelta(days=9), date=begin) as server:
        with pytest.raises(ClockError, match="clock is 3 days behind"):  # which leads to a question without trust
            ask(f"https://{server.endpoint}", CLUSTER_INFO, ca_pem(), NOW)
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert "clock is 3 days behind" in refusal(server.endpoint)


def test_an_expired_certificate_is_no_clock_problem():
    with serving(begin=NOW - timedelta(days=2), end=NOW - timedelta(hours=1)) as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert "kubeadm certs renew apiserver" in refusal(server.endpoint)


@pytest.mark.parametrize(("ahead", "said"), [(-25, "25 minutes ahead of"), (25, "25 minutes behind")])
def test_skewed_clocks_are_reported_though_certificates_still_hold(ahead, said):
    with serving(date=NOW + timedelta(minutes=ahead)) as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert said in refusal(server.endpoint)


def test_a_minute_of_skew_does_no_harm():
    with serving(date=NOW + timedelta(minutes=1)) as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        assert discover(server.endpoint).ca == ca_pem()


def test_a_closed_port_is_reported():
    assert "connection refused" in refusal("127.0.0.1:1")


def test_a_name_that_does_not_exist_is_reported():
    assert "cannot be resolved" in refusal("no-such-host.invalid:6443")


def test_a_port_without_tls_is_reported():
    with serving(plain=True) as server:
        assert "does not speak TLS" in refusal(server.endpoint, timeout=60)


def test_another_service_behind_tls_is_reported_at_once():
    with serving() as server:
        server.answers = [(404, b"404 page not found")]
        assert 'answers with status 404 and "404 page not found"' in refusal(server.endpoint, timeout=60)


def test_a_cluster_without_cluster_info_is_reported():
    with serving() as server:
        server.answers = [status(404, 'configmaps "cluster-info" not found')]
        assert "init phase bootstrap-token" in refusal(server.endpoint)


def test_anonymous_requests_that_are_forbidden_are_reported():
    with serving() as server:
        server.answers = [status(403, "configmaps is forbidden")]
        assert "--discovery-file" in refusal(server.endpoint)


def test_a_cluster_that_is_just_being_made_is_waited_for():
    """Nodes reported to join while `init` runs on the first find an API server that has not published cluster-info yet."""
    with serving() as server:
        server.answers = [status(403, "forbidden"), status(404, "not found"), (200, config_map(f"https://{server.endpoint}"))]
        reasons: list[str] = []
        discover(server.endpoint, timeout=10, report=reasons.append)
    assert len(reasons) == 2


@pytest.mark.parametrize(("age", "waits"), [(timedelta(minutes=1), True), (timedelta(hours=1), False)])
def test_the_first_signature_of_a_young_cluster_is_waited_for(monkeypatch, age, waits):
    """By the server's clock, whatever ours says; in an old cluster a token without a signature has gone."""
    monkeypatch.setattr("pykubeadm.discovery.cluster_info._SIGNATURE", timedelta())
    served_at = NOW + timedelta(minutes=3)
    with serving(date=served_at) as server:
        signed = config_map(f"https://{server.endpoint}")
        unsigned = json.loads(signed)
        del unsigned["data"]["jws-kubeconfig-abcdef"]
        unsigned["metadata"] = {"creationTimestamp": (served_at - age).strftime("%Y-%m-%dT%H:%M:%SZ")}
        server.answers = [(200, json.dumps(unsigned).encode()), (200, signed)]
        if waits:
            assert discover(server.endpoint, timeout=300).ca == ca_pem()
        else:
            assert "expired or was deleted" in refusal(server.endpoint, timeout=300)


def test_a_load_balancer_with_nothing_behind_it_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_the_next() -> None:
            listener.accept()[0].close()

        closing = threading.Thread(target=close_the_next)
        closing.start()
        said = refusal(f"127.0.0.1:{listener.getsockname()[1]}")
        closing.join()
    assert "no API server behind it" in said


def refresh(cluster: Cluster) -> Cluster:
    return refresh_from_file(cluster, timeout=timedelta(), now=lambda: NOW, report=lambda _reason: None)


def test_a_discovery_file_is_trusted_where_cluster_info_is_forbidden():
    with serving() as server:
        server.answers = [status(403, "forbidden")]
        cluster = Cluster(f"https://{server.endpoint}", ca_pem())
        assert refresh(cluster) == cluster


def test_the_ca_of_a_discovery_file_has_to_fit():
    with serving() as server, pytest.raises(ApiError, match="did not sign"):
        refresh(Cluster(f"https://{server.endpoint}", encode_certificate(authority("other").certificate)))


def test_a_file_without_a_ca_gets_cluster_infos_and_trusts_nobody_else_then():
    with serving() as server:
        server.answers = [(200, config_map(f"https://{server.endpoint}"))]
        named = Cluster(f"https://{server.endpoint}", b"", insecure=True)
        assert refresh(named) == Cluster(f"https://{server.endpoint}", ca_pem())


@pytest.mark.parametrize("answer", [status(403, "forbidden"), (200, b'{"kind": "ConfigMap", "data": {}}')])
def test_without_any_ca_it_is_refused(answer):
    with serving() as server:
        server.answers = [answer]
        with pytest.raises(ApiError, match=r"names no certificate authority, and cluster-info of .* does not give one"):
            refresh(Cluster(f"https://{server.endpoint}", b"", insecure=True))


def test_the_certificate_may_be_for_another_name():
    with serving(names=Names(dns=("kubernetes",))) as server:
        server.answers = [status(403, "forbidden")]
        cluster = Cluster(f"https://{server.endpoint}", ca_pem(), server_name="kubernetes")
        assert refresh(cluster) == cluster
        with pytest.raises(ApiError, match="the API server's certificate is not for other"):
            refresh(replace(cluster, server_name="other"))


def test_a_proxy_of_a_discovery_file_that_cannot_be_used_is_named():
    with pytest.raises(ApiError, match="the proxy socks5://p for api:6443 cannot be used: only HTTP proxies are supported"):
        refresh(Cluster("https://api:6443", ca_pem(), proxy="socks5://p"))


def test_the_ca_of_a_discovery_file_has_to_be_one():
    with pytest.raises(ApiError, match=r"the CA by which 10\.0\.0\.1:6443 is to be known holds no certificate"):
        refresh(Cluster("https://10.0.0.1:6443", b"nonsense"))


def test_damaged_cluster_info_is_reported():
    with serving() as server:
        kubeconfig = "clusters: [{cluster: 5}]\n"
        data = {"kubeconfig": kubeconfig, "jws-kubeconfig-abcdef": sign_detached(kubeconfig, TOKEN)}
        server.answers = [(200, json.dumps({"kind": "ConfigMap", "data": data}).encode())]
        assert "has a whole number for clusters[0].cluster where a mapping must be" in refusal(server.endpoint)


@pytest.mark.parametrize("data", [None, [], "x", {"kubeconfig": 5}, {"kubeconfig": {}}, {"kubeconfig": "\ud800"}])
def test_cluster_info_of_another_shape_holds_no_kubeconfig(data):
    with serving() as server:
        server.answers = [(200, json.dumps({"kind": "ConfigMap", "data": data}).encode())]
        assert "holds no kubeconfig" in refusal(server.endpoint)
        server.answers = [(200, config_map(f"https://{server.endpoint}")), *server.answers]
        assert "changed between two requests" in refusal(server.endpoint)
        server.answers = [(200, b'{"kind":' + b"[" * 100_000)]
        assert "is not an API server's endpoint" in refusal(server.endpoint)


def test_a_ca_that_is_no_certificate_is_reported():
    with serving() as server:
        kubeconfig = cluster_only_kubeconfig("https://x:6443", b"nonsense")
        assert base64.b64encode(b"nonsense").decode() in kubeconfig
        data = {"kubeconfig": kubeconfig, "jws-kubeconfig-abcdef": sign_detached(kubeconfig, TOKEN)}
        server.answers = [(200, json.dumps({"kind": "ConfigMap", "data": data}).encode())]
        assert "holds no certificate in PEM form" in refusal(server.endpoint)


@pytest.mark.parametrize("server", ["https://cp1:port", "cp1:6443", "https://"])
def test_a_discovery_file_with_no_server_s_url_is_refused(server):
    with pytest.raises(ApiError) as caught:
        refresh_from_file(Cluster(server, ca_pem()), timeout=timedelta(), now=lambda: NOW, report=lambda _reason: None)
    assert str(caught.value) == f'"{server}" is not the URL of a server, which looks like https://10.0.0.1:6443'
