"""What device plugins offer on nodes."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.verify.documents import container
from pykubeadm.commands.verify.row import NotServedError, Row
from pykubeadm.commands.verify.trial import Trial

_BUILT_IN: Final = ("hugepages-", "attachable-volumes-")


def _plugin(trial: Trial) -> str:
    offered = {
        name: node["metadata"]["name"]
        for node in trial.cluster.nodes
        for name, amount in ((node.get("status") or {}).get("allocatable") or {}).items()
        if "/" in name and not name.startswith(_BUILT_IN) and "kubernetes.io/" not in name and amount != "0"
    }
    if not offered:
        raise NotServedError("no device plugin offers anything on any node")
    for number, name in enumerate(sorted(offered)):
        trial.start_pod(
            str(number), container(trial.cluster.pause, resources={"limits": {name: "1"}}), tolerations=[{"operator": "Exists"}]
        )
    return f"pods were given {', '.join(sorted(offered))}"


ROWS: Final = (Row("devices/plugin", "a pod is given a device", _plugin),)
