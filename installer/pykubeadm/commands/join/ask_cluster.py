"""Asks the cluster before anything on the node is changed: may this node join, as what it wants to be, under its name?"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING

from pykubeadm.commands.join.member import READ, as_member, is_this_machine
from pykubeadm.commands.join.trust import Trust, discover, of_administrator, of_earlier_run
from pykubeadm.config.model import Configuration
from pykubeadm.constants import ADMIN_KUBECONFIG
from pykubeadm.errors import ApiError, PreflightError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.expiry import expiry_warning, server_expiry_warning
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.manifests.kubelet import kubelet_name
from pykubeadm.phases.cluster.stored import Reader, stored_cluster, stored_kubelet
from pykubeadm.phases.kubelet.files import fitting
from pykubeadm.util.dataclass import dataclass
from pykubeadm.workflow.events import Event, Note, Waiting

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration, JoinConfiguration, JoinControlPlane
    from pykubeadm.node.journal import Journal
    from pykubeadm.node.port import Looked, Node

_TOPIC = "discovery"
_NEW_KEY = "`pykubeadm init phase upload-certs --upload-certs` on a control plane uploads them again and prints the key"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the cluster said; `is_member` is whether this node is a part of it already."""

    configuration: Configuration
    trust: Trust
    api: Api
    is_member: bool = False
    shared_files: dict[str, bytes] = field(default_factory=dict, repr=False)


def ask_cluster(
    join: JoinConfiguration,
    node: Node,
    *,
    journal: Journal,
    emit: Callable[[Event], None],
    now: Callable[[], datetime],
) -> Answers:
    """Find the cluster, come to trust it, read its configuration, check what would stop this node there. Raises ApiError,
    PhaseError, PreflightError or ConfigError; the node is only read."""

    def report(reason: str) -> None:
        emit(Waiting(phase=_TOPIC, target="the cluster", reason=reason))

    def say(level: str, message: str) -> None:
        emit(Note(level=level, topic=_TOPIC, message=message))

    seen = node.ahead(read=READ)
    trust, api, cluster = _connect(join, node, seen, journal=journal, now=now, report=report, say=say)
    _warn_of_expiry(trust, api, now(), lambda message: say("warning", message))
    kubelet = stored_kubelet(api, _reader(trust))
    configuration = Configuration(
        cluster, join.this_node, kubelet=fitting(kubelet, node, lambda message: say("warning", message))
    )
    is_member = trust.own or _has_its_name(api, join, seen)
    files: dict[str, bytes] = {}
    if join.control_plane:
        files = _control_plane_files(join.control_plane, cluster, node, api, journal, own=trust.own)
    say(
        "info",
        f"joining {cluster.cluster_name} ({cluster.kubernetes_version}) at {trust.cluster['server']}, known by {trust.source}",
    )
    return Answers(configuration, trust, api, is_member, files)


def _warn_of_expiry(trust: Trust, api: Api, now: datetime, warn: Callable[[str], None]) -> None:
    """What the kubelet was let in with before it renews itself."""
    mine = None if trust.own else expiry_warning(trust.credentials, now)
    for sentence in filter(None, (mine, server_expiry_warning(api, now))):
        warn(sentence)


def _connect(
    join: JoinConfiguration,
    node: Node,
    seen: Looked,
    *,
    journal: Journal,
    now: Callable[[], datetime],
    report: Callable[[str], None],
    say: Callable[[str, str], None],
) -> tuple[Trust, Api, ClusterConfiguration]:
    """Whom to trust, the API as that user, and the stored ClusterConfiguration."""

    def warn(message: str) -> None:
        say("warning", message)

    earlier = of_earlier_run(join, node, journal)
    if earlier is not None:
        for trust in (earlier, *earlier.elsewhere(join)):
            try:
                api = trust.api(join, node)
                return trust, api, stored_cluster(api, _reader(trust), warn, patient=False)
            except ApiError as error:
                # A control plane's leads to its own API server, which may be down.
                level = "debug" if join.control_plane else "warning"
                say(level, f"{trust.source} of an earlier run does not lead to the cluster at {trust.cluster['server']}: {error}")
    wanted = join.discovery.bootstrap_token is not None or join.discovery.file is not None
    administrator = of_administrator(join, node)
    if wanted:
        try:
            trust = discover(join, node, now=now, report=report, say=say)
        except ApiError as error:
            if administrator is None or not journal.owns(ADMIN_KUBECONFIG):
                raise
            say("warning", f"{error}; continuing with {administrator.source}, which is there already")
            trust = administrator
    else:
        trust = administrator or discover(join, node, now=now, report=report, say=say)
    trust = as_member(trust, seen, kubelet_name(join.node_registration), now()) or trust  # a certificate that can be used
    api = trust.api(join, node)
    return trust, api, stored_cluster(api, _reader(trust), warn)


