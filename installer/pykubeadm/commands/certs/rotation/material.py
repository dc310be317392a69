"""The former and the new CAs with their keys, as a control plane keeps them while a rotation is under way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.certs.rotation.stages import SERVICE_ACCOUNTS, Stage
from pykubeadm.config import rules
from pykubeadm.constants import CA_ROTATION_DIR, STATE_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.node.port import Directory, File, Node
from pykubeadm.pki.table import BY_NAME
from pykubeadm.util.dataclass import dataclass

if TYPE_CHECKING:
    from pykubeadm.commands.certs.rotation.run import RotationRun
    from pykubeadm.pki.keys import PublicKey

_ID: Final = f"{CA_ROTATION_DIR}/id"
_KEY: Final = f"{CA_ROTATION_DIR}/certificate-key"
_RESTARTED: Final = f"{CA_ROTATION_DIR}/restarted.json"
SIDES: Final = ("old", "new")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """PEM; `certificate` is the public key where it is that of ServiceAccounts."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Both:
    """Of one CA."""

    old: KeyPair
    new: KeyPair


def make_material(run: RotationRun, names: Sequence[str]) -> dict[str, Both]:
    """What is on this node, and for each a new one. PhaseError with all that cannot be rotated."""
    problems, found = [], {}
    for name in names:
        try:
            found[name] = Both(_former(run, name), _new(run, name))
        except PhaseError as error:
            problems.append(str(error))
    if problems:
        raise PhaseError("\n".join(problems))
    return found


def _former(run: RotationRun, name: str) -> KeyPair:
    from pykubeadm.phases.ca import certificate_path, load_authority, load_key
    from pykubeadm.pki.check import load_certificates
    from pykubeadm.pki.issue import encode_certificate
    from pykubeadm.pki.keys import encode_public_key

    base = "sa" if name == SERVICE_ACCOUNTS else BY_NAME[name].base
    path, key_path = certificate_path(run, f"{base}.crt"), certificate_path(run, f"{base}.key")
    key = run.node.read(key_path)
    if name == SERVICE_ACCOUNTS:
        if key is None:
            raise PhaseError(f"{key_path} does not exist: tokens are signed elsewhere, where their key has to be rotated, too")
        public = load_key(key_path, key).public_key()
        _require_alone(run, public)
        return KeyPair(encode_public_key(public), key)
    authority = load_authority(run, BY_NAME[name])
    if len(load_certificates(run.node.read(path) or b"")) > 1:
        raise PhaseError(f"{path} holds several certificates; leave only the one in it that signs, then run this again")
    return KeyPair(encode_certificate(authority.certificate), key or b"")


def _require_alone(run: RotationRun, key: PublicKey) -> None:
    """PhaseError where tokens of further keys are valid, which a rotation would end."""
    from pykubeadm.phases.ca import certificate_path
    from pykubeadm.pki.keys import load_public_keys

    path = certificate_path(run, "sa.pub")
    try:
        others = [each for each in load_public_keys(run.node.read(path) or b"") if each != key]
    except ValueError:  # the API server does not start with it either
        return
    if others:
        raise PhaseError(
            f"{path} holds further public keys, whose tokens would not be valid any more: leave only that of sa.key in it once"
            " nothing needs them, restart the API servers, then run this again"
        )


def _new(run: RotationRun, name: str) -> KeyPair:
    from pykubeadm.pki.issue import encode_certificate, issue_ca, subject_of
    from pykubeadm.pki.keys import encode_private_key, encode_public_key

    key = run.keys.take()
    if name == SERVICE_ACCOUNTS:
        return KeyPair(encode_public_key(key.public_key()), encode_private_key(key))
    certificate = issue_ca(subject_of(BY_NAME[name], run.configuration, run.now()), key)
    return KeyPair(encode_certificate(certificate), encode_private_key(key))


