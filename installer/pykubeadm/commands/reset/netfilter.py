"""The cluster's part of the packet filter: chains, rules that lead to them, sets and tables, by their names.

Pure: text of iptables-save(8), nft(8) and ipset(8) in, what to give to iptables-restore(8) and the others out. Nothing is
flushed but the cluster's own chains, so that Docker's and the user's rules stay.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

# CNI's portmap, bridge and firewall plugins; our role cni. Pods that no kubelet made may need them, too.
_NETWORK_CHAINS: Final = ("CNI-", "PYKUBEADM-")
# kube-proxy and kubelet; Calico; flannel; Cilium.
_CLUSTER_CHAINS: Final = ("KUBE-", "cali-", "FLANNEL-", "CILIUM_", "OLD_CILIUM_")
_SETS: Final = ("KUBE-", "cali40", "cali60", "FLANNEL-", "cilium_")
# Of nftables' own tables: kube-proxy in mode nftables, flannel, Calico, Cilium.
_TABLES: Final = ("kube-proxy", "flannel-ipv4", "flannel-ipv6", "calico")
# Comments of rules that may stand in the kernel's own chains: Calico's (felix/iptables), flannel's (pkg/trafficmngr/iptables) and
# those of node-local DNS (kubernetes/dns: cmd/node-cache/app/cache_app.go).
_COMMENTS: Final = re.compile(r"cali:[\w-]{16}|flanneld (?:masq|forward)|NodeLocal DNS Cache: [\w ]+")
_TARGET: Final = re.compile(r"(?:^| )(?:-j|-g|--jump|--goto) (\S+)")
_MATCHED_SET: Final = re.compile(r"--match-set (\S+)")


def is_clusters_chain(name: str, *, shared: bool = False) -> bool:
    """Whether a chain is the cluster's alone; with `shared`, others' pods are on the cluster's network, so its chains stay."""
    return name.startswith(_CLUSTER_CHAINS if shared else (*_CLUSTER_CHAINS, *_NETWORK_CHAINS))


def removals(saved: str, *, shared: bool = False) -> str:
    """From what iptables-save prints, the input of `iptables-restore --noflush` that takes the cluster's part out; "" where
    there is none. Chains are emptied before they are deleted, as they lead to each other."""
    blocks = []
    for table, lines in _tables(saved):
        chains = [line[1:].split()[0] for line in lines if line.startswith(":")]
        ours = [name for name in chains if is_clusters_chain(name, shared=shared)]
        rules = [line[3:] for line in lines if line.startswith("-A ") and _leads_to_ours(line, shared=shared)]
        if ours or rules:
            steps = [*(f"-D {rule}" for rule in rules), *(f"-F {name}" for name in ours), *(f"-X {name}" for name in ours)]
            blocks.append("\n".join([f"*{table}", *steps, "COMMIT\n"]))
    return "".join(blocks)


def sets(listed: str) -> tuple[str, ...]:
    """Of what `ipset list -name` prints, the cluster's sets."""
    return tuple(name for name in listed.split() if name.startswith(_SETS))


def nft_tables(listed: str) -> tuple[tuple[str, str], ...]:
    """Of what `nft list tables` prints, family and name of the cluster's tables."""
    words = [line.split() for line in listed.splitlines()]
    return tuple((found[1], found[2]) for found in words if len(found) == 3 and found[0] == "table" and found[2] in _TABLES)


def described(restored: str) -> Sequence[str]:
    """What an input of iptables-restore deletes, for people: "nat: chain KUBE-SERVICES", "nat: rule …"."""
    found, table = [], ""
    for line in restored.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-X "):
            found.append(f"{table}: chain {line[3:]}")
        elif line.startswith("-D "):
            found.append(f"{table}: rule {line[3:]}")
    return found


def _tables(saved: str) -> Iterator[tuple[str, list[str]]]:
    table, lines = "", list[str]()
    for line in saved.splitlines():
        if line.startswith("*"):
            table, lines = line[1:].strip(), []
        elif line.strip() == "COMMIT":
            yield table, lines
        else:
            lines.append(line)


def _leads_to_ours(line: str, *, shared: bool) -> bool:
    """Whether a rule in somebody else's chain is the cluster's: it jumps to a chain of the cluster, asks a set of it, or has the
    comment of one of its parts. A comment may say anything else, so comments are left out."""
    words = _words(line)
    if is_clusters_chain(words[1], shared=shared):
        return False
    after = [("", words[0]), *itertools.pairwise(words)]
    bare = " ".join(word for before, word in after if "--comment" not in (before, word))
    target, matched = _TARGET.search(bare), _MATCHED_SET.search(bare)
    return (
        bool(target and is_clusters_chain(target[1], shared=shared))
        or bool(matched and matched[1].startswith(_SETS))
        or any(before == "--comment" and _COMMENTS.fullmatch(word) for before, word in after)
    )


def _words(rule: str) -> list[str]:
    try:
        return shlex.split(rule)
    except ValueError:  # a quote that does not end: nothing that iptables-save prints
        return rule.split()
