"""serving-approver (ours): with serverTLSBootstrap, a service on each control plane that approves kubelets' serving certificates.

A service and no Deployment: it needs no image, works before there is a pod network, and goes with its control plane.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Final

from pykubeadm.node.port import File, Unit
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes, Phase

UNIT: Final = "pykubeadm-serving-approver"
PATH: Final = f"/etc/systemd/system/{UNIT}.service"

_SERVICE = """\
[Unit]
Description=Approves the serving certificates of the cluster's kubelets
After=network-online.target kubelet.service

[Service]
ExecStart={command}
Restart=always
RestartSec=10
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def _is_wanted(run: ClusterRun) -> bool:
    """On control planes of clusters whose kubelets ask for such certificates, where there is a systemd."""
    asks = run.configuration.kubelet.get("serverTLSBootstrap") is True
    return asks and run.is_control_plane and run.node.stat("/run/systemd/system") is not None


def _apply(run: ClusterRun) -> Changes:
    if run.node.remote:
        run.note(
            "warning",
            f"{run.node.name} has no pykubeadm, which {UNIT} would run: approve kubelets' serving certificates with "
            "`pykubeadm certs approve-kubelet-serving`",
            topic="serving-approver",
        )
        return ()
    program = os.path.abspath(sys.argv[0])
    command = [program] if os.path.basename(program) == "pykubeadm" else [sys.executable, "-m", "pykubeadm"]
    command += ["certs", "approve-kubelet-serving", "--watch", "--kubeconfig", run.kubeconfig_path]
    changed = run.node.write([File(PATH, _SERVICE.format(command=shlex.join(command)).encode())])
    actions = run.node.ensure_unit(Unit(UNIT, state="restarted" if changed else "started"))
    return [*(f"wrote {path}" for path in changed), *(f"{action} {UNIT}" for action in actions)]


serving_approver: Phase[ClusterRun] = Phase(
    name="serving-approver",
    summary="Approve kubelets' serving certificates from now on (with serverTLSBootstrap)",
    apply=_apply,
    when=_is_wanted,
    flags=("config",),
)
