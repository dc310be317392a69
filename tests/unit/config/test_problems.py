"""Every problem at once, each with its place and a sentence."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.read_init import read_init
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError, NodeError
from tests.unit.config.texts import (
    CLUSTER,
    DISCOVERY,
    INIT,
    JOIN,
    KUBE_PROXY,
    KUBELET,
    RESET,
    TOKEN,
    UPGRADE,
    old,
    problems,
    read_cluster,
    world,
)


def test_all_problems_of_a_file_in_its_order() -> None:
    text = f"""{CLUSTER.replace("v1.36.2", "1.36")}networking:
  podSubnet: 10.96.0.0/16
  podsubnet: x
apiServer:
  certSANs: [1, "a_b"]
  extraArgs:
  - nam: b
    value: true
etcd: {{local: {{dataDir: x}}, external: {{}}}}
---
{INIT}LocalAPIEndpoint: {{}}
nodeRegistration: {{taints: [{{key: a, effect: b}}]}}
"""
    assert problems(text) == [
        "x.yaml:3:20: kubernetesVersion: must be text (put it in quotes), not the number 1.36",
        "x.yaml:5:14: networking.podSubnet: 10.96.0.0/16 overlaps the Services' 10.96.0.0/12",
        'x.yaml:6:3: networking.podsubnet: there is no such field; did you mean "podSubnet"?',
        "x.yaml:8:14: apiServer.certSANs[0]: must be text (put it in quotes), not the number 1",
        'x.yaml:8:17: apiServer.certSANs[1]: "a_b" is not an IP address, DNS name or wildcard such as "*.example.com"',
        "x.yaml:10:5: apiServer.extraArgs[0]: an argument needs a name",
        'x.yaml:10:5: apiServer.extraArgs[0].nam: there is no such field; did you mean "name"?',
        "x.yaml:11:12: apiServer.extraArgs[0].value: must be text (put it in quotes), not true",
        "x.yaml:12:7: etcd: local and external exclude each other",
        'x.yaml:12:25: etcd.local.dataDir: "x" is not absolute; write the path from /',
        "x.yaml:12:39: etcd.external.endpoints: at least one endpoint is needed",
        'x.yaml:16:1: LocalAPIEndpoint: there is no such field; did you mean "localAPIEndpoint"?',
        'x.yaml:17:46: nodeRegistration.taints[0].effect: "b" is not known; it is one of NoSchedule, PreferNoSchedule, NoExecute',
    ]


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ("networking: {serviceSubnet: 10.96.0.0/29}", "networking.serviceSubnet", "has 8 addresses, at least 10"),
        ("networking: {serviceSubnet: 10.0.0.0/8}", "networking.serviceSubnet", "too large"),
        ("networking: {serviceSubnet: '10.0.0.0/16, fd00::/112'}", "networking.serviceSubnet", "leave out the space"),
        ("networking: {serviceSubnet: '10.0.0.0/16,10.1.0.0/16'}", "networking.serviceSubnet", "one IPv4 and one IPv6"),
        ("networking: {podSubnet: 10.244.0.0/25}", "networking.podSubnet", "smaller than the /24"),
        ("networking: {podSubnet: 'fd00::/40', serviceSubnet: 'fd01::/112'}", "networking.podSubnet", "more than 16 bits"),
        ("networking: {podSubnet: 'fd00::/48'}", "networking.podSubnet", "no IP family in common"),
        ("networking: {dnsDomain: Cluster.Local}", "networking.dnsDomain", "not a DNS name"),
        ("controlPlaneEndpoint: https://a:6443", "controlPlaneEndpoint", '"https://a:6443" is neither'),
        ("controlPlaneEndpoint: a:70000", "controlPlaneEndpoint", "not a port"),
        ("certificatesDir: pki", "certificatesDir", "not absolute"),
        ("imageRepository: https://a", "imageRepository", "not an image repository"),
        ("encryptionAlgorithm: RSA-1024", "encryptionAlgorithm", "one of RSA-2048, RSA-3072"),
        ("certificateValidityPeriod: -1h", "certificateValidityPeriod", "longer than nothing"),
        ("caCertificateValidityPeriod: 0s", "caCertificateValidityPeriod", "longer than nothing"),
        ("certificateValidityPeriod: 365d", "certificateValidityPeriod", "not a duration"),
        ("certificateValidityPeriod: 8760", "certificateValidityPeriod", "a duration in quotes"),
        ("featureGates: {Foo: true}", "featureGates.Foo", "not a feature gate"),
        ("featureGates: {NodeLocalCRISocket: false}", "featureGates.NodeLocalCRISocket", "locked to true"),
        ("apiServer: {extraVolumes: [{name: A, hostPath: /a, mountPath: /b}]}", "apiServer.extraVolumes[0].name", "not a name"),
        ("apiServer: {extraVolumes: [{name: a, hostPath: a, mountPath: /b}]}", "apiServer.extraVolumes[0].hostPath", "absolute"),
        ("apiServer: {extraVolumes: [{name: a, hostPath: /a}]}", "apiServer.extraVolumes[0].mountPath", "an absolute path"),
        (
            "apiServer: {extraVolumes: [{name: a, hostPath: /a, mountPath: /b, pathType: Dir}]}",
            "apiServer.extraVolumes[0].pathType",
            "one of DirectoryOrCreate",
        ),
        ("scheduler: {extraEnvs: [{value: x}]}", "scheduler.extraEnvs[0]", "needs a name"),
        ("scheduler: {extraEnvs: [{name: A=B}]}", "scheduler.extraEnvs[0].name", "not a name"),
        (
            "scheduler: {extraEnvs: [{name: A, valueFrom: {fieldref: {}}}]}",
            "scheduler.extraEnvs[0].valueFrom.fieldref",
            "unknown",
        ),
        ("scheduler: {extraArgs: [{name: --v, value: '1'}]}", "scheduler.extraArgs[0].name", 'without dashes before it: "v"'),
        ("etcd: {external: {endpoints: [https://a:1], certFile: /a}}", "etcd.external", "belong together"),
        ("etcd: {external: {endpoints: [http://a:1], caFile: /a}}", "etcd.external.endpoints[0]", "must use https"),
        ("etcd: {local: {imageTag: 'a b'}}", "etcd.local.imageTag", "not an image tag"),
    ],
)
def test_cluster(body: str, path: str, words: str) -> None:
    found = problems(f"{CLUSTER}{body}\n")
    assert len(found) == 1
    assert f": {path}: " in found[0]
    assert words in found[0]


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ("localAPIEndpoint: {advertiseAddress: 127.0.0.1}", "localAPIEndpoint.advertiseAddress", "cannot be reached"),
        ("localAPIEndpoint: {bindPort: 65536}", "localAPIEndpoint.bindPort", "not a port"),
        ("nodeRegistration: {name: a_b}", "nodeRegistration.name", "not a DNS name"),
        ("nodeRegistration: {criSocket: 'tcp://1.2.3.4:5'}", "nodeRegistration.criSocket", '"tcp://1.2.3.4:5" is not a socket'),
        ("nodeRegistration: {imagePullPolicy: always}", "nodeRegistration.imagePullPolicy", "one of Always"),
        ("nodeRegistration: {taints: [{effect: NoSchedule}]}", "nodeRegistration.taints[0].key", "needs a key"),
        ("nodeRegistration: {taints: [{key: /a, effect: NoSchedule}]}", "nodeRegistration.taints[0].key", "before the slash"),
        (
            "nodeRegistration: {taints: [{key: a, value: '-', effect: NoSchedule}]}",
            "nodeRegistration.taints[0].value",
            "not a label value",
        ),
        (f"bootstrapTokens: [{{token: {TOKEN}}}, {{token: {TOKEN}}}]", "bootstrapTokens[1].token", "given twice"),
        (f"bootstrapTokens: [{{token: {TOKEN}, ttl: -1h}}]", "bootstrapTokens[0].ttl", "negative"),
        (
            f"bootstrapTokens: [{{token: {TOKEN}, ttl: 1h, expires: '2030-01-01T00:00:00Z'}}]",
            "bootstrapTokens[0].expires",
            "beside its ttl",
        ),
        (f"bootstrapTokens: [{{token: {TOKEN}, usages: [signing]}}]", "bootstrapTokens[0].usages", "authentication"),
        ("certificateKey: '12'", "certificateKey", "has 2 hexadecimal digits"),
        ("patches: {directory: /nowhere}", "patches.directory", "no directory"),
        ("timeouts: {discovery: -1s}", "timeouts.discovery", "negative"),
    ],
)
def test_init(body: str, path: str, words: str) -> None:
    found = problems(f"{INIT}{body}\n---\n{CLUSTER}")
    assert len(found) == 1
    assert f": {path}: " in found[0]
    assert words in found[0]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (f"{JOIN}discovery: {{}}\n", "discovery", "must be given"),
        (
            f"{JOIN}{DISCOVERY.replace('unsafeSkipCAVerification: true', 'caCertHashes: [sha256:12]')}",
            "discovery.bootstrapToken.caCertHashes[0]",
            "64",
        ),
        (f"{JOIN}{DISCOVERY.replace('10.0.0.1:6443', '10.0.0.1')}", "discovery.bootstrapToken.apiServerEndpoint", "needs a port"),
        (f"{JOIN}discovery: {{file: {{kubeConfigPath: /nowhere}}}}\n", "discovery.file.kubeConfigPath", "no file"),
        (f"{JOIN}discovery: {{file: {{kubeConfigPath: 'https://a:x/f'}}}}\n", "discovery.file.kubeConfigPath", "https URL"),
        (f"{JOIN}discovery: {{file: {{kubeConfigPath: 'http://a/f'}}}}\n", "discovery.file.kubeConfigPath", "https URL"),
        (
            f"{JOIN}{DISCOVERY}controlPlane: {{localAPIEndpoint: {{advertiseAddress: x}}}}\n",
            "controlPlane.localAPIEndpoint.advertiseAddress",
            "not an IP",
        ),
        (f"{RESET}unmountFlags: [MNT_NOW]\n", "unmountFlags[0]", "one of MNT_FORCE"),
        (f"{UPGRADE}apply: {{patches: {{directory: x}}}}\n", "apply.patches.directory", "not absolute"),
        (f"{CLUSTER}---\n{KUBELET}maxpods: 5\n", "maxpods", "unknown field"),
        (f"{CLUSTER}---\n{KUBELET}evictionHard: {{memory.available: 5}}\n", 'evictionHard["memory.available"]', "must be text"),
        (f"{CLUSTER}---\n{KUBE_PROXY}conntrack: {{max: 1}}\n", "conntrack.max", "unknown field"),
        (f"{INIT}---\n{JOIN}{DISCOVERY}", "kind", "do not go into one file"),
        (f"{CLUSTER}---\n{CLUSTER}", "kind", "a second ClusterConfiguration; the first is in line 1"),
        (f"{CLUSTER}---\napiVersion: v1\nkind: Pod\n", "kind", '"Pod" is not known'),
        (CLUSTER.replace("v1beta4", "v1beta2"), "apiVersion", "not read since kubeadm 1.27"),
        (CLUSTER.replace("v1beta4", "v2"), "apiVersion", "write kubeadm.k8s.io/v1beta4"),
        (old(RESET), "apiVersion", "write kubeadm.k8s.io/v1beta4"),
        (CLUSTER.replace("v1.36.2", "v1.33.1"), "kubernetesVersion", "deploys Kubernetes 1.34 to 1.37"),
        (CLUSTER.replace("v1.36.2", "ci/v1.36.0-1"), "kubernetesVersion", "CI"),
    ],
)
def test_other_documents(text: str, path: str, words: str) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert f": {path}: " in found[0]
    assert words in found[0]


def test_secrets_are_not_repeated() -> None:
    keys = (f"certificateKey: {'0123456789abcdef' * 3}", "certificateKey: 12345678")
    tokens = ("abcdef.s3cr3ts3cr3t", "123456.12345678", "[s3cr3t]")
    for key, token in product(keys, tokens):
        found = "\n".join(problems(f"{INIT}{key}\nbootstrapTokens: [{{token: {token}}}]\n---\n{CLUSTER}"))
        assert "certificateKey" in found
        assert "bootstrapTokens[0].token" in found
        assert not any(secret in found for secret in ("s3cr3t", "0123456789abcdef", "12345678"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("networking: {podSubnet: 10.244.0.1/16}", '"10.244.0.1/16" has host bits set; it means 10.244.0.0/16'),
        ("networking: {serviceSubnet: 'fd00::/112'}", "the kube-apiserver refuses to start"),
        ("certificateValidityPeriod: 10000h", "longer than the recommended"),
        (
            "certificateValidityPeriod: 20h\ncaCertificateValidityPeriod: 10h",
            "none is accepted once its CA has expired",
        ),
        ("featureGates: {RootlessControlPlane: false}", "deprecated"),
    ],
)
def test_what_is_only_worth_a_note(body: str, words: str) -> None:
    notes: list[str] = []
    read_cluster(f"{CLUSTER}{body}\n", notes)
    assert any(words in note for note in notes), notes


def test_nobody_is_asked_for_the_version_of_a_file_that_is_wrong() -> None:
    asked: list[str] = []
    for text in (f"{CLUSTER.replace('v1.36.2', 'stable-1')}nope: 1\n", "not: [yaml\n"):
        with pytest.raises(ConfigError):
            read_init(Source("x.yaml", text.encode()), InitFlags(), replace(world(), ask=asked.append))
    assert asked == []


def test_a_newer_kubernetes_may_have_kubelet_fields_unknown_here() -> None:
    notes: list[str] = []
    _, configuration = read_cluster(f"{CLUSTER.replace('v1.36.2', 'v1.37.0')}---\n{KUBELET}brandNew: 1\n", notes)
    assert configuration.kubelet["brandNew"] == 1
    assert any("brandNew" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"{INIT}bootstrapTokens: [{{token: 0123456789abcdef}}, {{token: 0123456789abcdef}}]\n",
            "bootstrapTokens[1].token: is not a bootstrap token",
        ),
        (f"{INIT}bootstrapTokens: [abcdef.0123456789abcdef]\n", 'not the text "abcdef.[removed]"'),
        (f"{JOIN}discovery: {{bootstrapToken: abcdef.0123456789abcdef}}\n", 'not the text "abcdef.[removed]"'),
        (
            f"{JOIN}discovery: {{bootstrapToken: {{apiServerEndpoint: abcdef.0123456789abcdef}}}}\n",
            '"abcdef.[removed]" needs a port',
        ),
        (
            f"{CLUSTER}imageRepository: https://user:pa:ss@registry.example.com\n",
            '"https://registry.example.com" is not an image',
        ),
    ],
)
def test_secrets_in_the_wrong_place_are_not_repeated(text: str, said: str) -> None:
    found = "\n".join(problems(text))
    assert said in found
    assert "0123456789abcdef" not in found
    assert "pa:ss" not in found


def test_a_digest_is_not_taken_for_the_host_behind_a_password() -> None:
    image = "docker://etcd:3.6@sha256:0123"
    assert str(NodeError(f"{image} is not there")) == f"{image} is not there"
    assert str(NodeError(f"https://user:pass@h, {image}")) == f"https://h, {image}"
