"""etcd-join: this node's etcd member joins those there are (`phases.etcd.join`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pykubeadm.commands.join.run import JoinRun
from pykubeadm.constants import MANIFESTS_DIR
from pykubeadm.workflow.phase import Changes, Phase

if TYPE_CHECKING:
    from pykubeadm.etcd.client import Member
    from pykubeadm.phases.etcd.join import Joining

_NAME = "etcd-join"
_MANIFEST = f"{MANIFESTS_DIR}/etcd.yaml"


def _has_local_etcd(run: JoinRun) -> bool:
    return run.has_local_etcd


def _data_dir(run: JoinRun) -> str:
    from pykubeadm.config.model import LocalEtcd

    return (run.configuration.cluster.etcd.local or LocalEtcd()).data_dir


def _peer_url(run: JoinRun) -> str:
    from pykubeadm.manifests.addresses import etcd_peer_url

    return etcd_peer_url(run.configuration.this_node.local_api_endpoint.advertise_address)


def _joining(run: JoinRun) -> Joining:
    from pykubeadm.phases.etcd.join import Joining

    return Joining(_NAME, _peer_url(run), _data_dir(run), partial(_write_manifest, run))


def _check(run: JoinRun) -> str | None:
    from pykubeadm.etcd.membership import Action
    from pykubeadm.phases.etcd.join import plan_of
    from pykubeadm.phases.etcd.members import etcd_client

    if run.dry_run or run.node.stat(_MANIFEST) is None:
        return None
    plan, _members = plan_of(run, _joining(run), etcd_client(run))
    return plan.action.value if plan.action is Action.NOTHING and not plan.remove else None


def _apply(run: JoinRun) -> Changes:
    from pykubeadm.phases.etcd.join import join_etcd

    if run.dry_run:
        return [*_write_manifest(run, ()), f"would add {_peer_url(run)} to etcd's members"]
    return join_etcd(run, _joining(run))


def _write_manifest(run: JoinRun, members: tuple[Member, ...]) -> Changes:
    from pykubeadm.etcd.membership import initial_cluster
    from pykubeadm.manifests.etcd import NAME, InitialMember, etcd_pod
    from pykubeadm.phases.etcd.join import has_member_data
    from pykubeadm.phases.static_pods.manifests import missing_directory, write_static_pod

    node = run.configuration.this_node
    if members and run.node.stat(_MANIFEST) is not None and has_member_data(run, _data_dir(run)):
        return []  # it has started: --initial-cluster no longer means anything, and another text would restart it
    pairs = initial_cluster(members, name=run.node_name, peer_url=_peer_url(run))
    listed = [InitialMember(name, url) for name, url in pairs]
    pod = etcd_pod(run.configuration.cluster, node.local_api_endpoint, run.node_name, node.timeouts, listed)
    made = run.node.write(missing_directory(run.node, _data_dir(run)))
    return [*(f"made {path}" for path in made), *write_static_pod(run, NAME, pod)]


etcd_join: Phase[JoinRun] = Phase(
    name=_NAME,
    summary="Add this node's etcd member",
    check=_check,
    apply=_apply,
    when=_has_local_etcd,
    flags=("apiserver-advertise-address", "control-plane", "node-name", "patches"),
)
