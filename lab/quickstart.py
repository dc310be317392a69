"""`make quickstart`: a real cluster on one node of the lab, made by `pykubeadm init`.

Where Kubernetes' binaries can be had from nowhere, the rehearsal that needs none: the same node, `init` up to the start of the
kubelet, and the etcd that it rendered started for real with the certificates it made.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence

import yaml

from lab import assets, cluster, engine, node
from lab.host import LabError, docker_argv
from pykubeadm.commands.init.phases import PHASES
from pykubeadm.config.versions import NEWEST_KNOWN

NAME = "pykubeadm-quickstart"
INIT_SECONDS = 400
ETCD_MANIFEST = "/etc/kubernetes/manifests/etcd.yaml"
ETCD_UNIT = "rehearsal-etcd"
PKI = "/etc/kubernetes/pki/etcd"
# The phases that need neither a kubelet nor what only it can bring up; the rehearsal leaves out all others.
REHEARSED = ("preflight", "certs", "kubeconfig", "etcd", "control-plane")
NOT_REHEARSED = tuple(phase.name for phase in PHASES if phase.name not in REHEARSED)
# Preflight checks that ask for Kubernetes' own programs and images.
NOT_PRESENT = ("ImagePull", "KubeletVersion", "FileExisting-kubelet", "FileExisting-crictl", "Service-Kubelet")

_began = time.monotonic()


def say(text: str) -> None:
    """One line about what goes on, with the time since the start."""
    print(f"[{time.monotonic() - _began:5.1f} s] {text}", flush=True)


def pykubeadm(on: node.Node, arguments: Sequence[str], seconds: float) -> None:
    """Run pykubeadm on the node, its output going straight to the terminal; LabError when it fails or does not end."""
    say(f"pykubeadm {' '.join(arguments)}")
    command = docker_argv("exec", on.name, "timeout", "--kill-after=5", f"{seconds:.0f}", "pykubeadm", *arguments)
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=seconds + 30).returncode
    if status != 0:
        raise LabError(f"`pykubeadm {' '.join(arguments)}` ended with status {status} (124: not done within {seconds:.0f} s)")


def fresh_node(found: Sequence[assets.Assets]) -> node.Node:
    """A node of its own name; one of an earlier run is replaced."""
    if NAME in node.existing():
        say("removing the node of an earlier run")
        node.Node(NAME, "").remove()
    say("starting a node; the first time its images and pykubeadm's dependencies are fetched")
    started = node.start(NAME, assets=found, unique=False)
    say(f"node {started.name} is up at {started.address}")
    return started


def real_cluster(found: assets.Assets) -> None:
    """From a bare node to `kubectl get nodes,pods -A` of a cluster that works."""
    say(f"Kubernetes {found.version} from {found.bin}")
    on = fresh_node([found])
    on.write(cluster.CONFIG, cluster.config(found, on))
    pykubeadm(on, ["init", "--config", cluster.CONFIG], INIT_SECONDS)
    say("a pod network: bridge from the CNI plugins")
    cluster.install_cni(on)
    cluster.wait_node_ready(on)
    cluster.wait_rolled_out(on, "daemonset/kube-proxy", "deployment/coredns", seconds=180)
    cluster.kubectl(
        on, "wait", "--for=condition=Ready", "--all", "pods", "--namespace=kube-system", "--timeout=120s", timeout=130
    )
    say(f"the cluster is up\n\n{cluster.kubectl(on, 'get', 'nodes,pods', '--all-namespaces')}\n")
    docker = " ".join(docker_argv("exec", "-it", on.name))
    print(f"""How to continue:
  {docker} bash                     # KUBECONFIG={cluster.ADMIN_KUBECONFIG}
  {docker} kubectl --kubeconfig {cluster.ADMIN_KUBECONFIG} get all -A
  {docker} pykubeadm init --config {cluster.CONFIG}   # again: finds nothing to change
  make clean                        # remove it""")


