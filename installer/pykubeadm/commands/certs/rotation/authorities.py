"""The CAs' own files on a node: certificates in the order of the stage, keys, and what the controller manager signs with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.material import Both, read_material
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import CA, SERVICE_ACCOUNTS
from pykubeadm.constants import SIGNING_CA
from pykubeadm.node.port import File
from pykubeadm.phases.ca import certificate_path
from pykubeadm.phases.certs.renew import as_there
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.pki.table import BY_NAME
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.commands.certs.rotation.record import Rotation

MANAGER: Final = "kube-controller-manager"


def write_authorities(run: RotationRun) -> Changes:
    """As the stage has them; on a worker only whom the kubelet's clients are trusted by. A key comes before its certificate."""
    rotation = run.under_way
    if not run.is_control_plane:
        return _worker(run, rotation)
    material = read_material(run)
    files: list[File] = []
    if CA in rotation.names and rotation.stage.trusts_both:
        files.append(File(_signing_path(run), rotation.signer(CA), replaces=True))
    for name in rotation.names:
        files += _files(run, rotation, name, material[name])
    return [f"wrote {path}" for path in run.node.write(files)]


def _worker(run: RotationRun, rotation: Rotation) -> Changes:
    if CA not in rotation.names:
        return ()
    return [
        f"wrote {path}" for path in run.node.write([as_there(run, certificate_path(run, "ca.crt"), rotation.bundle(CA), 0o644)])
    ]


def _files(run: RotationRun, rotation: Rotation, name: str, both: Both) -> list[File]:
    signer = both.new if rotation.stage.signs_new else both.old
    base, ending, mode = ("sa", "pub", 0o600) if name == SERVICE_ACCOUNTS else (BY_NAME[name].base, "crt", 0o644)
    key_path, path = certificate_path(run, f"{base}.key"), certificate_path(run, f"{base}.{ending}")
    return [as_there(run, key_path, signer.key, 0o600), as_there(run, path, rotation.bundle(name), mode)]


def signing_manifest(run: RotationRun) -> bytes | None:
    """The controller manager's manifest with the file that it is to sign with in this stage, which has to hold one certificate;
    None where it says so already. What the user put there in another place stays."""
    rotation = run.under_way
    content = run.node.read(manifest_path(MANAGER))
    if CA not in rotation.names or content is None:
        return None
    paths = (certificate_path(run, "ca.crt"), _signing_path(run))
    wanted = paths[1] if rotation.stage.trusts_both else paths[0]
    either = "|".join(re.escape(path) for path in paths)
    flag = re.compile(rf"(--cluster-signing(?:-[a-z-]+?)?-cert-file=)(?:{either})(?=[\"'\s,\]]|$)")
    changed = flag.sub(lambda found: found[1] + wanted, content.decode())
    return None if changed.encode() == content else changed.encode()


def remove_signing(run: RotationRun) -> Changes:
    """Once nothing signs with it any more."""
    if run.under_way.stage.trusts_both:
        return ()
    return [f"removed {path}" for path in run.node.remove([_signing_path(run)])]


def _signing_path(run: RotationRun) -> str:
    return certificate_path(run, SIGNING_CA)
