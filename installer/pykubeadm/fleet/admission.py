"""With what hosts join in one run: made for it, kept in memory and in the cluster, and deleted there when the run is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from pykubeadm.config.fleet import CONTROL_PLANE, Host
from pykubeadm.config.model import BootstrapToken
from pykubeadm.errors import ApiError, PhaseError
from pykubeadm.fleet.cluster import api_of
from pykubeadm.fleet.documents import TOKEN_DESCRIPTION, TOKEN_LIFETIME, Admission, init_source
from pykubeadm.fleet.file import Described
from pykubeadm.phases.certs.place import certificates_dir
from pykubeadm.phases.run import utc_now
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.ip import join_host_port

if TYPE_CHECKING:
    from pykubeadm.kube.port import Api
    from pykubeadm.node.port import Node
    from pykubeadm.workflow.events import Subscriber


_WITHDRAWN_WITHIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Open:
    """A cluster that hosts can join: its seed, the API there, and what lets them in."""

    seed: Host
    node: Node
    api: Api
    admission: Admission


def new_admission() -> Admission:
    from pykubeadm.tokens.bootstrap import generate_token
    from pykubeadm.tokens.certificate_key import generate_certificate_key

    return Admission(generate_token().text, generate_certificate_key())


def opened(described: Described, seed: Host, node: Node, address: str, admission: Admission) -> Open:
    """The cluster of the seed, where hosts join at the admission's endpoint, without one at the file's. Raises what the API
    raises."""
    from pykubeadm.pki.check import load_certificates
    from pykubeadm.tokens.pin import pin_of

    path = f"{certificates_dir(node)}/ca.crt"
    content = node.read(path)
    if content is None:
        raise PhaseError(f"there is no {path} on {seed.name}")
    cluster = described.configuration.cluster
    port = described.configuration.this_node.local_api_endpoint.bind_port
    endpoint = admission.endpoint or cluster.control_plane_endpoint or join_host_port(address, port)
    pins = tuple(pin_of(certificate) for certificate in load_certificates(content))
    return Open(seed, node, api_of(node), replace(admission, endpoint=endpoint, ca_cert_hashes=pins))


def admit(found: Open, described: Described, address: str, joining: list[Host], emit: Subscriber) -> None:
    """Have the token known in a cluster that is there already, and share the certificates with control planes to come."""
    from pykubeadm.kube.bootstrap_tokens import create_token
    from pykubeadm.tokens.documents import token_secret

    token = BootstrapToken(token=found.admission.token, description=TOKEN_DESCRIPTION, ttl=TOKEN_LIFETIME)
    create_token(found.api, token_secret(token, utc_now()))
    if not any(CONTROL_PLANE in host.parts for host in joining):
        return
    from pykubeadm.commands.init.command import init
    from pykubeadm.commands.init.upload_certs import upload_certs
    from pykubeadm.workflow.phase import Step

    init(
        {"upload_certs": True, "skip_certificate_key_print": True},
        emit,
        choose=lambda _skipped: (Step("upload-certs", upload_certs),),
        name="init phase upload-certs",
        machine=found.node,
        source=init_source(described.cluster, described.configuration, found.seed, address, found.admission),
    )


def withdraw(api: Api, admission: Admission, note: Callable[[str], None], *, shared: bool) -> None:
    """Delete the token, and where they were shared with its key, the certificates; what cannot be deleted ends by itself within
    two hours."""
    from pykubeadm.kube.apply import retrying
    from pykubeadm.tokens.shared_certificates import SECRET_NAME

    token = f"bootstrap-token-{admission.token.partition('.')[0]}"
    for name in (token, SECRET_NAME) if shared else (token,):
        try:
            retrying(partial(api.delete, "v1", "Secret", name, "kube-system"), _WITHDRAWN_WITHIN, settling=False)
        except ApiError as error:
            note(f"Secret kube-system/{name} could not be deleted, and ends by itself within two hours: {error}")
