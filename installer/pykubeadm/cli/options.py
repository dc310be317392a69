"""kubeadm's flags, by name, with their types and help; commands take those they need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from pykubeadm.cli.lazy import Globals
from pykubeadm.constants import FALSE, TRUE

# A part of a list, in double quotes (which are doubled in there) where a comma belongs to it, up to the next comma.
_PART = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",]*?))\s*(?:,|\Z)')


class Strings(click.ParamType):  # type: ignore[type-arg] # generic only from click 8.4 on
    """pflag's StringSlice, a line of CSV; may be given several times. Blanks around parts, and empty parts, say nothing."""

    name = "strings"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        text, parts, position = str(value), [], 0
        while position < len(text):
            found = _PART.match(text, position)
            if found is None:
                self.fail(
                    f"""{text!r}: a part with a comma or quotes is written like "ACME, Inc." or "a""b", quotes included""",
                    param,
                    ctx,
                )
            quoted = found["quoted"]
            parts.append(found["plain"] if quoted is None else quoted.replace('""', '"'))
            position = found.end()
        return tuple(filter(None, parts))


class Pairs(click.ParamType):  # type: ignore[type-arg] # generic only from click 8.4 on
    """name=value pairs between commas, as typed; may be given several times, and each mention adds to those before."""

    name = "pairs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(str(value).split(","))


