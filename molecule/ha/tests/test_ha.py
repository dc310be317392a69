"""Three control planes behind one address."""

import json
import re

CONF = "/etc/kubernetes/admin.conf"
ETCD = (
    "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt"
    " --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key"
)


def test_the_administrator_speaks_to_the_common_address(host):
    assert re.search(r"server: https://\S+\.246:8443", host.file(CONF).content_string)
    assert host.check_output(f"kubectl --kubeconfig {CONF} get --raw /livez") == "ok"


def test_the_api_servers_certificate_names_the_common_address(host):
    text = host.check_output("openssl x509 -in /etc/kubernetes/pki/apiserver.crt -noout -ext subjectAltName")
    assert re.search(r"IP Address:[\d.]+\.246\b", text)


def test_every_node_is_a_control_plane(host):
    nodes = json.loads(host.check_output(f"kubectl --kubeconfig {CONF} get nodes --output json"))["items"]
    assert len(nodes) == 3
    assert all("node-role.kubernetes.io/control-plane" in node["metadata"]["labels"] for node in nodes)


def test_etcd_has_three_voting_members(host):
    members = json.loads(host.check_output(f"/opt/kubernetes/bin/{ETCD} member list --write-out=json"))["members"]
    assert len(members) == 3
    assert not any(member.get("isLearner") for member in members)
