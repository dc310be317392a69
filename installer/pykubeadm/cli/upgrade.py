"""`pykubeadm upgrade`"""

from __future__ import annotations

import click

from pykubeadm.cli.lazy import CliGroup


@click.group(
    cls=CliGroup,
    lazy={
        "apply": ("pykubeadm.cli.upgrade_apply:apply", "Upgrade the cluster, beginning with this control plane"),
        "diff": ("pykubeadm.cli.upgrade_diff:diff", "Show what an upgrade would change"),
        "node": ("pykubeadm.cli.upgrade_node:node", "Bring this node to the version of the cluster"),
        "plan": ("pykubeadm.cli.upgrade_plan:plan", "Show which versions the cluster can be upgraded to"),
    },
)
def upgrade() -> None:
    """Upgrade a cluster to another version of Kubernetes.

    `upgrade apply` runs on one control plane, then `upgrade node` on every other node, one after the other.
    """