class Number(click.ParamType):  # type: ignore[type-arg] # generic only from click 8.4 on
    """pflag's Int: decimal, or in the base that its beginning says, as in 0x1F and 017 (Go: strconv.ParseInt)."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not re.fullmatch(r"[-+\w]+", text, re.ASCII):  # Python would read blanks and other digits, too
            self.fail(f"{text!r} is not a whole number", param, ctx)
        try:
            return int(text, 8 if re.match(r"[-+]?0[0-7_]", text) else 0)
        except ValueError:
            self.fail(f"{text!r} is not a whole number", param, ctx)


class Truth(click.ParamType):  # type: ignore[type-arg] # generic only from click 8.4 on
    """A switch that is on unless it is switched off: `--etcd-upgrade=false` (Go: strconv.ParseBool)."""

    name = "truth"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if isinstance(value, bool):
            return value
        if value not in TRUE | FALSE:
            self.fail(f"{value!r} is neither true nor false", param, ctx)
        return value in TRUE


def flattened(value: Iterable[Iterable[str]] | None) -> tuple[str, ...] | None:
    """The parts of all mentions of a Strings or Pairs flag; None where it was not given."""
    parts = tuple(part for mention in value or () for part in mention)
    return parts or None


_TEXT: dict[str, str] = {
    "apiserver-advertise-address": "The address the API server says it listens on (default: the default route's).",
    "cert-dir": "Where certificates and keys are (default: /etc/kubernetes/pki).",
    "certificate-key": "Hex-encoded 32-byte AES key for the kubeadm-certs Secret (default: a new one).",
    "config": "A kubeadm configuration file (kubeadm.k8s.io/v1beta4 or v1beta3).",
    "control-plane-endpoint": "A stable address or DNS name, with an optional port, for the whole control plane.",
    "cri-socket": "The container runtime's socket (default: the one that is there).",
    "discovery-file": "A kubeconfig, or the https URL of one, that says where the cluster is and whom to trust there.",
    "discovery-token": "The bootstrap token with which cluster-info is signed (default: that of --token).",
    "drain-timeout": "How long pods may take to leave the node, such as 10m (default: 5m0s).",
    "image-repository": "Where control-plane images come from (default: registry.k8s.io).",
    "kubeconfig": "The kubeconfig to speak to the cluster with (default: /etc/kubernetes/admin.conf).",
    "kubeconfig-dir": "Where kubeconfig files are written (default: /etc/kubernetes).",
    "kubernetes-version": "The control plane's version, or a label such as stable-1.36 (default: stable-1).",
    "node-name": "The node's name (default: the host name).",
    "patches": "A directory of patches named target[suffix][+patchtype].extension.",
    "pod-network-cidr": "The pods' subnet; every node gets a part of it.",
    "service-cidr": "The Services' subnet (default: 10.96.0.0/12).",
    "service-dns-domain": "The cluster's DNS domain (default: cluster.local).",
    "tls-bootstrap-token": "The bootstrap token with which the kubelet asks for its certificate (default: that of --token).",
    "token": "The bootstrap token, [a-z0-9]{6}.[a-z0-9]{16} (default: a new one).",
    "token-ttl": "How long the token is valid, such as 2h; 0 means forever (default: 24h0m0s).",
}
_STRINGS: dict[str, str] = {
    "apiserver-cert-extra-sans": "Additional names and addresses for the API server's certificate.",
    "discovery-token-ca-cert-hash": "sha256:<hex> of the public key that the cluster's CA must have; one of several.",
    "ignore-preflight-errors": "Checks whose errors are only warnings, by name; `all` stands for every check.",
    "keep": "Leave these, as kubeadm's reset does: cni, interfaces, kubeconfig, logs, rules, tmp, units.",
    "skip-phases": "Phases to skip, such as addon/kube-proxy.",
}
_PAIRS: dict[str, str] = {
    "apiserver-extra-args": "name=value flags for the kube-apiserver; they override the defaults.",
    "controller-manager-extra-args": "name=value flags for the kube-controller-manager; they override the defaults.",
    "feature-gates": "name=true or name=false: RootlessControlPlane, NodeLocalCRISocket, PublicKeysECDSA.",
    "scheduler-extra-args": "name=value flags for the kube-scheduler; they override the defaults.",
}
_TRUTHS: dict[str, str] = {
    "certificate-renewal": "Renew the certificates of the components that change (default: true).",
    "etcd-upgrade": "Upgrade etcd, too (default: true).",
}
_SWITCHES: dict[str, str] = {
    "allow-experimental-upgrades": "Allow versions that are not releases: alpha, beta, release candidates.",
    "allow-release-candidate-upgrades": "Allow release candidates.",
    "cleanup-tmp-dir": "Accepted as by kubeadm; /etc/kubernetes/tmp is removed unless --keep names tmp.",
    "control-plane": "Make this node a control plane, not a worker.",
    "discovery-token-unsafe-skip-ca-verification": "Trust the CA in cluster-info without knowing its hash.",
    "delete-emptydir-data": "Evict pods that keep data in an emptyDir, too: the data is lost.",
    "dry-run": "Print what would be written and run, secrets masked; change nothing.",
    "force": "Do not ask for confirmation.",
    "kubelet": "Drain the node and replace its kubelet, kubectl and CNI plugins, too.",
    "print-config": "Print the cluster's configuration that is used.",
    "print-manifest": "Print the manifests instead of applying them.",
    "skip-certificate-key-print": "Do not print the certificate key.",
    "skip-token-print": "Do not print the bootstrap token.",
    "upload-certs": "Upload the control plane's certificates, encrypted, for control planes that join.",
    "yes": "Do not ask for confirmation.",
}


_SHORT = {"force": ("-f",), "yes": ("-y",)}


def option(name: str) -> click.Option:
    """The click option of a kubeadm flag; its value is None (or False for a switch) where it is not given."""
    if name in _TEXT:
        return click.Option([f"--{name}"], metavar="TEXT", help=_TEXT[name])
    if name in _STRINGS:
        return click.Option([f"--{name}"], type=Strings(), multiple=True, metavar="LIST", help=_STRINGS[name])
    if name in _PAIRS:
        return click.Option([f"--{name}"], type=Pairs(), multiple=True, metavar="PAIRS", help=_PAIRS[name])
    if name in _TRUTHS:
        return click.Option([f"--{name}"], type=Truth(), metavar="true|false", help=_TRUTHS[name])
    if name in _SWITCHES:
        return click.Option([f"--{name}", *_SHORT.get(name, ())], is_flag=True, help=_SWITCHES[name])
    assert name == "apiserver-bind-port", name
    return click.Option([f"--{name}"], type=Number(), metavar="PORT", help="The port the API server listens on (default: 6443).")


UNREAD = "Accepted as by kubeadm; has no effect here."


def unread_kubeconfig() -> click.Option:
    """For commands that have --kubeconfig with kubeadm and speak to no cluster."""
    return click.Option(["--kubeconfig"], metavar="TEXT", expose_value=False, help=UNREAD)


def _remember_output(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    ctx.ensure_object(Globals).output = value
    return value


def output_option() -> click.Option:
    """Of a command that reports what happens."""
    return click.Option(
        ["-o", "--output"],
        type=click.Choice(["text", "json"]),
        default="text",
        callback=_remember_output,
        help="How to report what happens: for people, or one JSON object a line (pykubeadm.events/v1).",
    )


# kubeadm's, by the names that output/forms.py knows (cli-runtime, genericclioptions).
_FORMS = (
    *("json", "yaml", "kyaml"),
    *("go-template", "go-template-file", "template", "templatefile", "jsonpath", "jsonpath-as-json", "jsonpath-file"),
)


class _Forms(click.Choice):  # type: ignore[type-arg] # generic only from click 8.4 on
    """A form's name, in any case as kubeadm has it; that of a template goes on with its "=" and the template."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name, separator, template = str(value).partition("=")
        chosen = str(super().convert(name.lower(), param, ctx))
        if separator and "template" not in chosen and not chosen.startswith("jsonpath"):
            self.fail(f"{chosen!r} takes no {separator + template!r}", param, ctx)
        return f"{chosen}{separator}{template}"


def warn_days_option() -> click.Option:
    """Of commands that print when certificates expire; they end with EXPIRES_SOON."""
    return click.Option(
        ["--warn-days"],
        type=click.IntRange(min=0),
        metavar="DAYS",
        help="List what expires within this many days, and end with status 7 if something does.",
    )


def document_options(*own: str) -> list[click.Option]:
    """Of a command that prints documents; `output.chosen_form` makes a form of them. `own` are forms that the command has beside
    kubeadm's; the first of them, or yaml, is its default."""
    return [
        click.Option(
            ["-o", "--output"],
            type=_Forms([*own, *_FORMS]),
            default=(*own, "yaml")[0],
            show_default=True,
            metavar="FORM",
            help=f"Output format: {', '.join([*own, *_FORMS])}. Templates are given as {_FORMS[3]}=TEMPLATE, or as =FILE.",
        ),
        click.Option(
            ["--allow-missing-template-keys"],
            type=Truth(),
            default=True,
            metavar="true|false",
            help="Print nothing, or <no value>, for a field that a template names and that is missing (default: true).",
        ),
        click.Option(["--show-managed-fields"], is_flag=True, expose_value=False, help=UNREAD),
    ]
