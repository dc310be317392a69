"""upload-certs: what further control planes need, encrypted with a key that is shown once, for two hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pykubeadm.commands.init.run import InitRun
from pykubeadm.errors import PhaseError
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration
    from pykubeadm.kube.port import Api


def _apply(run: InitRun) -> Changes:
    from pykubeadm.kube.apply import ensure, ensure_all, retrying, sentence
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.tokens.bootstrap import generate_token
    from pykubeadm.tokens.certificate_key import generate_certificate_key, parse_certificate_key
    from pykubeadm.tokens.documents import expiry_secret
    from pykubeadm.tokens.shared_certificates import (
        LIFETIME,
        encrypt_files,
        shared_certificates_rbac,
        shared_certificates_secret,
        shared_files,
    )

    api = cluster_api(run)
    files = shared_files(_cluster(run, api))  # no path where an external etcd needs no such file; kubeadm wants the name still
    contents = {name: run.node.read(path) if path else None for name, path in files.items()}
    if run.certificate_key and _is_there(run, contents):
        return []
    run.certificate_key = run.certificate_key or generate_certificate_key()
    try:
        key = parse_certificate_key(run.certificate_key)
    except ValueError as error:
        raise PhaseError(f"certificateKey: {error}") from error
    token = expiry_secret(generate_token(), run.now() + LIFETIME)
    owner = retrying(lambda: api.create(token), api.call_timeout)["metadata"]
    secret = shared_certificates_secret(encrypt_files(contents, key), owner["name"], owner["uid"])
    changes = [sentence(ensure(api, secret), secret), *ensure_all(api, shared_certificates_rbac())]
    if not run.skip_certificate_key_print and not run.dry_run:
        run.result(
            "certificate-key", f"certificate key (secret, valid for two hours):\n{run.certificate_key}", key=run.certificate_key
        )
    return changes


def _cluster(run: InitRun, api: Api) -> ClusterConfiguration:
    """As the cluster keeps it, which is what a joining node goes by: run alone, the phase is seldom given the whole file."""
    from pykubeadm.phases.cluster.stored import NotStoredError, administrator, stored_cluster

    def warn(message: str) -> None:
        run.note("warning", message, topic="upload-certs")

    try:
        return stored_cluster(api, administrator(run.kubeconfig_path), warn)
    except NotStoredError:
        return run.configuration.cluster


def _is_there(run: InitRun, contents: dict[str, bytes | None]) -> bool:
    """Whether the cluster holds the same files under the same key, owned by a token that is still there."""
    from pykubeadm.phases.cluster.connection import cluster_api
    from pykubeadm.tokens.certificate_key import parse_certificate_key
    from pykubeadm.tokens.shared_certificates import SECRET_NAME, decrypt_files

    api = cluster_api(run)
    secret = api.get("v1", "Secret", SECRET_NAME, "kube-system")
    if secret is None:
        return False
    owners = secret["metadata"].get("ownerReferences") or ()
    if not any(api.get("v1", "Secret", owner["name"], "kube-system") for owner in owners):
        return False
    try:
        return decrypt_files(secret.get("data") or {}, parse_certificate_key(run.certificate_key)) == contents
    except ValueError:
        return False  # encrypted with another key


def _is_wanted(run: InitRun) -> bool:
    return run.upload_certs


upload_certs: Phase[InitRun] = Phase(
    name="upload-certs",
    summary="Upload the control plane's certificates for control planes that join (with --upload-certs)",
    apply=_apply,
    when=_is_wanted,
    flags=("config", "kubeconfig", "upload-certs", "certificate-key", "skip-certificate-key-print", "dry-run"),
)
