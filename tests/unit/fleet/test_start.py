"""`cluster init` prints a file that can be used."""

from __future__ import annotations

import pytest

from pykubeadm.config.host import ANY_HOST
from pykubeadm.config.read_fleet import read_fleet
from pykubeadm.config.reading import Environment
from pykubeadm.config.source import Source
from pykubeadm.config.versions import NEWEST_KNOWN
from pykubeadm.errors import UsageError
from pykubeadm.fleet.start import starting_file


def read(text: str):
    environment = Environment(host=ANY_HOST, new_token=lambda: "abcdef.0123456789abcdef")
    return read_fleet(Source("cluster.yaml", text.encode()), environment)


@pytest.mark.parametrize(
    ("places", "control_planes"),
    [(["10.0.0.1"], 1), (["root@10.0.0.1:2222", "web.example.com"], 1), (["a", "b", "c", "d"], 3)],
)
def test_the_file_is_good_and_has_each_host(places, control_planes):
    fleet = read(starting_file(places, control_planes, NEWEST_KNOWN))
    assert len(fleet.cluster.hosts) == len(places)
    assert len(fleet.cluster.having("control-plane")) == control_planes
    assert fleet.configuration.cluster.kubernetes_version == NEWEST_KNOWN


def test_user_port_and_names_are_taken_from_what_is_given():
    first, second, third = read(
        starting_file(["root@10.0.0.1:2222", "Web.example.com", "[fd00::1]:22"], 1, NEWEST_KNOWN)
    ).cluster.hosts
    assert (first.name, first.address, first.ssh.user, first.ssh.port) == ("control1", "10.0.0.1", "root", 2222)
    assert second.name == "web.example.com"
    assert (third.name, third.address) == ("worker2", "fd00::1")


@pytest.mark.parametrize("name", ["123", "no", "null", "1e3", "12:30", "true@y", "off@Yes", "0x1f"])
def test_names_that_yaml_would_take_for_something_else_stay_text(name):
    assert read(starting_file([name], 1, NEWEST_KNOWN)).cluster.hosts


@pytest.mark.parametrize(
    ("places", "control_planes", "sentence"),
    [
        (["a", "a"], 1, "given twice"),
        (["a"], 2, "2 of 1 hosts"),
        (["a b"], 1, "is not .user@.host"),
        (["a_b"], 1, "not a DNS name"),
        (["root@h1", "admin@h1"], 1, "h1 is given twice"),
        (["a,b@h"], 1, "is not a user name"),
        (["h:0"], 1, "0 is not a port"),
        (["h:99999"], 1, "99999 is not a port"),
    ],
)
def test_what_is_no_host_is_refused(places, control_planes, sentence):
    with pytest.raises(UsageError, match=sentence):
        starting_file(places, control_planes, NEWEST_KNOWN)
