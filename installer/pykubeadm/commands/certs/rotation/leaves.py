"""What the CAs sign on a control plane: certificates of their own and those in kubeconfigs, and whom those trust."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pykubeadm.commands.certs.rotation.material import read_material
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA, Stage
from pykubeadm.errors import PhaseError
from pykubeadm.kubeconfig.table import KubeconfigFile
from pykubeadm.phases.certs.leaves import LEAVES, Leaf
from pykubeadm.phases.certs.present import leaf_certificate
from pykubeadm.phases.certs.renew import ADMIN_CONF, as_there, renew, why_not
from pykubeadm.phases.kubeconfig.copies import copies_of
from pykubeadm.phases.kubeconfig.held import held_client
from pykubeadm.pki.check import is_signed_by, load_certificates
from pykubeadm.pki.issue import Authority, cross_sign, encode_certificate
from pykubeadm.pki.keys import load_private_key
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from cryptography import x509

_SERVING = "apiserver"


def sign_leaves(run: RotationRun) -> Changes:
    """Sign again what another than the stage's CA has signed, with a new key."""
    rotation = run.under_way
    leaves = [leaf for leaf in LEAVES if leaf.ca in rotation.names and leaf.is_wanted(run.configuration)]
    signers = {name: load_certificates(rotation.signer(name))[0] for name in {leaf.ca for leaf in leaves}}
    changes: list[str] = []
    for leaf in leaves:
        if why_not(run, leaf) is None:
            changes += _sign(run, leaf, signers[leaf.ca])
    if changes:
        run.api = None  # the next request is made with what admin.conf holds by then
    return changes


def trust_in_kubeconfigs(run: RotationRun) -> Changes:
    """Have the kubeconfigs of this node, and users' copies of admin.conf, trust whom the stage trusts."""
    if CA not in run.under_way.names:
        return ()
    leaves = [leaf for leaf in LEAVES if isinstance(leaf.spec, KubeconfigFile)]
    changes = [
        change for leaf in leaves for change in trust_in(run, leaf.path("", run.kubeconfig_dir), copied=leaf.name == ADMIN_CONF)
    ]
    if changes:
        run.api = None
    return changes


def trust_in(run: RotationRun, path: str, *, copied: bool = False) -> Changes:
    """The kubeconfig at `path`, where there is one that holds its CA itself. `copied`: users may have copies of it."""
    wanted, held = run.under_way.bundle(CA), held_client(run.node, path)
    before = run.node.read(path)
    if held is None or before is None or held.kubeconfig.ca_path or held.kubeconfig.ca == wanted:
        return ()
    file = as_there(run, path, held.trusting(wanted), 0o600)
    copies = copies_of(run.node, before) if copied else ()
    # The copies first: they are known by what they have in common with it.
    written = run.node.write([*(replace(copy, content=file.content) for copy in copies), file])
    return [f"{written_path} trusts the CAs of this stage" for written_path in written]


def _sign(run: RotationRun, leaf: Leaf, signer: x509.Certificate) -> Changes:
    certificate = leaf_certificate(run, leaf)
    if certificate is None:
        return ()
    if not is_signed_by(certificate, (), signer):
        return renew(run, leaf, chain=_chain(run) if leaf.name == _SERVING else b"")
    return _with_chain(run, leaf, certificate) if leaf.name == _SERVING else ()


def _with_chain(run: RotationRun, leaf: Leaf, certificate: x509.Certificate) -> Changes:
    """Show what the stage wants behind a certificate that is right already."""
    path = leaf.path(run.configuration.cluster.certificates_dir, run.kubeconfig_dir)
    shown = load_certificates(run.node.read(path) or b"")
    if (len(shown) > 1) == (run.under_way.stage is Stage.ISSUE):
        return ()
    return [
        f"wrote {path}" for path in run.node.write([as_there(run, path, encode_certificate(certificate) + _chain(run), 0o644)])
    ]


def _chain(run: RotationRun) -> bytes:
    """While the new CA signs and the old one is trusted: the new one as the old one signs it, for who knows only that."""
    if run.under_way.stage is not Stage.ISSUE:
        return b""
    both = read_material(run)[CA]
    former = load_certificates(both.old.certificate)[0]
    try:
        key = load_private_key(both.old.key)
    except ValueError as error:
        raise PhaseError(f"the former key of the cluster's CA {error}") from error
    return encode_certificate(cross_sign(load_certificates(both.new.certificate)[0], Authority(former, key)))
