"""Pieces of configuration files, and the machine they are read on."""

from __future__ import annotations

from pykubeadm.config.host import HostFacts
from pykubeadm.config.init_flags import InitFlags
from pykubeadm.config.model import Configuration, InitConfiguration, Model
from pykubeadm.config.read_all import read_all
from pykubeadm.config.read_init import read_init
from pykubeadm.config.reading import Environment
from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError

TOKEN = "abcdef.0123456789abcdef"
CLUSTER = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.2\n"
INIT = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n"
JOIN = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
RESET = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration\n"
UPGRADE = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: UpgradeConfiguration\n"
KUBELET = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
KUBE_PROXY = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
DISCOVERY = (
    f"discovery: {{bootstrapToken: {{token: {TOKEN}, apiServerEndpoint: '10.0.0.1:6443', unsafeSkipCAVerification: true}}}}\n"
)

HOST = HostFacts(hostname="node", default_ipv4="10.0.0.9", cri_sockets=("unix:///var/run/containerd/containerd.sock",))


def old(text: str) -> str:
    """The document with v1beta3 in place of v1beta4."""
    return text.replace("v1beta4", "v1beta3")


def world(notes: list[str] | None = None, host: HostFacts = HOST, answers: dict[str, str] | None = None) -> Environment:
    """A machine with /patches and /etc/passwd; `answers` is what dl.k8s.io would say of a label."""
    return Environment(
        host=host,
        new_token=lambda: TOKEN,
        ask=(answers or {}).get,
        is_dir=lambda path: path == "/patches",
        is_file=lambda path: path == "/etc/passwd",
        note=([] if notes is None else notes).append,
    )


def read(text: str | bytes) -> list[Model]:
    return read_all(Source("x.yaml", text if isinstance(text, bytes) else text.encode()), world())


def read_cluster(text: str, notes: list[str] | None = None) -> tuple[InitConfiguration, Configuration]:
    return read_init(Source("x.yaml", text.encode()), InitFlags(), world(notes))


def problems(text: str | bytes) -> list[str]:
    """The problems of a file, one a line; none where it is right."""
    try:
        read(text)
    except ConfigError as error:
        return str(error).splitlines()
    return []
