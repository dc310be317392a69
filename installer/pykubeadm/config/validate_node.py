"""Checks of what concerns one node: InitConfiguration, JoinConfiguration, ResetConfiguration, UpgradeConfiguration.

All run on a configuration with its defaults filled in and report every problem (kubeadm: apis/kubeadm/validation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from urllib.parse import urlsplit

from pykubeadm.config import rules
from pykubeadm.config.model import (
    APIEndpoint,
    Arg,
    BootstrapToken,
    Discovery,
    InitConfiguration,
    JoinConfiguration,
    NodeRegistration,
    Patches,
    ResetConfiguration,
    Taint,
    Timeouts,
    UpgradeConfiguration,
    field_alias,
)
from pykubeadm.config.report import Report
from pykubeadm.config.source import Path
from pykubeadm.util.ip import parse_ip

Exists = Callable[[str], bool]
_PRINTS_JOIN = "`pykubeadm token create --print-join-command`"


def check_init(init: InitConfiguration, report: Report, *, is_dir: Exists) -> None:
    _registration(init.node_registration, report)
    check_tokens(init.bootstrap_tokens, report)
    _endpoint(init.local_api_endpoint, ("localAPIEndpoint",), report)
    if init.certificate_key:
        report.problem(("certificateKey",), rules.certificate_key(init.certificate_key))
    check_patches(init.patches, ("patches",), report, is_dir=is_dir)
    _timeouts(init.timeouts, report)


def check_join(join: JoinConfiguration, report: Report, *, is_dir: Exists, is_file: Exists) -> None:
    _discovery(join.discovery, report, is_file)
    _registration(join.node_registration, report)
    if join.control_plane:
        _endpoint(join.control_plane.local_api_endpoint, ("controlPlane", "localAPIEndpoint"), report)
        if join.control_plane.certificate_key:
            report.problem(("controlPlane", "certificateKey"), rules.certificate_key(join.control_plane.certificate_key))
    report.problem(
        ("caCertPath",),
        rules.absolute_path(join.ca_cert_path)
        or ("" if join.ca_cert_path.endswith(".crt") else "the file's name must end in .crt"),
    )
    check_patches(join.patches, ("patches",), report, is_dir=is_dir)
    _timeouts(join.timeouts, report)


def check_reset(reset: ResetConfiguration, report: Report) -> None:
    report.problem(("criSocket",), rules.cri_socket(reset.cri_socket))
    report.problem(("certificatesDir",), rules.absolute_path(reset.certificates_dir))
    for index, flag in enumerate(reset.unmount_flags):
        report.problem(("unmountFlags", index), rules.one_of(flag, rules.UNMOUNT_FLAGS))
    _timeouts(reset.timeouts, report)


def check_upgrade(upgrade: UpgradeConfiguration, report: Report, *, is_dir: Exists) -> None:
    for part, patches in (("apply", upgrade.apply.patches), ("node", upgrade.node.patches)):
        if patches:
            where = (part, "patches", "directory")
            if rules.absolute_path(patches.directory):
                report.problem(where, rules.absolute_path(patches.directory))
            else:
                check_patches(patches, (part, "patches"), report, is_dir=is_dir)
    for part, policy in (("apply", upgrade.apply.image_pull_policy), ("node", upgrade.node.image_pull_policy)):
        report.problem((part, "imagePullPolicy"), rules.one_of(policy, rules.PULL_POLICIES))
    if upgrade.diff.context_lines < 0:
        report.problem(("diff", "contextLines"), "cannot be negative")
    _timeouts(upgrade.timeouts, report)


def check_arguments(arguments: tuple[Arg, ...], path: Path, report: Report) -> None:
    """Lists of {name, value} for a component's command line; a name may come several times."""
    for index, argument in enumerate(arguments):
        where: Path = (*path, index, "name")
        report.problem(where if argument.name else where[:-1], rules.argument_name(argument.name))
        if "\0" in argument.value:
            report.problem((*path, index, "value"), "cannot hold a NUL character")


def check_patches(patches: Patches | None, path: Path, report: Report, *, is_dir: Exists) -> None:
    if patches and patches.directory and not is_dir(patches.directory):
        report.problem((*path, "directory"), f'there is no directory "{patches.directory}"')


def _registration(node: NodeRegistration, report: Report) -> None:
    path: Path = ("nodeRegistration",)
    report.problem(
        (*path, "name"), rules.subdomain(node.name) if node.name else "this machine has no host name; give the node a name"
    )
    report.problem((*path, "criSocket"), rules.cri_socket(node.cri_socket))
    check_arguments(node.kubelet_extra_args, (*path, "kubeletExtraArgs"), report)
    report.problem((*path, "imagePullPolicy"), rules.one_of(node.image_pull_policy, rules.PULL_POLICIES))
    check_taints(node.taints or (), (*path, "taints"), report)