def keep_material(node: Node, rotation_id: str, material: Mapping[str, Both], certificate_key: str = "") -> None:
    """On this node, in a directory that only root can open; with the key that it was encrypted with on its way here."""
    node.remove([CA_ROTATION_DIR])
    files: list[File | Directory] = [Directory(STATE_DIR, 0o700), Directory(CA_ROTATION_DIR, 0o700)]
    files += [Directory(f"{CA_ROTATION_DIR}/{side}", 0o700) for side in SIDES]
    for name, both in material.items():
        for side, pair in zip(SIDES, (both.old, both.new), strict=True):
            files.append(File(_path(side, name, "key"), pair.key, 0o600, secret=True))
            files.append(File(_path(side, name, "crt"), pair.certificate, 0o600))
    if certificate_key:
        files.append(_key_file(certificate_key))
    node.write([*files, File(_ID, rotation_id.encode(), 0o600)])


def keep_key(node: Node, certificate_key: str) -> None:
    """The one that the cluster's copy is encrypted with, to show it again."""
    node.write([_key_file(certificate_key)])


def kept_key(node: Node) -> str:
    """As `keep_key` has it; "" where there is none."""
    key = (node.read(_KEY) or b"").decode(errors="replace").strip()
    return "" if rules.certificate_key(key) else key


def _key_file(certificate_key: str) -> File:
    return File(_KEY, certificate_key.encode(), 0o600, secret=True)


def has_material(run: RotationRun) -> bool:
    """Whether this node keeps that of the rotation under way."""
    return run.node.read(_ID) == run.under_way.id.encode()


def needs_none(run: RotationRun) -> bool:
    """Whether this control plane is as the last stage is to leave it, without material: its CAs are the former ones alone, where
    a rotation is aborted in which it had no part; or the new ones alone, with which it has joined since."""
    rotation = run.under_way
    left = {Stage.RESTORE: 0, Stage.DROP: 1}.get(rotation.stage)
    if left is None or has_material(run):
        return False
    try:
        return all(_former(run, name).certificate == rotation.certificates[name][left] for name in rotation.names)
    except PhaseError:
        return False


def read_material(run: RotationRun) -> dict[str, Both]:
    """What this node keeps of the rotation under way; PhaseError where it does not."""
    if not has_material(run):
        raise PhaseError(f"{CA_ROTATION_DIR} does not hold the keys of the rotation that is under way; run this again")
    rotation = run.under_way
    found = {}
    for name in rotation.names:
        pairs = [KeyPair(_content(run.node, side, name, "crt"), _content(run.node, side, name, "key")) for side in SIDES]
        found[name] = Both(*pairs)
    return found


def forget_material(node: Node) -> None:
    """The keys of the CA that is no longer trusted go with it."""
    node.remove([CA_ROTATION_DIR])


def restarted_in(node: Node, rotation_id: str) -> dict[str, str]:
    """Program → the stage of this rotation for which it was started again last and has become healthy since."""
    try:
        data = json.loads(node.read(_RESTARTED) or b"{}")
    except ValueError:
        return {}
    programs = data.get("programs") if isinstance(data, dict) and data.get("id") == rotation_id else {}
    return dict(programs) if isinstance(programs, dict) else {}


def note_restarted(node: Node, rotation_id: str, programs: Mapping[str, str]) -> None:
    content = json.dumps({"id": rotation_id, "programs": dict(programs)}, sort_keys=True)
    node.write([Directory(STATE_DIR, 0o700), Directory(CA_ROTATION_DIR, 0o700), File(_RESTARTED, content.encode(), 0o600)])


def _path(side: str, name: str, ending: str) -> str:
    return f"{CA_ROTATION_DIR}/{side}/{name}.{ending}"


def _content(node: Node, side: str, name: str, ending: str) -> bytes:
    content = node.read(_path(side, name, ending))
    if content is None:
        raise PhaseError(f"{_path(side, name, ending)} is gone: put it back, from a backup of this node or another control plane")
    return content
