"""Flags of name=value pairs, against the command lines and refusals of `kubeadm init phase control-plane NAME` v1.36.2."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pykubeadm.cli.main import cli
from pykubeadm.cli.options import flattened, option
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.model import ClusterConfiguration
from pykubeadm.config.read_init import read_init
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from pykubeadm.util.yaml_output import to_yaml
from tests.unit.config.texts import CLUSTER, HOST, world

FLAGS = {
    "apiserver-extra-args": "apiServer",
    "controller-manager-extra-args": "controllerManager",
    "scheduler-extra-args": "scheduler",
}


def configured(flag: str, *mentions: str) -> ClusterConfiguration:
    """What `init` reads where the flag is given as often as there are mentions."""
    given: dict[str, Any] = {}
    command = click.Command("init", params=[option(flag)], callback=lambda **values: given.update(values))
    command.main([word for mention in mentions for word in (f"--{flag}", mention)], standalone_mode=False)
    values = {name: flattened(value) for name, value in given.items()}
    return read_init(None, InitFlags(kubernetes_version="v1.36.2", **values), world())[1].cluster


def arguments(cluster: ClusterConfiguration, flag: str) -> list[tuple[str, str]]:
    document: dict[str, Any] = cluster.document()
    return [(item["name"], item.get("value", "")) for item in document[FLAGS[flag]].get("extraArgs", ())]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize(
    ("mentions", "pairs"),
    [
        (["x=https://a,x=https://b"], [("x", "https://a"), ("x", "https://b")]),
        (["x=1", "x=2"], [("x", "1"), ("x", "2")]),
        (["y=2,x=1"], [("y", "2"), ("x", "1")]),
        (["y=1,x=2", "y=0"], [("y", "1"), ("x", "2"), ("y", "0")]),
        (["x=1,x=1"], [("x", "1"), ("x", "1")]),
        (["x="], [("x", "")]),
        (["x= 1 "], [("x", " 1 ")]),
        (['x="1"'], [("x", '"1"')]),
        (['"x=1"'], [('"x', '1"')]),
        (["x=#1"], [("x", "#1")]),
        ([r"x=\,y=1"], [("x", "\\"), ("y", "1")]),
    ],
)
def test_every_pair_is_kept_in_its_order(flag: str, mentions: list[str], pairs: list[tuple[str, str]]) -> None:
    assert arguments(configured(flag, *mentions), flag) == pairs


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize(
    "mentions", [[""], [","], ["x=1,"], ["x"], ["x=1", "y"], ["x=Node,RBAC"], ["x=A=true"], ["x=A=true,B=false"], ["=1"]]
)
def test_what_is_no_pair_is_refused_with_its_flag(flag: str, mentions: list[str]) -> None:
    with pytest.raises(ConfigError, match=rf"^--{flag}: "):
        configured(flag, *mentions)


NAMES = st.text("abc-", min_size=1, max_size=4).filter(lambda name: not name.startswith("-"))
VALUES = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters=",="), max_size=6)
MENTIONS = st.lists(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3), min_size=1, max_size=3)


@given(st.sampled_from(sorted(FLAGS)), MENTIONS)
def test_flags_and_file_say_the_same(flag: str, mentions: list[list[tuple[str, str]]]) -> None:
    given_by_flags = configured(flag, *(",".join(f"{name}={value}" for name, value in pairs) for pairs in mentions))
    in_file = {FLAGS[flag]: {"extraArgs": [{"name": name, "value": value} for pairs in mentions for name, value in pairs]}}
    source = Source("x.yaml", (CLUSTER + to_yaml(in_file)).encode())
    assert given_by_flags == read_init(source, InitFlags(), world())[1].cluster


def test_the_component_is_started_with_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pykubeadm.commands.init.begin.host_facts", lambda _node: HOST)
    mentions = ["--scheduler-extra-args", "leader-elect=false,v=2", "--scheduler-extra-args", "leader-elect=true"]
    result = CliRunner().invoke(
        cli, ["init", "phase", "control-plane", "scheduler", "--dry-run", "--kubernetes-version", "v1.36.2", *mentions]
    )
    words = [line.removeprefix("    |     - ") for line in result.stdout.splitlines() if line.startswith("    |     - --")]
    assert words[-4:] == ["--kubeconfig=/etc/kubernetes/scheduler.conf", "--leader-elect=false", "--v=2", "--leader-elect=true"]


@pytest.mark.parametrize(
    ("mentions", "gates"),
    [
        (["NodeLocalCRISocket=true", "PublicKeysECDSA=true"], {"NodeLocalCRISocket": True, "PublicKeysECDSA": True}),
        (["NodeLocalCRISocket=T,"], {"NodeLocalCRISocket": True}),
        ([" NodeLocalCRISocket = 1 "], {"NodeLocalCRISocket": True}),
        (["", ","], {}),
        (["NodeLocalCRISocket=false", "NodeLocalCRISocket=true"], {"NodeLocalCRISocket": True}),
    ],
)
def test_every_mention_of_feature_gates_counts(mentions: list[str], gates: dict[str, bool]) -> None:
    assert configured("feature-gates", *mentions).feature_gates == gates


@pytest.mark.parametrize(
    "mentions",
    [
        ["NodeLocalCRISocket=true", "Foo=true"],
        ["Foo=true", "NodeLocalCRISocket=true"],
        ["NodeLocalCRISocket"],
        ["NodeLocalCRISocket=yes"],
        ["NodeLocalCRISocket="],
        ["NodeLocalCRISocket=true=false"],
        ["=true"],
    ],
)
def test_what_is_no_feature_gate_is_refused_with_its_flag(mentions: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^--feature-gates: "):
        configured("feature-gates", *mentions)
    words = [word for mention in mentions for word in ("--feature-gates", mention)]
    result = CliRunner().invoke(cli, ["config", "images", "list", "--kubernetes-version", "v1.36.2", *words])
    assert str(result.exception).startswith("--feature-gates: ")
