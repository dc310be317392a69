"""Properties of reading configurations: no text breaks the reader, and what is printed reads back as the same."""

from __future__ import annotations

import string
from dataclasses import fields

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pykubeadm.config.load import load
from pykubeadm.config.model import Model, field_alias
from pykubeadm.config.read_all import read_all
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, Problem
from pykubeadm.util.yaml_output import to_yaml
from tests.unit.config.texts import CLUSTER, DISCOVERY, INIT, JOIN, KUBE_PROXY, KUBELET, RESET, UPGRADE, old, world

FULL = f"""{INIT}bootstrapTokens:
- {{token: abcdef.0123456789abcdef, ttl: 2h, usages: [signing, authentication]}}
localAPIEndpoint: {{advertiseAddress: 10.0.0.5, bindPort: 7443}}
nodeRegistration:
  name: cp1
  taints: []
  kubeletExtraArgs: [{{name: v, value: "4"}}]
timeouts: {{discovery: 1m30s}}
---
{CLUSTER}controlPlaneEndpoint: api.example.com
networking: {{podSubnet: "10.244.0.0/16,fd00:10:244::/56", serviceSubnet: "10.96.0.0/16,fd00:10:96::/112"}}
apiServer:
  certSANs: ["*.example.com", fd00::9]
  extraArgs: [{{name: a, value: b}}, {{name: a, value: c}}]
  extraVolumes: [{{name: logs, hostPath: /var/log/x, mountPath: /var/log/x, pathType: DirectoryOrCreate}}]
  extraEnvs: [{{name: A, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}]
etcd: {{local: {{dataDir: /data, serverCertSANs: [etcd.example.com]}}}}
---
{KUBELET}maxPods: 42
---
{KUBE_PROXY}mode: nftables
"""
EXAMPLES = [
    FULL,
    f"{JOIN}{DISCOVERY}controlPlane: {{}}\n",
    f"{old(CLUSTER)}apiServer: {{extraArgs: {{v: '1'}}, timeoutForControlPlane: 5m}}\n",
    f"{RESET}---\n{UPGRADE}apply: {{etcdUpgrade: false}}\n",
]


def read(text: bytes) -> list[Model]:
    return read_all(Source("x.yaml", text), world())


def printed(models: list[Model]) -> str:
    return "---\n".join(to_yaml(model.document()) for model in models)


def outcome(content: bytes) -> None:
    """Reading ends in models or in problems, each of one line and inside of the file."""
    try:
        read(content)
        problems: tuple[Problem, ...] = ()
    except ConfigError as error:
        problems = error.problems
    lines = len(content.decode("utf-8", "replace").splitlines()) + 1
    for problem in problems:
        assert 0 <= problem.line <= lines
        assert problem.sentence
        assert len(str(problem).splitlines()) == 1


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    outcome(content)


@given(st.text(max_size=200))
@example("a: &a\n  <<: *a")
@example("? ? a")
@example("\u2028")
@example("{1: 2, '1': 3}")
@example("a: !!int 1\n--- !!map {}")
def test_any_text(text: str) -> None:
    outcome(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(st.sampled_from(EXAMPLES), st.data())
def test_mutated_configurations(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    inserted = data.draw(st.text(alphabet=string.printable + "é\u0085\ufeff", max_size=12))
    outcome(f"{text[:start]}{inserted}{text[end:]}".encode())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.0/8", "1h", "a.b", "/x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    kind: sorted(field_alias(field.name) for field in fields(model))
    for kind, model in {cls.__name__: cls for cls in (type(found) for text in EXAMPLES for found in read(text.encode()))}.items()
}


@settings(max_examples=300)
@given(st.data(), st.sampled_from(sorted(FIELDS)), st.sampled_from(["v1beta3", "v1beta4"]))
def test_any_value_in_any_field(data: st.DataObject, kind: str, version: str) -> None:
    fields = data.draw(st.dictionaries(st.sampled_from(FIELDS[kind]), VALUES, max_size=4))
    document = {"apiVersion": f"kubeadm.k8s.io/{version}", "kind": kind, **fields}
    outcome(yaml.safe_dump(document).encode())


@given(st.sampled_from(EXAMPLES))
def test_what_is_printed_reads_back_as_the_same(text: str) -> None:
    models = read(text.encode())
    again = read(printed(models).encode())
    assert again == models
    assert printed(again) == printed(models)


PLAIN = st.text(alphabet=string.ascii_letters + string.digits, min_size=1, max_size=6)
TREES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3), max_leaves=12)


@given(st.dictionaries(PLAIN, TREES, max_size=4), st.booleans())
def test_positions_are_where_the_values_stand(tree: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump({"apiVersion": "a/b", "kind": "K", "tree": tree}, default_flow_style=flow, default_style='"')
    documents, problems = load(Source("x.yaml", text.encode()))
    assert problems == []
    lines = text.split("\n")

    def check(value: object, path: tuple[str | int, ...]) -> None:
        line, column = documents[0].positions[path]
        if isinstance(value, str):
            assert lines[line - 1][column - 1 :].startswith(f'"{value}"')
        elif isinstance(value, dict):
            for key, item in value.items():
                check(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                check(item, (*path, index))

    check(documents[0].data, ())
    assert documents[0].data["tree"] == tree
