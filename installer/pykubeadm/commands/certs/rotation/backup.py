"""A copy of all that a rotation changes on a control plane, as it was before the first stage."""

from __future__ import annotations

from pykubeadm.commands.certs.rotation.authorities import MANAGER
from pykubeadm.commands.certs.rotation.run import RotationRun
from pykubeadm.commands.certs.rotation.stages import SERVICE_ACCOUNTS, Stage
from pykubeadm.phases.ca import certificate_path
from pykubeadm.phases.certs.backup import BACKUPS, back_up
from pykubeadm.phases.certs.leaves import LEAVES
from pykubeadm.phases.certs.renew import files_of
from pykubeadm.phases.kubelet.renew_client import files_of_kubelet
from pykubeadm.phases.static_pods.manifests import manifest_path
from pykubeadm.pki.table import BY_NAME
from pykubeadm.workflow.phase import Changes


def back_up_before(run: RotationRun) -> Changes:
    """Of what an earlier run has copied the copies stay."""
    rotation = run.under_way
    if rotation.stage is not Stage.TRUST:
        return ()
    place = f"{BACKUPS}/ca-rotation-{rotation.id}"
    bases = [BY_NAME[name].base for name in rotation.names if name != SERVICE_ACCOUNTS]
    names = [f"{base}.{ending}" for base in bases for ending in ("crt", "key")]
    names += ["sa.key", "sa.pub"] if SERVICE_ACCOUNTS in rotation.names else []
    paths = [certificate_path(run, name) for name in names]
    paths += [path for leaf in LEAVES if leaf.ca in rotation.names for path in files_of(run, leaf)]
    paths += [*files_of_kubelet(run), manifest_path(MANAGER)]
    missing = [path for path in paths if run.node.stat(path) is not None and run.node.stat(f"{place}{path}") is None]
    return [f"copied what will change to {back_up(run, missing, place)}"] if missing else ()
