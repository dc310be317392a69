"""IP addresses as Kubernetes reads them (k8s.io/utils/net: ParseIPSloppy)."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


@lru_cache(maxsize=256)
def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, None where it is none. Leading zeros in IPv4 are decimal ("010.0.0.1" is 10.0.0.1),
    an IPv4-mapped IPv6 address is the IPv4 address, a zone is refused."""
    if "%" in text or len(text) > 64:
        return None
    head, separator, tail = text.rpartition(":")
    fields = tail.split(".")
    if len(fields) == 4 and all(field.isascii() and field.isdigit() for field in fields):
        text = f"{head}{separator}{'.'.join(str(int(field)) for field in fields)}"
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def join_host_port(host: str, port: int | str) -> str:
    """`host:port`, with brackets around an IPv6 address (Go: net.JoinHostPort)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_host_port(text: str) -> tuple[str, str]:
    """Host and port of "host", "host:port", "[v6]", "[v6]:port" or a bare IPv6 address; the port is "" where there is none."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, ""


def address_in(subnets: str, index: int) -> str:
    """The address number `index` of the first of comma-separated subnets: 1 is the API server's in the service subnet,
    10 the cluster DNS's. Raises ValueError where the text is not a subnet, IndexError where it is too small."""
    base, _, length = subnets.partition(",")[0].strip().partition("/")
    return str(ip_network(f"{parse_ip(base)}/{length}", strict=False)[index])
