"""Keys and certificate signing requests, for what a CA elsewhere signs.

A key that is there is used, so nothing is ever overwritten; a request is written again where it asks for something else.
"""

from __future__ import annotations

import base64
import posixpath

from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.document import for_cluster
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.node.port import File
from pykubeadm.phases.ca import certificate_path, load_key
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.phases.run import ClusterRun
from pykubeadm.pki.issue import Subject, load_request, make_request, subject_of
from pykubeadm.pki.keys import PrivateKey, encode_private_key
from pykubeadm.pki.table import CertificateSpec, Usage
from pykubeadm.util.yaml_output import to_yaml
from pykubeadm.workflow.phase import Changes


def request_certificate(run: ClusterRun, spec: CertificateSpec) -> Changes:
    """<base>.key and <base>.csr for a row of the table."""
    key_path, path = certificate_path(run, f"{spec.base}.key"), certificate_path(run, f"{spec.base}.csr")
    content = run.node.read(key_path)
    key = load_key(key_path, content) if content is not None else run.keys.take()
    files = [] if content is not None else [File(key_path, encode_private_key(key), 0o600, secret=True)]
    return _write(run, files, path, subject_of(spec, run.configuration, run.now()), key)


def request_kubeconfig(run: ClusterRun, entry: KubeconfigFile) -> Changes:
    """<name>.conf with the key but neither certificate nor CA, and <name>.conf.csr."""
    path = posixpath.join(run.kubeconfig_dir, entry.file)
    user = entry.user_name(run.configuration)
    subject = Subject(user, run.now(), run.now(), entry.organizations, usages=(Usage.CLIENT_AUTH,))
    key = _held_key(run, path)
    files = []
    if key is None:
        key = run.keys.take()
        data = base64.b64encode(encode_private_key(key)).decode("ascii")
        cluster = {"server": entry.server(run.configuration)}
        document = for_cluster(run.configuration.cluster.cluster_name, cluster, user, {"client-key-data": data})
        files.append(File(path, to_yaml(document).encode(), 0o600, secret=True))
    return _write(run, files, f"{path}.csr", subject, key)


def _held_key(run: ClusterRun, path: str) -> PrivateKey | None:
    """The key that the kubeconfig at `path` holds or names; None where there is no such file."""
    held = held_client(run.node, path)
    if held is None:
        return None
    named = held.kubeconfig.key_path
    where = posixpath.join(posixpath.dirname(path), named) if named else path
    content = run.node.read(where) if named else held.kubeconfig.key
    if not content:
        raise PhaseError(f"{path} has no client key; move it away to have it made again")
    return load_key(where, content)


def _write(run: ClusterRun, files: list[File], path: str, subject: Subject, key: PrivateKey) -> Changes:
    """The key's file before the request. A signature differs each time, so what a request asks for is compared."""
    wanted = make_request(subject, key)
    existing = run.node.read(path)
    if existing is None or not _asks_the_same(existing, wanted):
        files = [*files, File(path, wanted, 0o600, replaces=True)]
    return [f"wrote {path}" for path in run.node.write(files)]


def _asks_the_same(one: bytes, other: bytes) -> bool:
    try:
        return load_request(one).tbs_certrequest_bytes == load_request(other).tbs_certrequest_bytes
    except ValueError:
        return False
