"""What can be broken on a cluster of two nodes, one thing at a time: the row of `verify` that fails, and what `doctor` says."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

import yaml

from lab import cluster
from lab.cluster import eventually, kubectl, kubectl_json
from lab.node import Node
from pykubeadm.pki.issue import Subject, encode_certificate, issue_leaf
from pykubeadm.pki.keys import encode_private_key, generate_key
from pykubeadm.pki.sans import Names
from pykubeadm.pki.table import Usage
from tests.e2e.ageing import valid_for
from tests.e2e.verifying import unready
from tests.support.servers import NOW, authority, ca_pem


@dataclass(frozen=True)
class Pair:
    """A control plane and a worker."""

    plane: Node
    worker: Node


Change = Callable[[Pair], None]


def _on(which: str, script: str) -> Change:
    def change(pair: Pair) -> None:
        for name, node in (("plane", pair.plane), ("worker", pair.worker)):
            if which in (name, "both"):
                node.shell(script, timeout=120)

    return change


def _another_scheduler(pair: Pair) -> None:
    """Of a version that nobody has; the kubelet ends the one that ran."""
    pair.plane.shell(
        f"cp {_SCHEDULER} /root/; sed 's/kube-scheduler:v.*/kube-scheduler:v1.36.99/' {_SCHEDULER} >/root/other.yaml;"
        f" mv /root/other.yaml {_SCHEDULER}"
    )
    eventually(lambda: None if unready(pair.plane) else "it runs", "the end of the scheduler", 60)


def _dns_that_asks_itself(pair: Pair) -> None:
    """New pods get the resolver that the node has now."""
    _on("both", "cp /etc/resolv.conf /root/resolv.conf && echo nameserver 127.0.0.53 >/etc/resolv.conf")(pair)
    _restart_dns(pair)

    def runs() -> str | None:
        pods = kubectl_json(pair.plane, "--namespace=kube-system", "get", "pods", "--selector=k8s-app=kube-dns")["items"]
        ended = [each for each in pods if (each["status"].get("containerStatuses") or [{}])[0].get("restartCount")]
        return None if len(ended) == len(pods) == 2 else f"{len(ended)} of {len(pods)} pods have ended"

    eventually(runs, "a DNS that ends", 60)


def _dns_that_asks_others(pair: Pair) -> None:
    _on("both", "cat /root/resolv.conf >/etc/resolv.conf")(pair)
    _restart_dns(pair)


def _expired_certificate(pair: Pair) -> None:
    words = ("certs", "renew", "apiserver-kubelet-client", "--config", valid_for(pair.plane, "5s"))
    pair.plane.run("pykubeadm", *words, timeout=300)


def _restart_dns(pair: Pair) -> None:
    kubectl(pair.plane, "--namespace=kube-system", "delete", "pods", "--selector=k8s-app=kube-dns", "--grace-period=1")


def _kubectl(*words: str) -> Change:
    return lambda pair: [kubectl(pair.plane, *words)][0] and None


# On the node; what it says no to is not written anywhere.
_DENYING_SERVER = """
import http.server, json, ssl


class Denying(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"uid": asked["request"]["uid"], "allowed": False, "status": {"message": "no pods on Fridays"}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("", 9443), Denying)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/webhook.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def _denying_webhook(pair: Pair) -> None:
    """A program on the control plane, over TLS, whose CA the webhook's configuration names."""
    plane, key = pair.plane, generate_key("ECDSA-P256")
    names = Names(ips=(ip_address(plane.address),))
    subject = Subject("webhook", NOW - timedelta(hours=1), NOW + timedelta(days=1), usages=(Usage.SERVER_AUTH,), names=names)
    certificate = encode_certificate(issue_leaf(subject, key.public_key(), authority()))
    plane.write("/root/webhook.pem", (certificate + encode_private_key(key)).decode(), "0600")
    plane.write("/root/webhook.py", _DENYING_SERVER)
    plane.run("systemd-run", "--quiet", "--unit=webhook", "python3", "/root/webhook.py")
    eventually(lambda: None if plane.shell("ss -Hltn sport = :9443") else "it does not listen", "the webhook", 20)
    where = {"url": f"https://{plane.address}:9443/", "caBundle": base64.b64encode(ca_pem()).decode()}
    deny = yaml.safe_load(_DENY)
    deny["webhooks"][0]["clientConfig"] = where
    kubectl(plane, "apply", "--filename=-", stdin=yaml.safe_dump(deny))


