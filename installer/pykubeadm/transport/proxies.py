"""The environment's proxies, as Go programs and so all of Kubernetes read them (golang.org/x/net/http/httpproxy)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from pykubeadm.util.ip import parse_ip

_WITH_PORT = re.compile(r"(?P<host>[^:]+|\[.*\]):(?P<port>[0-9]{1,5})")


def proxy_for(host: str, environment: Mapping[str, str], port: int = 443) -> str:
    """The proxy for https to `host`, "" where there is none. NO_PROXY lists names, which stand for those below them, too,
    addresses and subnets, each with a port where it is only for that one."""
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    address = parse_ip(host)
    if not proxy or host == "localhost" or (address is not None and address.is_loopback):
        return ""
    for item in (environment.get("NO_PROXY") or environment.get("no_proxy") or "").lower().split(","):
        if _excepted(host.lower(), port, item.strip()):
            return ""
    return proxy


def _excepted(host: str, port: int, item: str) -> bool:
    if item == "*":
        return True
    if (found := _WITH_PORT.fullmatch(item)) is not None:
        if int(found["port"]) != port:
            return False
        item = found["host"]
    address = parse_ip(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(item.strip("[]"), strict=False)
        except ValueError:
            return False
    domain = item.removeprefix("*")  # "*.example.org" is ".example.org": only what is below
    return bool(domain) and (host == domain or host.endswith(f".{domain.removeprefix('.')}"))


def without_password(proxy: str) -> str:
    """The URL for messages, however broken it is."""
    return re.sub(r"^([a-z0-9]+://)?.*@", r"\1", proxy)
