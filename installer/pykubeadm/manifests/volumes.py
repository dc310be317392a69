"""The node's paths that control-plane containers see (kubeadm: phases/controlplane/volumes.go)."""

from __future__ import annotations

from posixpath import dirname, normpath

from pykubeadm.config.host import CA_DIRECTORIES, HostFacts
from pykubeadm.config.model import ClusterConfiguration, ExternalEtcd
from pykubeadm.manifests.static_pod import Mount

_SSL_CERTS = "/etc/ssl/certs"


def certificate_mounts(cluster: ClusterConfiguration, host: HostFacts) -> list[Mount]:
    """The cluster's certificates and the machine's CA certificates; links in /etc/ssl/certs may lead to the other directories."""
    return [
        Mount("k8s-certs", cluster.certificates_dir, cluster.certificates_dir),
        Mount("ca-certs", _SSL_CERTS, _SSL_CERTS),
        *(Mount(path.replace("/", "-")[1:], path, path) for path in host.ca_directories),
    ]


def kubeconfig_mount(path: str) -> Mount:
    return Mount("kubeconfig", path, path, path_type="FileOrCreate")


def external_etcd_mounts(external: ExternalEtcd, certificates_dir: str) -> list[Mount]:
    """The directories of an external etcd's certificate files, but for those that are mounted or lie below another one."""
    mounted = (*CA_DIRECTORIES, _SSL_CERTS, certificates_dir)
    directories: set[str] = set()
    for path in (external.ca_file, external.cert_file, external.key_file):
        directory = normpath(dirname(path))
        if not path or directory.startswith(mounted) or any(directory.startswith(known) for known in directories):
            continue
        directories = {known for known in directories if not known.startswith(directory)} | {directory}
    return [Mount(f"etcd-certs-{index}", path, path) for index, path in enumerate(sorted(directories))]
