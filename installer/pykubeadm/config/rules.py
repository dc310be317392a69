"""Single rules that a value keeps or breaks: each takes the value and returns a sentence, "" where all is well.

The forms are Kubernetes' (apimachinery: util/validation, utils/net) and kubeadm's (apis/kubeadm/validation).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from pykubeadm.constants import BOOTSTRAP_TOKEN_PATTERN
from pykubeadm.util.ip import parse_ip
from pykubeadm.util.timestamp import parse_timestamp

Network = IPv4Network | IPv6Network

TOKEN = re.compile(BOOTSTRAP_TOKEN_PATTERN)
TOKEN_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]", re.ASCII)
TOKEN_USAGES = ("signing", "authentication")
PIN = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII | re.IGNORECASE)
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
ENCRYPTION_ALGORITHMS = ("RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384")
UNMOUNT_FLAGS = ("MNT_FORCE", "MNT_DETACH", "MNT_EXPIRE", "UMOUNT_NOFOLLOW")
PATH_TYPES = ("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_DNS_LABEL = re.compile(_LABEL, re.ASCII)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_HOST_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REGISTRY_ALONE = re.compile(_REGISTRY, re.ASCII)
_FOLDER = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_REGISTRY}|(?:{_REGISTRY}/)?{_FOLDER}(?:/{_FOLDER})*", re.ASCII)
_IMAGE_TAG = re.compile(r"\w[\w.-]{0,127}(@[a-z0-9]+:[0-9a-f]{32,})?", re.ASCII)  # a digest may follow
_ENDPOINT = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[^\s/?#:\[\]@%]+)(:\d*)?(/[^\s?#]*)?", re.ASCII)
_HOST = re.compile(r"\w([\w.-]*[\w.])?", re.ASCII)
_UNIX_ENDPOINT = re.compile(r"unixs?://[^\s]+", re.ASCII)


def subdomain(text: str) -> str:
    """An RFC 1123 subdomain, as names of nodes and domains are."""
    if len(text) > 253:
        return f"has {len(text)} characters, a DNS name has at most 253"
    if not _SUBDOMAIN.fullmatch(text):
        return f'"{text}" is not a DNS name: lower-case letters, digits, "-" and ".", a letter or digit at each end of every part'
    return ""


def alternative_name(text: str) -> str:
    """A certificate's SAN: an address, a DNS name, or one with a wildcard before it."""
    if parse_ip(text) or not subdomain(text) or (text.startswith("*.") and not subdomain(text[2:]) and len(text) <= 253):
        return ""
    return f'"{text}" is not an IP address, DNS name or wildcard such as "*.example.com"'


def dns_label(text: str) -> str:
    if len(text) > 63 or not _DNS_LABEL.fullmatch(text):
        return f'"{text}" is not a name of at most 63 lower-case letters, digits and "-", with a letter or digit at each end'
    return ""


