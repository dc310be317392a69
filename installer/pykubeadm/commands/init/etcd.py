"""etcd: the static pod of the member on this node, where etcd is not an external one."""

from __future__ import annotations

from pykubeadm.commands.init.run import InitRun
from pykubeadm.phases.static_pods.manifests import missing_directory, write_static_pod
from pykubeadm.workflow.phase import Changes, Phase


def _is_local(run: InitRun) -> bool:
    return run.configuration.cluster.etcd.external is None


def _local(run: InitRun) -> Changes:
    from pykubeadm.config.model import LocalEtcd
    from pykubeadm.manifests.etcd import NAME, etcd_pod

    node, cluster = run.configuration.this_node, run.configuration.cluster
    pod = etcd_pod(cluster, node.local_api_endpoint, node.node_registration.name, node.timeouts)
    data_dir = (cluster.etcd.local or LocalEtcd()).data_dir
    made = run.node.write(missing_directory(run.node, data_dir))
    return [*made, *write_static_pod(run, NAME, pod)]


etcd: Phase[InitRun] = Phase(
    name="etcd",
    summary="Write the static pod manifest of a local etcd",
    phases=(
        Phase(
            name="local",
            summary="Write the static pod manifest of a local, single-member etcd",
            apply=_local,
            when=_is_local,
            flags=("cert-dir", "config", "image-repository", "patches", "dry-run"),
        ),
    ),
)