def _no_webhook(pair: Pair) -> None:
    kubectl(pair.plane, "delete", "validatingwebhookconfiguration", "deny")
    pair.plane.shell("systemctl stop webhook; rm -f /root/webhook.pem /root/webhook.py")


# What the kubelet of a node does whose clock was set back.
_RENEWING = r"""
while true; do
    at=$(date --utc --date='3 minutes ago' +%Y-%m-%dT%H:%M:%S.%6NZ)
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --namespace=kube-node-lease patch lease NODE \
        --type=merge --field-manager=kubelet --patch="{\"spec\":{\"renewTime\":\"$at\"}}"
    sleep 2
done
"""


def _slow_clock(pair: Pair) -> None:
    """Of the worker, as far as the cluster can see."""
    pair.worker.run("systemctl", "stop", "kubelet")
    last = _renewed(pair)
    pair.plane.write("/root/renewing.sh", _RENEWING.replace("NODE", pair.worker.name))
    pair.plane.run("systemd-run", "--quiet", "--unit=renewing", "sh", "/root/renewing.sh")
    eventually(lambda: None if _renewed(pair) < last else f"it is of {_renewed(pair)}", "a Lease by the other clock", 20)


def _renewed(pair: Pair) -> str:
    """When the worker's kubelet says that it renewed its Lease; times of this form are in order as texts."""
    lease = kubectl_json(pair.plane, "--namespace=kube-node-lease", "get", "lease", pair.worker.name)
    return str(lease["spec"]["renewTime"])


def _right_clock(pair: Pair) -> None:
    pair.plane.run("systemctl", "stop", "renewing")
    pair.worker.run("systemctl", "start", "kubelet")


_KILLING = "systemd-run --quiet --unit=no-proxy sh -c 'while true; do pkill -KILL kube-proxy; sleep 0.05; done'"


def _proxy_lives_again(pair: Pair) -> None:
    """In new pods: the kubelet waits longer before each further start of one that was killed."""
    _on("both", "systemctl stop no-proxy")(pair)
    kubectl(pair.plane, "--namespace=kube-system", "delete", "pods", "--selector=k8s-app=kube-proxy", "--grace-period=1")


_DENY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: deny}
webhooks:
- name: deny.example.org
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  clientConfig: {service: {name: nobody, namespace: default, path: /}}
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 2
"""


def _webhook_of_nobody(pair: Pair) -> None:
    kubectl(pair.plane, "apply", "--filename=-", stdin=_DENY)


_KUBELET = "/var/lib/kubelet/config.yaml"
_CONFLIST = cluster.CNI_CONFIG
_SCHEDULER = "/etc/kubernetes/manifests/kube-scheduler.yaml"


@dataclass(frozen=True)
class Sabotage:
    """`row` fails where `do` was done, and a remark of `doctor`'s on `where` has `words`."""

    name: str
    do: Change
    undo: Change
    row: str
    where: str
    words: str
    level: str = "problem"