def _reader(trust: Trust) -> Reader:
    return Reader(
        trust.source,
        'the token needs the usage "authentication", which `pykubeadm token list` shows on a control plane, and must not have '
        "expired",
        "the token needs the group system:bootstrappers:kubeadm:default-node-token, and the cluster `init phase upload-config "
        "all`",
    )


def _has_its_name(api: Api, join: JoinConfiguration, node: Looked) -> bool:
    """Whether the cluster has this machine as a node of this name; PreflightError where that is another one, and Ready."""
    name = kubelet_name(join.node_registration)
    found = retrying(lambda: api.get("v1", "Node", name), api.call_timeout, settling=False) or {}
    if is_this_machine(node, found):
        return True
    conditions = (found.get("status") or {}).get("conditions") or ()
    if any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions):
        raise PreflightError(
            f"the cluster has a node {name} already, and it is Ready, but it is not this machine: give this one another name "
            "(--node-name); the name of a machine that is gone is free within a minute, when its node is no longer Ready"
        )
    return False


def _control_plane_files(
    control_plane: JoinControlPlane,
    cluster: ClusterConfiguration,
    node: Node,
    api: Api,
    journal: Journal,
    *,
    own: bool,
) -> dict[str, bytes]:
    """What control planes share: decrypted from kubeadm-certs where there is a key, else it has to be on the node. `own` says
    that the API knows us as this node, which may not read that Secret."""
    if not cluster.control_plane_endpoint:
        raise PreflightError(
            "the cluster has no controlPlaneEndpoint, so nodes could not reach a second control plane: give it one "
            "with `pykubeadm reconfigure --config FILE` on its control plane"
        )
    missing = [path for path in _needed(cluster, node) if node.stat(path) is None]
    downloaded = not missing and journal.owns(posixpath.join(cluster.certificates_dir, "ca.crt"))
    if own and missing:  # what this node itself may see does not include the Secret
        raise PreflightError(
            f"this node has joined the cluster already, without {', '.join(missing)}, which a control plane needs: copy them "
            "here from another control plane or a backup, then run this again"
        )
    if control_plane.certificate_key and not downloaded and not own:  # two hours after the upload only the node has them
        files = _download(api, cluster, control_plane.certificate_key)
        if absent := [path for path in missing if path not in files]:
            raise PreflightError(
                f"the control planes share no {', '.join(absent)} (an external CA?), and on this node there is none either: copy "
                "it here, or, in place of a CA's key, all that the CA signs for this node"
            )
        return files
    if missing:
        raise PreflightError(
            f"a control plane needs what the others have, and there is neither a certificate key nor, on this node, "
            f"{', '.join(missing)}: give --certificate-key ({_NEW_KEY}), or copy the files here"
        )
    return {}


def _needed(cluster: ClusterConfiguration, node: Node) -> list[str]:
    """What cannot be made here. A CA's key may be elsewhere (external CA) where everything that it signs is on the node."""
    from pykubeadm.pki.table import TABLE, signed_by

    external = cluster.etcd.external
    names = ["sa.key", "sa.pub"]
    for ca in TABLE:
        if ca.is_ca and not (external and ca.name == "etcd-ca"):
            leaves = [leaf for leaf in signed_by(ca) if not (external and leaf.signer == "etcd-ca")]
            signed = all(node.stat(posixpath.join(cluster.certificates_dir, f"{leaf.base}.crt")) for leaf in leaves)
            names += [f"{ca.base}.crt"] if signed else [f"{ca.base}.crt", f"{ca.base}.key"]
    files = [path for path in (external.ca_file, external.cert_file, external.key_file) if path] if external else []
    return [*(posixpath.join(cluster.certificates_dir, name) for name in names), *files]


def _download(api: Api, cluster: ClusterConfiguration, key: str) -> dict[str, bytes]:
    from pykubeadm.tokens.certificate_key import parse_certificate_key
    from pykubeadm.tokens.shared_certificates import SECRET_NAME, decrypt_files, shared_files

    try:
        secret = retrying(lambda: api.get("v1", "Secret", SECRET_NAME, "kube-system"), api.call_timeout, settling=False)
    except ApiStatusError as error:
        if error.code != 403:
            raise
        raise PreflightError(
            f"the shared certificates in Secret kube-system/{SECRET_NAME} may not be read with this token: {_NEW_KEY}"
        ) from error
    if secret is None:
        raise PreflightError(
            f"there are no shared certificates in the cluster any more (Secret kube-system/{SECRET_NAME}; they are kept for two "
            f"hours): {_NEW_KEY}"
        )
    wanted = shared_files(cluster)
    stored = secret.get("data") or {}
    absent = [name for name in wanted if name not in stored]
    if absent:
        raise PreflightError(f"the Secret kube-system/{SECRET_NAME} does not have {', '.join(absent)}: {_NEW_KEY}")
    try:
        contents = decrypt_files({name: stored[name] for name in wanted}, parse_certificate_key(key))
    except ValueError as error:
        raise PreflightError(f"{error}; {_NEW_KEY}") from error
    return {wanted[name]: content for name, content in contents.items() if content is not None}
