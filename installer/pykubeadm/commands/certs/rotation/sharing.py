"""How the keys of a rotation get to the other control planes: in a Secret, encrypted with a certificate key that is shown to the
user, as `upload-certs` has it. The key itself is in no cluster: it is kept beside the CAs' own keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.material import SIDES, Both, KeyPair, keep_key, keep_material, kept_key, read_material
from pykubeadm.commands.certs.rotation.record import ANNOTATION, NAME, NAMESPACE
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.constants import CA_ROTATION_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.kube.apply import ensure, retrying
from pykubeadm.phases.cluster.connection import cluster_api
from pykubeadm.tokens.certificate_key import generate_certificate_key, parse_certificate_key
from pykubeadm.tokens.shared_certificates import decrypt_files, encrypt_files
from pykubeadm.workflow.phase import Changes

if TYPE_CHECKING:
    from pykubeadm.commands.certs.rotation.record import Rotation
    from pykubeadm.util.kube_object import KubeObject

_TITLE: Final = f"{NAMESPACE}/{NAME}"


def share_material(run: RotationRun) -> Changes:
    """From a control plane that keeps it, where the cluster does not have it yet."""
    rotation = run.under_way
    if _is_of(_found(run), rotation):
        return ()
    key = kept_key(run.node) or run.certificate_key or generate_certificate_key()
    keep_key(run.node, key)
    contents: dict[str, bytes | None] = {}
    for name, both in read_material(run).items():
        for side, pair in zip(SIDES, (both.old, both.new), strict=True):
            contents |= {f"{side}-{name}.crt": pair.certificate, f"{side}-{name}.key": pair.key}
    ensure(cluster_api(run), _secret(rotation, encrypt_files(contents, parse_certificate_key(key))))
    return [f"uploaded the CAs' keys, encrypted, to the Secret {_TITLE}"]


def fetch_material(run: RotationRun) -> Changes:
    """To a control plane that does not keep it yet. PhaseError where that needs a key that was not given, or is another one."""
    found = _found(run)
    if found is None or not _is_of(found, run.under_way):
        raise PhaseError(
            f"the keys of the rotation that is under way are neither in {CA_ROTATION_DIR} nor in the Secret {_TITLE}: run this on"
            " the control plane that began it, which uploads them"
        )
    if not run.certificate_key:
        raise PhaseError(
            "the keys of the CAs that are rotated are encrypted: give the key that the control plane shows which began"
            f" (--certificate-key; it is in {CA_ROTATION_DIR}/certificate-key there)"
        )
    try:
        contents = decrypt_files(found.get("data") or {}, parse_certificate_key(run.certificate_key), _TITLE)
    except ValueError as error:
        raise PhaseError(f"--certificate-key: {error}") from error
    keep_material(run.node, run.under_way.id, _material(run.under_way, contents), run.certificate_key)
    return [f"took the CAs' keys from the Secret {_TITLE}"]


def _material(rotation: Rotation, contents: Mapping[str, bytes | None]) -> dict[str, Both]:
    found = {}
    for name in rotation.names:
        old, new = (
            KeyPair(contents.get(f"{side}-{name}.crt") or b"", contents.get(f"{side}-{name}.key") or b"") for side in SIDES
        )
        if (old.certificate, new.certificate) != rotation.certificates[name] or not (old.key and new.key):
            raise PhaseError(
                f"the Secret {_TITLE} does not hold the {name} of the rotation that is under way: delete it, and run this on the"
                " control plane that began, which uploads it again"
            )
        found[name] = Both(old, new)
    return found


def _found(run: RotationRun) -> KubeObject | None:
    api = cluster_api(run)
    return retrying(lambda: api.get("v1", "Secret", NAME, NAMESPACE), api.call_timeout)


def _is_of(secret: KubeObject | None, rotation: Rotation) -> bool:
    return secret is not None and (secret["metadata"].get("annotations") or {}).get(ANNOTATION) == rotation.id


def _secret(rotation: Rotation, data: Mapping[str, str]) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "annotations": {ANNOTATION: rotation.id}},
        "type": "Opaque",
        "data": dict(data),
    }
