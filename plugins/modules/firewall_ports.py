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
  - For nftables the ports go into one table of their own in O(nftables_path), which the main configuration must include;
    a verdict there cannot undo a drop of another table, so a warning tells of base chains that drop by policy.
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
    description: Networks from which everything is accepted (the pods' networks).
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
    default: /etc/nftables.d/pykubeadm.nft
attributes:
  check_mode:
    support: full
    description: Tells what would be opened.
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

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pykubeadm.kube.plugins.module_utils import filesystem as fs


class Refused(Exception):
    """The firewall's own command failed; the text is a sentence."""


def runner(module):
    def run(*command, check=True):
        status, out, err = module.run_command(list(command), environ_update={"LC_ALL": "C"})
        if check and status != 0:
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
    for source in sources:
        if not re.search(r"^ufw allow from %s$" % re.escape(source), have, re.MULTILINE):
            opened.append(source)
            if not module.check_mode:
                run("ufw", "allow", "from", source)
    return opened


def ruleset(ports, sources):
    """One table, replaced as a whole in one transaction."""
    by_protocol = {}
    for port in ports:
        number, _slash, protocol = port.partition("/")
        by_protocol.setdefault(protocol, []).append(number)
    rules = ["%s dport { %s } accept" % (protocol, ", ".join(numbers)) for protocol, numbers in sorted(by_protocol.items())]
    rules += ["ip%s saddr %s accept" % ("6" if ":" in source else "", source) for source in sources]
    body = "".join("    %s\n" % rule for rule in rules)
    return (
        "# Written by pykubeadm; changes made here are lost.\n"
        "table inet pykubeadm\ndelete table inet pykubeadm\n"
        "table inet pykubeadm {\n  chain input {\n    type filter hook input priority filter - 5; policy accept;\n%s  }\n}\n"
        % body
    )


def nftables(module, run, ports, sources):
    path = module.params["nftables_path"]
    want = fs.Wanted(path, content=ruleset(ports, sources).encode())
    loaded = "table inet pykubeadm" in run("nft", "list", "tables")
    opened = list(ports + sources) if fs.differences(want) or not loaded else []
    if opened and not module.check_mode:
        fs.apply(want, fs.selinux_label(module))
        run("nft", "--file", path)
    main_file = (fs.read("/etc/nftables.conf") or fs.read("/etc/sysconfig/nftables.conf") or b"").decode(errors="replace")
    if "nftables.d" not in main_file:
        module.warn('the nftables configuration does not include %s, so it is lost at boot; add: include "%s"' % (path, path))
    if re.search(r"hook input [^;]*; policy drop", run("nft", "list", "chains")):
        module.warn("another nftables table drops what it does not accept; accept these ports there too: %s" % ", ".join(ports))
    return opened


def main():
    module = AnsibleModule(
        {
            "firewall": {"choices": ["firewalld", "ufw", "nftables", "none"], "required": True},
            "ports": {"type": "list", "elements": "str", "required": True},
            "sources": {"type": "list", "elements": "str", "default": []},
            "zone": {"type": "str", "default": ""},
            "nftables_path": {"type": "path", "default": "/etc/nftables.d/pykubeadm.nft"},
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
