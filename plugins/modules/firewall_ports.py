#!/usr/bin/python
# Copyright: the pykubeadm authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: firewall_ports
short_description: Open a list of ports in the firewall that is at work
description:
  - Adds what is missing to firewalld, ufw or nftables, now and permanently. Nothing is ever removed or flushed.
  - In nftables only a rule of the chain that drops can let a packet pass. Each base chain for input and forwarded packets that
    drops gets a call of a chain of ours at its top; O(nftables_path) has these chains, and a drop-in of nftables.service loads
    it with every start.
version_added: 0.1.0
author: the pykubeadm authors (@pykubeadm)
options:
  firewall:
    description: The firewall at work. V(none) does nothing.
    type: str
    choices: [firewalld, ufw, nftables, none]
    required: true
  ports:
    description: Ports as C(6443/tcp) or C(30000-32767/tcp).
    type: list
    elements: str
    required: true
  sources:
    description: Networks from which everything is accepted, and to and from which packets are forwarded (the pods' networks).
    type: list
    elements: str
    default: []
  zone:
    description: The zone of firewalld; left out, its default zone.
    type: str
    default: ""
  nftables_path:
    description: Where the nftables rules go.
    type: path
    default: /etc/pykubeadm/firewall.nft
attributes:
  check_mode:
    support: full
    description: Reports what would be opened.
  diff_mode:
    support: full
    description: Lists the ports that would be opened.
"""

EXAMPLES = r"""
- name: Open a worker's ports
  pykubeadm.kube.firewall_ports:
    firewall: firewalld
    ports: [10250/tcp, 30000-32767/tcp]
    sources: [10.244.0.0/16]
"""

RETURN = r"""
opened:
  description: The ports and networks that were opened.
  returned: always
  type: list
  elements: str
  sample: [10250/tcp]
"""

import json
import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs

# A rule without a condition that ends what passed all rules before it.
FINAL = re.compile(r"^\s*(counter( packets \d+ bytes \d+)? )?(drop|reject( with .*)?)$", re.MULTILINE)
SIDES = {"input": ("saddr",), "forward": ("saddr", "daddr")}
DROP_IN = "/etc/systemd/system/nftables.service.d/10-pykubeadm.conf"
DROP_IN_TEXT = """# Written by pykubeadm; changes made here are lost.
[Service]
ExecStartPost=-/usr/sbin/nft --file %(path)s
ExecReload=-/usr/sbin/nft --file %(path)s
"""


class Refused(Exception):
    """The firewall's own command failed; the text is a sentence."""


def runner(module):
    def run(*command, data=None):
        status, out, err = module.run_command(list(command), environ_update={"LC_ALL": "C"}, data=data)
        if status != 0:
            raise Refused("%s failed: %s" % (" ".join(command), " ".join((err or out).split())))
        return out

    return run


def firewalld(module, run, ports, sources):
    zone = ["--zone=" + module.params["zone"]] if module.params["zone"] else []
    opened = []
    for permanent in ([], ["--permanent"]):
        have = run("firewall-cmd", *permanent, *zone, "--list-ports").split()
        trusted = run("firewall-cmd", *permanent, "--zone=trusted", "--list-sources").split()
        wanted = [("--add-port=" + port, zone, port) for port in ports if port not in have]
        wanted += [("--add-source=" + source, ["--zone=trusted"], source) for source in sources if source not in trusted]
        for option, in_zone, name in wanted:
            if not module.check_mode:
                run("firewall-cmd", *permanent, *in_zone, option)
            if name not in opened:
                opened.append(name)
    return opened


def ufw(module, run, ports, sources):
    have = run("ufw", "show", "added")
    opened = []
    for port in ports:
        rule = port.replace("-", ":")
        if not re.search(r"^ufw allow %s$" % re.escape(rule), have, re.MULTILINE):
            opened.append(port)
            if not module.check_mode:
                run("ufw", "allow", rule)
    for source, rule in ufw_rules(sources):
        if not re.search(r"^ufw %s$" % re.escape(" ".join(rule)), have, re.MULTILINE):
            if source not in opened:
                opened.append(source)
            if not module.check_mode:
                run("ufw", *rule)
    return opened


def ufw_rules(sources):
    """What everything from a network, and forwarded to and from it, is in ufw's words."""
    for source in sources:
        yield source, ("allow", "from", source)
        yield source, ("route", "allow", "from", source)
        yield source, ("route", "allow", "to", source)


class Chain:
    """A base chain that drops what it does not accept; ours is called from its top."""

    def __init__(self, found, listing):
        self.family, self.table, self.name, self.hook = (found[key] for key in ("family", "table", "name", "hook"))
        self.own = "pykubeadm_" + self.hook
        self.listing = listing
        self.closed = found.get("policy") == "drop" or bool(FINAL.search(listing))

    @property
    def place(self):
        return "%s %s" % (self.family, self.table)

    @property
    def calls_ours(self):
        return "jump %s" % self.own in self.listing

    def rules(self, ports, sources):
        by_protocol = {}
        for port in ports if self.hook == "input" else []:
            number, _slash, protocol = port.partition("/")
            by_protocol.setdefault(protocol, []).append(number)
        found = ["%s dport { %s } accept" % (protocol, ", ".join(numbers)) for protocol, numbers in sorted(by_protocol.items())]
        for source in sources:
            family = "ip6" if ":" in source else "ip"
            if self.family in ("inet", family):
                found += ["%s %s %s accept" % (family, side, source) for side in SIDES[self.hook]]
        return found


def own_chains(chains, ports, sources):
    """Our chains as a script for nft, which replaces them in one transaction. Named again, the callers may be missing at boot."""
    text = ""
    for chain in chains:
        body = "".join("    %s\n" % rule for rule in chain.rules(ports, sources))
        text += "table %s {\n  chain %s {\n  }\n  chain %s {\n  }\n}\n" % (chain.place, chain.name, chain.own)
        text += "flush chain %s %s\n" % (chain.place, chain.own)
        text += "table %s {\n  chain %s {\n%s  }\n}\n" % (chain.place, chain.own, body)
    return text


def calls(chains):
    return "".join("insert rule %s %s jump %s\n" % (chain.place, chain.name, chain.own) for chain in chains)


def closed_chains(run):
    """The administrator's base chains that drop. Tables that a program keeps as it wants them are left alone."""
    for entry in json.loads(run("nft", "--json", "list", "chains"))["nftables"]:
        found = entry.get("chain", {})
        if found.get("type") != "filter" or found.get("hook") not in SIDES or found["family"] not in ("inet", "ip", "ip6"):
            continue
        # iptables-nft has its chains in capitals, and cannot read sets.
        if found["name"].isupper() or re.match(r"(kube-proxy|firewalld|calico|cilium|docker-)", found["table"]):
            continue
        chain = Chain(found, run("nft", "list", "chain", found["family"], found["table"], found["name"]))
        if chain.closed:
            yield chain


def nftables(module, run, ports, sources):
    path = module.params["nftables_path"]
    chains = [chain for chain in closed_chains(run) if chain.rules(ports, sources)]
    if not chains:
        return []
    own = own_chains(chains, ports, sources)
    wants = [
        fs.Wanted(path, content=("# Written by pykubeadm; changes made here are lost.\n" + own + calls(chains)).encode()),
        fs.Wanted(DROP_IN, content=(DROP_IN_TEXT % {"path": path}).encode()),
    ]
    to_write = [want for want in wants if fs.differences(want)]
    without_call = [chain for chain in chains if not chain.calls_ours]
    incomplete = [chain for chain in chains if chain.calls_ours and not complete(run, chain, chain.rules(ports, sources))]
    if not to_write and not without_call and not incomplete:
        return []
    if not module.check_mode:
        for want in to_write:
            fs.apply(want, fs.selinux_label(module))
        run("nft", "--file", "-", data=own + calls(without_call))
        if to_write:
            run("systemctl", "daemon-reload")
    return list(ports + sources)


def complete(run, chain, rules):
    listing = run("nft", "list", "chain", chain.family, chain.table, chain.own)
    return sum(line.strip().endswith("accept") for line in listing.splitlines()) == len(rules)


def main():
    module = AnsibleModule(
        {
            "firewall": {"choices": ["firewalld", "ufw", "nftables", "none"], "required": True},
            "ports": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "list", "elements": "str", "default": []},
            "zone": {"type": "str", "default": ""},
            "nftables_path": {"type": "path", "default": "/etc/pykubeadm/firewall.nft"},
        },
        supports_check_mode=True,
    )
    ports, sources = module.params["ports"], module.params["sources"]
    wrong = [port for port in ports if not re.fullmatch(r"\d+(-\d+)?/(tcp|udp|sctp)", port)]
    if wrong:
        module.fail_json(msg="these are not ports as in 6443/tcp: %s" % ", ".join(wrong))
    backend = {"firewalld": firewalld, "ufw": ufw, "nftables": nftables}.get(module.params["firewall"])
    try:
        opened = backend(module, runner(module), ports, sources) if backend else []
    except Refused as error:
        module.fail_json(msg=str(error))
    lines = "".join("open %s\n" % name for name in opened)
    diff = {"before_header": "firewall", "after_header": "firewall", "before": "", "after": lines}
    module.exit_json(changed=bool(opened), opened=opened, diff=diff)


if __name__ == "__main__":
    main()
