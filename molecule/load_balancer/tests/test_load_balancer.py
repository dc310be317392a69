"""The address answers, whichever load balancer has it."""

import ipaddress


def shared_address(host):
    own = host.check_output("ip -o -4 addr show dev eth0 | awk '!/\\.245\\//{print $4; exit}'")
    return str(ipaddress.ip_interface(own).network.network_address + 245)


FETCH = """
import ssl, urllib.request
insecure = ssl._create_unverified_context()
print(urllib.request.urlopen("https://ADDRESS:8443/readyz", timeout=5, context=insecure).read().decode())
"""


def test_the_address_answers(host):
    program = FETCH.replace("ADDRESS", shared_address(host))
    assert host.check_output(f"python3 - <<'END'\n{program}\nEND") == "ok"


def test_configuration_is_valid(host):
    assert host.run("haproxy -c -f /etc/haproxy/haproxy.cfg").rc == 0


def test_the_password_is_for_root_alone(host):
    assert host.file("/etc/keepalived/keepalived.conf").mode == 0o600
