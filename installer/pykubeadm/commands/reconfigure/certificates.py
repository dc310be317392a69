"""certs: certificates that do not name what the configuration wants are issued again, with the names that they have.

The API server and etcd read theirs again when they change (apiserver: dynamiccertificates; etcd: client/pkg/transport), so that
nothing is restarted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pykubeadm.commands.reconfigure.run import ReconfigureRun
from pykubeadm.errors import ApiError
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.phases.certs.leaves import Leaf

_NAME: Final = "certs"
_API_SERVER: Final = "apiserver"
_READ_AGAIN_WITHIN: Final = timedelta(minutes=2)  # the API server looks once a minute where it hears of no change


def names_missing(run: ReconfigureRun) -> tuple[list[Leaf], list[str]]:
    """The certificates of this node that are to have more names, and why others that are to cannot be issued here. PhaseError
    where one cannot be read."""
    from pykubeadm.phases.certs.leaves import LEAVES
    from pykubeadm.phases.certs.renew import names_to_add, require_renewable, why_not
    from pykubeadm.pki.sans import Names

    found, problems = [], []
    for leaf in LEAVES:
        path = leaf.path(run.configuration.cluster.certificates_dir, run.kubeconfig_dir)
        if not leaf.is_wanted(run.configuration) or run.node.stat(path) is None or names_to_add(run, leaf) == Names():
            continue
        if (why := why_not(run, leaf)) is not None:
            problems.append(f"{why}: have {path} issued for the new names where the CA's key is, then run this again")
            continue
        found.append(leaf)
    require_renewable(run, found, as_before=False)
    return found, problems


def _is_control_plane(run: ReconfigureRun) -> bool:
    return run.is_control_plane


def _apply(run: ReconfigureRun) -> Changes:
    from pykubeadm.phases.certs.backup import back_up
    from pykubeadm.phases.certs.renew import files_of, renew

    leaves, problems = names_missing(run)
    for problem in problems:  # an error in preflight, and ignored there
        run.note("warning", problem, topic=_NAME)
    if not leaves:
        return ()
    run.keys.order(len(leaves))
    place = back_up(run, [path for leaf in leaves for path in files_of(run, leaf)])
    changes = [f"copied what is replaced to {place}", *(change for leaf in leaves for change in renew(run, leaf))]
    if any(leaf.name == _API_SERVER for leaf in leaves):
        _await_shown(run)
    return changes


def _await_shown(run: ReconfigureRun) -> None:
    """Until the API server shows its new certificate, unless users gave it one of their own."""
    from pykubeadm.manifests.arguments import last_value
    from pykubeadm.phases.waiting import wait

    if last_value(run.configuration.cluster.api_server.extra_args, "tls-cert-file") is None:
        wait(run, _NAME, {"the API server's certificate": lambda: _not_shown(run)}, _READ_AGAIN_WITHIN)


def _not_shown(run: ReconfigureRun) -> str | None:
    from pykubeadm.commands.existing import connect
    from pykubeadm.config.endpoint import local_url
    from pykubeadm.phases.ca import certificate_path
    from pykubeadm.pki.pem import certificate_blocks

    server = local_url(run.configuration.this_node.local_api_endpoint)
    api = connect(run.node, run.kubeconfig_path, lambda _sentence: None, server=server)
    try:
        api.get("v1", "Namespace", "kube-system")
    except ApiError as error:
        return str(error)
    held = run.node.read(certificate_path(run, "apiserver.crt")) or b""
    return None if api.server_certificate == certificate_blocks(held)[0].content else "it still shows the former one"


certs: Phase[ReconfigureRun] = Phase(
    name=_NAME,
    summary="Reissue certificates that do not have all names",
    apply=_apply,
    when=_is_control_plane,
    flags=("kubeconfig",),
)