SABOTAGES = (
    Sabotage(
        "CoreDNS scaled to 0",
        _kubectl("--namespace=kube-system", "scale", "deployment", "coredns", "--replicas=0"),
        _kubectl("--namespace=kube-system", "scale", "deployment", "coredns", "--replicas=2"),
        "services/dns",
        "plane",
        "cluster/dns: coredns is scaled to 0",
    ),
    Sabotage(
        "kube-proxy kept off the nodes",
        _kubectl(
            *("--namespace=kube-system", "patch", "daemonset", "kube-proxy", "--type=merge"),
            '--patch={"spec":{"template":{"spec":{"nodeSelector":{"nowhere":"true"}}}}}',
        ),
        _kubectl(
            *("--namespace=kube-system", "patch", "daemonset", "kube-proxy", "--type=merge"),
            '--patch={"spec":{"template":{"spec":{"nodeSelector":{"nowhere":null}}}}}',
        ),
        "services/cluster-ip",
        "plane",
        "cluster/kube-proxy: kube-proxy is to run on 0 of 2 nodes",
    ),
    Sabotage(
        "kube-proxy killed whenever it starts",
        _on("both", _KILLING),
        _proxy_lives_again,
        "services/cluster-ip",
        "plane",
        "cluster/kube-proxy: kube-proxy is ready on",
    ),
    Sabotage(
        "CNI configuration removed",
        _on("worker", f"mv {_CONFLIST} /root/cni"),
        # Written, not moved: a file that only appears is no event for containerd 1.7.
        _on("worker", f"cp /root/cni {_CONFLIST} && rm /root/cni"),
        "controllers/daemon-set",
        "worker",
        "node/network-plugin: there is no network configuration in /etc/cni/net.d",
    ),
    Sabotage(
        "a webhook without a running backend",
        _webhook_of_nobody,
        _kubectl("delete", "validatingwebhookconfiguration", "deny"),
        "containers/exec",
        "plane",
        "cluster/webhooks: the webhook deny.example.org",
    ),
    Sabotage(
        "a webhook that denies",
        _denying_webhook,
        _no_webhook,
        "containers/exec",
        "plane",
        'admission webhook "deny.example.org" denied the request: no pods on Fridays',
    ),
    Sabotage(
        "an image that is not there",
        _another_scheduler,
        _on("plane", f"mv /root/kube-scheduler.yaml {_SCHEDULER}"),
        "control-plane/components",
        "plane",
        "node/images: the image registry.k8s.io/kube-scheduler:v1.36.99 of kube-scheduler is not on the node",
    ),
    Sabotage(
        "a DNS that asks itself",
        _dns_that_asks_itself,
        _dns_that_asks_others,
        "services/dns",
        "plane",
        "asks itself (Loop detected): the node's name server is on its loopback interface",
    ),
    Sabotage(
        "a firewall between pods of two nodes",
        _on("worker", "iptables -I FORWARD -i eth0 -d 10.244.0.0/16 -j DROP"),
        _on("worker", "iptables -D FORWARD -i eth0 -d 10.244.0.0/16 -j DROP"),
        "services/pod-network",
        "worker",
        "node/firewall: a rule of this node's packet filter (iptables-nft) refuses packets: -A FORWARD",
        "warning",
    ),
    Sabotage(
        "a firewall before a kubelet",
        _on("worker", "iptables -I INPUT -p tcp --dport 10250 -j DROP"),
        _on("worker", "iptables -D INPUT -p tcp --dport 10250 -j DROP"),
        "containers/exec",
        "plane",
        "cluster/kubelets: the API server cannot reach the kubelet of verifyw",
    ),
    Sabotage(
        "an expired certificate",
        _expired_certificate,
        _on("plane", "pykubeadm certs renew apiserver-kubelet-client"),
        "containers/exec",
        "plane",
        "node/certificates: the certificate apiserver-kubelet-client expired",
    ),
    Sabotage(
        "a full disk",
        # A directory costs a tmpfs no room, but a file's number: two, of its root and of the file that fills it.
        _on("worker", "mount -t tmpfs -o size=1M,nr_inodes=2 full /var/log; cat /dev/zero >/var/log/full 2>/dev/null || true"),
        _on("worker", "umount /var/log"),
        "controllers/daemon-set",
        "worker",
        "node/disk: /var/log is full",
    ),
    Sabotage(
        "the kubelet stopped",
        _on("worker", "systemctl stop kubelet"),
        _on("worker", "systemctl start kubelet"),
        "controllers/daemon-set",
        "worker",
        "node/units: the unit kubelet is inactive",
    ),
    Sabotage(
        "the cgroup driver of the kubelet changed",
        _on("worker", f"sed -i.bak 's/^cgroupDriver:.*/cgroupDriver: cgroupfs/' {_KUBELET} && systemctl restart kubelet"),
        _on("worker", f"mv {_KUBELET}.bak {_KUBELET} && systemctl restart kubelet"),
        "controllers/daemon-set",
        "worker",
        "node/cgroup-driver: the container runtime uses the cgroup driver systemd, the kubelet cgroupfs",
    ),
    Sabotage(
        "a node's clock set back",
        _slow_clock,
        _right_clock,
        "control-plane/clocks",
        "plane",
        "cluster/clocks: the clock of verifyw",
    ),
)