def rehearsal(reason: str) -> None:
    """What can be shown without Kubernetes' binaries."""
    print(f"\n{reason}.\nSo there will be no cluster; what follows is the rehearsal, which needs none of them.\n", flush=True)
    on = fresh_node([])
    series = on.shell("etcd --version").splitlines()[0].rpartition(" ")[2]
    documents = cluster.documents(NEWEST_KNOWN, on.address, etcd_tag=f"{series}-0")
    on.write(cluster.CONFIG, yaml.safe_dump_all(documents, sort_keys=False))
    ignored = ",".join([*NOT_PRESENT, *cluster.ignored_checks()])
    arguments = [
        "init",
        "--config",
        cluster.CONFIG,
        f"--skip-phases={','.join(NOT_REHEARSED)}",
        f"--ignore-preflight-errors={ignored}",
    ]
    pykubeadm(on, arguments, 120)
    run_etcd(on)
    health = etcd_health(on)
    say(f"etcd {series} answers over mutual TLS: {json.dumps(health)}")
    files = on.shell("find /etc/kubernetes -type f | sort")
    print(f"""
{files}

Run for real: a node with systemd; `pykubeadm init` through preflight, certificates, kubeconfigs and the static pods' manifests;
  etcd {series} (Debian's) as {ETCD_MANIFEST} describes it, asked for its health with the client certificate, and
  seen to refuse a client without one.
Not run, for want of Kubernetes' binaries: {", ".join(NOT_REHEARSED)}:
  no kubelet, no API server, no pods.
Checks reported to only warn: {ignored}.

How to continue:
  PYKUBEADM_ASSETS=/folder/with/kubelet-and-the-others make quickstart
  {" ".join(docker_argv("exec", "-it", on.name))} bash
  make clean                        # remove it""")


def run_etcd(on: node.Node) -> None:
    """Start Debian's etcd with the very command line of the rendered manifest, as a unit of the node."""
    manifest = yaml.safe_load(on.read(ETCD_MANIFEST))
    program, *arguments = manifest["spec"]["containers"][0]["command"]
    say(f"starting {program} with the {len(arguments)} arguments of {ETCD_MANIFEST}")
    on.run("systemd-run", f"--unit={ETCD_UNIT}", "--quiet", f"/usr/bin/{program}", *arguments)


def etcd_health(on: node.Node, seconds: float = 30) -> dict[str, str]:
    """What etcd's /health says to the health check's certificate. LabError when it stays unhealthy or talks to strangers."""
    url, trust = (
        f"https://{on.address}:2379/health",
        ["curl", "--silent", "--show-error", "--max-time", "5", "--cacert", f"{PKI}/ca.crt"],
    )
    own = ["--cert", f"{PKI}/healthcheck-client.crt", "--key", f"{PKI}/healthcheck-client.key"]
    answer: dict[str, str] = {}

    def unhealthy() -> str | None:
        done = on.run(*trust, *own, url, check=False)
        if done.returncode != 0:
            log = on.run("journalctl", f"--unit={ETCD_UNIT}", "--lines=3", "--output=cat", check=False).stdout
            return f"{done.stderr.strip()}; its log ends with:\n{log}"
        answer.update(json.loads(done.stdout))
        return None if answer.get("health") == "true" else done.stdout

    cluster.eventually(unhealthy, "a healthy etcd", seconds)
    if on.run(*trust, url, check=False).returncode == 0:
        raise LabError("etcd answers a client without a certificate")
    return answer


def main() -> int:
    try:
        engine.ensure()
        say("a container engine answers")
        if not node.READY.exists():
            say("building the node image: Debian 13 by debootstrap, about a minute, once")
            node.READY.ensure()
        try:
            found = assets.find()
        except assets.AssetsMissing as missing:
            rehearsal(str(missing))
        else:
            real_cluster(found)
    except (LabError, OSError, subprocess.TimeoutExpired) as problem:
        print(f"make quickstart: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("make quickstart: interrupted; `make clean` removes what was started", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
