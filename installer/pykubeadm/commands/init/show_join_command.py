"""show-join-command: how to use the cluster, and how further nodes join it. The only place that shows tokens."""

from __future__ import annotations

from pykubeadm.commands.init.run import InitRun
from pykubeadm.workflow.phase import Changes, Phase

_WITHHELD = "<value withheld>"  # kubeadm's words

_USE = """\
Your Kubernetes control plane is up.

To use the cluster as a regular user:

  mkdir -p $HOME/.kube
  sudo cp -i {kubeconfig} $HOME/.kube/config
  sudo chown $(id -u):$(id -g) $HOME/.kube/config

or as root:

  export KUBECONFIG={kubeconfig}

Pods need a network before they start; choose one from
https://kubernetes.io/docs/concepts/cluster-administration/addons/ and apply it with kubectl."""

_CONTROL_PLANES_WITH_KEY = """\
To add a control plane, run there as root:

  {command}

The certificate key opens the cluster's certificate authorities: keep it secret. What it opens is deleted after two hours;
`pykubeadm init phase upload-certs --upload-certs` uploads it again."""

_CONTROL_PLANES = """\
To add a control plane, copy ca, front-proxy-ca, etcd/ca and sa (.crt, .key, .pub) from {certificates} there, then run as root:

  {command}"""

_WORKERS = """\
To add a worker, run there as root:

  {command}"""

_NOT_JOINABLE = """\
No bootstrap token is in the cluster yet; `pykubeadm token create --print-join-command` makes one and shows how to join."""


def _apply(run: InitRun) -> Changes:
    from pykubeadm.commands.init.bootstrap_token import tokens_in_cluster
    from pykubeadm.kube.credentials import ca_pins
    from pykubeadm.phases.cluster.connection import admin_credentials
    from pykubeadm.tokens.join_command import join_command

    admin = admin_credentials(run)
    pins = ca_pins(admin)
    named = tuple(token.token for token in run.init.bootstrap_tokens if token.token not in run.made_tokens)
    tokens = run.tokens or named or tokens_in_cluster(run)  # without the phase before, what was made leads nowhere
    key = run.certificate_key if run.upload_certs else ""
    parts = [_USE.format(kubeconfig=run.kubeconfig_path)]
    data = {"kubeconfig": run.kubeconfig_path}
    # Several tokens lead to the same cluster: kubeadm repeats everything for each, here the first one does.
    for token in tokens[:1]:
        shown_token = _WITHHELD if run.skip_token_print else token
        shown_key = _WITHHELD if key and run.skip_certificate_key_print else key
        if run.configuration.cluster.control_plane_endpoint:
            command = join_command(admin.server, shown_token, pins, control_plane=True, certificate_key=shown_key)
            text = _CONTROL_PLANES_WITH_KEY if key else _CONTROL_PLANES
            parts.append(text.format(command=command, certificates=run.configuration.cluster.certificates_dir))
            data["joinControlPlane"] = command
        worker = join_command(admin.server, shown_token, pins)
        parts.append(_WORKERS.format(command=worker))
        data["joinWorker"] = worker
    if not tokens:
        parts.append(_NOT_JOINABLE)
    run.result("join-commands", "\n\n".join(parts), **data)
    return []


def _check(run: InitRun) -> str | None:
    return "a dry run makes nothing that nodes could join" if run.dry_run else None


show_join_command: Phase[InitRun] = Phase(
    name="show-join-command", summary="Show how nodes join", check=_check, apply=_apply, unchanged="shown"
)