def check_taints(taints: tuple[Taint, ...], path: Path, report: Report) -> None:
    """A Node's taints."""
    seen = set()
    for index, taint in enumerate(taints):
        where: Path = (*path, index)
        report.problem((*where, "key"), rules.qualified_name(taint.key) if taint.key else "a taint needs a key")
        report.problem((*where, "value"), rules.label_value(taint.value))
        report.problem(
            (*where, "effect"), rules.one_of(taint.effect, rules.TAINT_EFFECTS) if taint.effect else "a taint needs an effect"
        )
        if taint.time_added is not None or report.wrote((*where, "timeAdded")):
            report.problem((*where, "timeAdded"), rules.timestamp(taint.time_added or ""))
        if (taint.key, taint.effect) in seen:
            report.problem(where, f'the taint "{taint.key}" with effect "{taint.effect}" is given twice')
        seen.add((taint.key, taint.effect))


def check_tokens(tokens: tuple[BootstrapToken, ...], report: Report) -> None:
    """The bootstrapTokens of an InitConfiguration."""
    seen = set()
    for index, token in enumerate(tokens):
        where: Path = ("bootstrapTokens", index)
        why, identity = rules.token(token.token), token.token.partition(".")[0]
        report.problem((*where, "token"), why)
        if not why and identity in seen:  # of what is none, this may be the secret
            report.problem((*where, "token"), f'the token ID "{identity}" is given twice')
        seen.add(identity)
        if token.expires is not None or report.wrote((*where, "expires")):
            # kubeadm gives every token of a file a ttl before it looks whether there are both.
            why = "a token cannot have expires beside its ttl, which is 24h where none is given; give a ttl in its place"
            report.problem((*where, "expires"), rules.timestamp(token.expires or "") or why)
        if token.ttl is not None and token.ttl < timedelta():
            report.problem((*where, "ttl"), "cannot be negative; 0s makes a token that never expires")
        for number, usage in enumerate(token.usages):
            report.problem((*where, "usages", number), rules.one_of(usage, rules.TOKEN_USAGES))
        for number, group in enumerate(token.groups):
            report.problem((*where, "groups", number), rules.token_group(group))
        if token.groups and "authentication" not in token.usages:
            report.problem((*where, "usages"), 'groups have a meaning only where the usages include "authentication"')


def _endpoint(endpoint: APIEndpoint, path: Path, report: Report) -> None:
    where: Path = (*path, "advertiseAddress")
    found = parse_ip(endpoint.advertise_address)
    report.problem(where, rules.address(endpoint.advertise_address))
    # One that other nodes can reach (kubeadm: VerifyAPIServerBindAddress); a missing one is reported already.
    if found and not found.is_unspecified and (found.is_multicast or found.is_link_local or found.is_loopback):
        report.problem(where, f"{found} cannot be reached from other nodes; give an address of a network interface")
    if found and str(found) == "255.255.255.255":
        report.problem(where, "the broadcast address cannot be advertised")
    report.problem((*path, "bindPort"), rules.port(endpoint.bind_port))


def _discovery(discovery: Discovery, report: Report, is_file: Exists) -> None:
    path: Path = ("discovery",)
    token, file = discovery.bootstrap_token, discovery.file
    if not token and not file:
        report.problem(path, "bootstrapToken or file must be given")
    if token and file:
        report.problem(path, "bootstrapToken and file exclude each other")
    if token:
        where: Path = (*path, "bootstrapToken")
        missing = "" if token.token else f"a bootstrap token is needed ({_PRINTS_JOIN} prints one)"
        report.problem((*where, "token"), missing or rules.token(token.token))
        missing = "" if token.api_server_endpoint else "the API server's host:port is needed"
        report.problem((*where, "apiServerEndpoint"), missing or rules.endpoint_with_port(token.api_server_endpoint.lower()))
        if not token.ca_cert_hashes and not token.unsafe_skip_ca_verification:
            without = "unsafeSkipCAVerification: true" if report.document else "--discovery-token-unsafe-skip-ca-verification"
            report.problem(
                (*where, "caCertHashes"),
                f"the hash of the cluster CA's public key is needed ({_PRINTS_JOIN} prints it); {without} goes without and "
                "trusts whoever answers",
            )
        for index, text in enumerate(token.ca_cert_hashes):
            report.problem((*where, "caCertHashes", index), rules.pin(text))
    given = report.wrote((*path, "tlsBootstrapToken")) or not token
    if discovery.tls_bootstrap_token and given:
        report.problem((*path, "tlsBootstrapToken"), rules.token(discovery.tls_bootstrap_token))
    if file:
        report.problem((*path, "file", "kubeConfigPath"), _discovery_file(file.kube_config_path, is_file))


def _discovery_file(text: str, is_file: Exists) -> str:
    if not text:
        return "a file or an https URL is needed"
    if "://" in text:
        return "" if _is_https(text) else f'"{text}" must be a file or an https URL'
    return "" if is_file(text) else f'there is no file "{text}"'


def _is_https(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme == "https" and bool(url.hostname) and url.port != 0 and not set(text) & set(" \t\r\n")
    except ValueError:  # of the port, or of brackets
        return False


def _timeouts(timeouts: Timeouts, report: Report) -> None:
    for field in fields(timeouts):
        if getattr(timeouts, field.name) < timedelta():
            report.problem(("timeouts", field_alias(field.name)), "cannot be negative")
