"""`init` on a node that `join` made a part of a cluster: it says so, before anything else is looked at."""

from __future__ import annotations

import posixpath

from pykubeadm.commands.init.run import InitRun
from pykubeadm.constants import ADMIN_KUBECONFIG, KUBELET_DIR, KUBERNETES_DIR, MANIFESTS_DIR
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error
from pykubeadm.phases.preflight.machine import Machine

_KUBELET_CONF = f"{KUBERNETES_DIR}/kubelet.conf"
_CLIENT_CERTIFICATE = f"{KUBELET_DIR}/pki/kubelet-client-current.pem"
_API_SERVER = f"{MANIFESTS_DIR}/kube-apiserver.yaml"
_ETCD = f"{MANIFESTS_DIR}/etcd.yaml"
_USER = "system:node:"


def not_joined(run: InitRun) -> Check:
    """The node is no member of another cluster."""

    def look(_machine: Machine) -> Findings:
        kind = _kind(run)
        if not kind:
            return FINE
        what = f"is a {kind} of a cluster that it joined ({_KUBELET_CONF})"
        if run.journal.became_by() != "join" and run.node.stat(_KUBELET_CONF) is None:
            what = f"was to become a {kind} of a cluster by a join that was cut off, or failed"
        return error(
            f"this node{_name(run)} {what}: `init` makes a new cluster, which needs another machine; `pykubeadm join …` "
            "continues with this one"
        )

    return Check("NotJoined", look)


def _kind(run: InitRun) -> str:
    """What the node joined as, or began to, "" where it did not."""
    joined = run.journal.begun_by() == "join"
    if run.node.stat(_API_SERVER) is not None:
        # etcd (api/v3: --initial-cluster-state): a member that `init` makes begins a new cluster.
        added = b"--initial-cluster-state=existing" in (run.node.read(_ETCD) or b"")
        return "control plane" if joined or added else ""
    pki = run.configuration.cluster.certificates_dir
    made_here = (ADMIN_KUBECONFIG, posixpath.join(pki, "ca.key"), posixpath.join(pki, "apiserver.crt"))
    if any(run.node.stat(path) is not None for path in made_here):  # or copied here by a join
        return "control plane" if joined else ""
    has_file = any(run.node.stat(path) is not None for path in (_KUBELET_CONF, _CLIENT_CERTIFICATE))
    return "worker" if has_file and (joined or _user(run)) else ""


def _name(run: InitRun) -> str:
    user = _user(run)
    return f", {user.removeprefix(_USER)}," if user else ""


def _user(run: InitRun) -> str:
    """The kubelet's user in its cluster; "" where no file says one that can be read."""
    from cryptography.x509.oid import NameOID

    from pykubeadm.kubeconfig.read import read_kubeconfig
    from pykubeadm.pki.check import load_certificates

    try:
        embedded = read_kubeconfig(run.node.read(_KUBELET_CONF) or b"").certificate
    except ValueError:
        embedded = b""
    try:
        certificate = load_certificates(embedded or run.node.read(_CLIENT_CERTIFICATE) or b"")[0]
    except ValueError:
        return ""
    names = [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return next((name for name in names if name.startswith(_USER)), "")