def qualified_name(text: str) -> str:
    """A label's or taint's key: `[prefix/]name`."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not prefix or subdomain(prefix)):
        return f'"{text}" needs a DNS name before the slash'
    if len(name) > 63 or not _QUALIFIED.fullmatch(name):
        return f'"{text}" is not a key: at most 63 letters, digits, "-", "_" and ".", a letter or digit at each end'
    return ""


def label_value(text: str) -> str:
    if len(text) > 63 or (text and not _QUALIFIED.fullmatch(text)):
        return f'"{text}" is not a label value: at most 63 letters, digits, "-", "_" and ".", a letter or digit at each end'
    return ""


def address(text: str) -> str:
    return "" if parse_ip(text) else f'"{text}" is not an IP address'


def port(number: int) -> str:
    return "" if 1 <= number <= 65535 else f"{number} is not a port; ports are 1 to 65535"


def port_text(text: str) -> str:
    return (
        ""
        if text.isascii() and text.isdigit() and len(text) <= 5 and not port(int(text))
        else f'"{text}" is not a port; ports are 1 to 65535'
    )


def split_endpoint(text: str) -> tuple[str, str] | None:
    """Host and port ("" where there is none) of "host", "host:port", "[v6]:port" or a bare address; None where Go sees no pair
    and the whole is not a host either (net.SplitHostPort, then kubeadm's ParseHostPort)."""
    if text.startswith("["):
        found = re.fullmatch(r"\[([^\[\]]*)\]:([^:\[\]]*)", text)
        return (found[1], found[2]) if found else None
    if text.count(":") == 1:
        host, _, after = text.partition(":")
        return host, after
    return text, ""


def endpoint(text: str) -> str:
    """host[:port] as controlPlaneEndpoint has it."""
    pair = split_endpoint(text)
    if not pair:
        return f'"{text}" is not a host, host:port or [IPv6]:port'
    host, after = pair
    if after and port_text(after):
        return port_text(after)
    if not parse_ip(host) and subdomain(host):
        return f'"{host}" in "{text}" is neither an IP address nor a DNS name (lower case)'
    return ""


def endpoint_with_port(text: str) -> str:
    """host:port as `join` gets it. The host may be any name that a resolver may know: "my_lb", "lb.example.com."."""
    if "://" in text:
        return f'"{text}" is a URL; give host and port alone, as in "10.0.0.1:6443"'
    if text.count(":") > 1 and not text.startswith("["):
        return f'"{text}" needs brackets around the IPv6 address and a port, as in "[fd00::1]:6443"'
    pair = split_endpoint(text)
    if pair and not pair[1]:
        return f'"{text}" needs a port, as in "10.0.0.1:6443"'
    if pair and _HOST.fullmatch(pair[0]):
        return port_text(pair[1])
    return endpoint(text)


def absolute_path(text: str) -> str:
    if not text:
        return "an absolute path is needed"
    if "\0" in text:
        return "a path cannot hold a NUL character"
    return "" if text.startswith("/") else f'"{text}" is not absolute; write the path from /'


def registry(text: str) -> str:
    """The first part of an image's name, by which runtimes know a registry."""
    return (
        ""
        if _REGISTRY_ALONE.fullmatch(text)
        else f'"{text}" is not a registry such as "docker.io" or "registry.example.com:5000"'
    )


def image_repository(text: str) -> str:
    return "" if _REPOSITORY.fullmatch(text) else f'"{text}" is not an image repository such as "registry.example.com/kubernetes"'


def image_tag(text: str) -> str:
    return "" if _IMAGE_TAG.fullmatch(text) else f'"{text}" is not an image tag'


def one_of(text: str, known: tuple[str, ...]) -> str:
    return "" if text in known else f'"{text}" is not known; it is one of {", ".join(word for word in known if word)}'


def token(text: str) -> str:
    """A bootstrap token. The token itself is a secret and is not repeated."""
    return "" if TOKEN.fullmatch(text) else 'is not a bootstrap token of the form "[a-z0-9]{6}.[a-z0-9]{16}"'


def token_group(text: str) -> str:
    return "" if TOKEN_GROUP.fullmatch(text) else f'"{text}" is not a group of the form "system:bootstrappers:[a-z0-9:-]*"'


def certificate_key(text: str) -> str:
    """A hex-encoded AES-256 key. The key itself is a secret and is not repeated."""
    if not re.fullmatch("[0-9a-fA-F]*", text):
        return "is not hexadecimal"
    if len(text) != 64:
        return f"has {len(text)} hexadecimal digits; an AES key of 32 bytes has 64 (`pykubeadm certs certificate-key` makes one)"
    return ""


def pin(text: str) -> str:
    return "" if PIN.fullmatch(text) else f'"{text}" is not a public key hash of the form "sha256:" and 64 hexadecimal digits'


def timestamp(text: str) -> str:
    try:
        parse_timestamp(text)
    except ValueError as error:
        return str(error)
    return ""


def url(text: str, *, https: bool) -> str:
    """A URL of an etcd member."""
    if not https and _UNIX_ENDPOINT.fullmatch(text):
        return ""
    found = _ENDPOINT.fullmatch(text)
    if not found:
        return f'"{text}" is not a URL such as "https://10.0.0.1:2379"'
    if https and found[1] != "https":
        return f'"{text}" must use https, since certificate files are given'
    if found[3] and found[3] != ":" and port_text(found[3][1:]):
        return port_text(found[3][1:])
    if found[2].startswith("[") and not parse_ip(found[2][1:-1]):
        return f'"{found[2][1:-1]}" in "{text}" is not an IPv6 address'
    return ""


def cri_socket(text: str) -> str:
    if re.fullmatch(r"unix:(//)?/(?!/)[^\s\0]+", text):
        return ""
    return f'"{text}" is not a socket URL such as "unix:///var/run/containerd/containerd.sock"'


def argument_name(text: str) -> str:
    if not text:
        return "an argument needs a name"
    if text.startswith("-"):
        return f'write the name without dashes before it: "{text.lstrip("-")}"'
    return f'"{text}" is not a flag name' if re.search(r"[\s=\0]", text) else ""


def env_name(text: str) -> str:
    if not text:
        return "an environment variable needs a name"
    return f'"{text}" is not a name: printable ASCII without "="' if re.search(r"[^\x20-\x7e]|=", text) else ""


def networks(text: str) -> tuple[list[Network], str]:
    """The subnets of a comma-separated list as Kubernetes reads it, host bits ignored; or the sentence why it is none."""
    found: list[Network] = []
    for part in text.split(","):
        base, slash, length = part.partition("/")
        ip = parse_ip(base)
        digits = length.isascii() and length.isdigit() and len(length) <= 4
        mapped = ip and ip.version == 4 and ":" in base  # ::ffff:10.0.0.0 takes another length than IPv4 does
        if not ip or mapped or not slash or not digits or int(length) > ip.max_prefixlen:
            spaced = "; leave out the space" if part != part.strip() else ""
            return [], f'"{part}" is not a subnet such as "10.244.0.0/16"{spaced}'
        found.append(ip_network(f"{ip}/{int(length)}", strict=False))
    if len(found) > 2 or (len(found) == 2 and found[0].version == found[1].version):
        return found, f'"{text}": give one subnet, or for dual stack two: one IPv4 and one IPv6'
    return found, ""


def host_bits(text: str) -> Iterator[tuple[str, Network]]:
    """The subnets of a well-formed list whose address lies within the network, with the network that is meant."""
    for part, network in zip(text.split(","), networks(text)[0], strict=False):
        if parse_ip(part.partition("/")[0]) != network.network_address:
            yield part, network
