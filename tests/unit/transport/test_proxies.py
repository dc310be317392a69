"""The environment's proxies."""

import pytest

from pykubeadm.transport.proxies import proxy_for, without_password


@pytest.mark.parametrize(
    ("host", "no_proxy", "proxied"),
    [
        ("10.0.0.9", "", True),
        ("10.0.0.9", "10.0.0.9", False),
        ("10.0.0.9", "localhost, 10.0.0.0/8", False),
        ("10.0.0.9", "192.168.0.0/16,fd00::/8", True),
        ("fd00::9", "fd00::/8", False),
        ("10.0.0.9", "*", False),
        ("127.0.0.1", "", False),
        ("localhost", "", False),
        ("k8s.example.org", "example.org", False),
        ("k8s.example.org", ".example.org", False),
        ("k8s.example.org", "*.example.org", False),
        ("example.org", "example.org", False),
        ("example.org", ".example.org", True),
        ("notexample.org", "example.org", True),
        ("10.0.0.9", "10.0.0.9:6443", False),
        ("10.0.0.9", "10.0.0.9:443", True),
        pytest.param("10.0.0.9", f"10.0.0.9:{'9' * 5000}", True, id="a port with 5000 digits"),
        ("fd00::9", "[fd00::9]:6443", False),
        ("k8s.example.org", "example.org:6443", False),
        ("k8s.example.org", "example.org:443", True),
    ],
)
def test_proxies_are_those_that_go_chooses(host, no_proxy, proxied):
    environment = {"https_proxy": "http://proxy:3128", "NO_PROXY": no_proxy}
    assert proxy_for(host, environment, 6443) == ("http://proxy:3128" if proxied else "")
    assert proxy_for(host, {"http_proxy": "http://proxy:3128"}, 6443) == ""


def test_a_password_is_not_reported_even_where_it_is_written_wrong():
    assert without_password("http://jane:pass@word@proxy:3128") == "http://proxy:3128"
    assert without_password("jane:pass//word@proxy:3128") == "proxy:3128"
