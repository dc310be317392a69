"""Starts and removes a scenario's nodes with the project's lab: `python -m lab.scenario create|destroy|reboot`, or says
with `skip NAME` that it cannot be run here.

Writes what Molecule reads (the instance configuration) and `lab.yml`, variables that say what this machine can give to the nodes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from lab import archive, assets, cluster, engine, node, payload
from lab.host import CACHE, CHECKOUT, LabError
from lab.nodeimage import NodeImage

KEY = CACHE / "lab" / "molecule" / "id_ed25519"
NODE_PROGRAMS = "/opt/kubernetes/bin"
NODE_IMAGES = "/opt/kubernetes/images"


def skip(name: str) -> int:
    """0, with the reason, where this machine cannot give the scenario what it needs; 1 where it is to be run."""
    configuration = yaml.safe_load((CHECKOUT / "molecule" / name / "molecule.yml").read_text())
    if not any(platform.get("pykubeadm") for platform in configuration.get("platforms", ())):
        return 1
    try:
        assets.find()
    except LabError as missing:
        print(f"skipped: the scenario {name} makes a cluster, and {missing}")
        return 0
    return 1


def main(action: str) -> int:
    """Runs below `molecule`, which says in the environment what is wanted."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    configuration = yaml.safe_load(Path(os.environ["MOLECULE_FILE"]).read_text())
    platforms = configuration["platforms"]
    try:
        if action == "destroy":
            if engine.answers():
                for platform in platforms:
                    node.Node(platform["name"], "").remove()
            Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).write_text("--- []\n")
            return 0
        if action == "reboot":
            for instance in yaml.safe_load(Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).read_text()):
                rebooted = node.Node(instance["instance"], instance["address"])
                rebooted.stop()
                rebooted.power_on()
            return 0
        create(folder, platforms)
    except (LabError, subprocess.SubprocessError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def create(folder: Path, platforms: list[dict[str, Any]]) -> None:
    engine.ensure()
    link_collection(folder)
    programs = found_programs()
    mounts = [(programs, NODE_PROGRAMS)] if programs else []
    with_cluster = any(platform.get("pykubeadm") for platform in platforms)
    if with_cluster:
        mounts.append((archive.ensure(assets.find()), NODE_IMAGES))
    key = public_key()

    def start(platform: dict[str, Any]) -> dict[str, Any]:
        started = node.start(
            platform["name"],
            NodeImage(platform["system"], "bare"),
            with_pykubeadm=bool(platform.get("pykubeadm")),
            mounts=mounts,
            unique=False,
        )
        started.write("/root/.ssh/authorized_keys", key, "0600")
        started.run("chmod", "0700", "/root/.ssh")
        return {
            "instance": platform["name"],
            "address": started.address,
            "user": "root",
            "port": 22,
            "identity_file": str(KEY),
        }

    for platform in platforms:
        NodeImage(platform["system"], "bare").ensure()
    with ThreadPoolExecutor(len(platforms)) as pool:
        instances = list(pool.map(start, platforms))
    Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).write_text(yaml.safe_dump(instances))
    variables = lab_variables(programs is not None) | (cluster_variables() if with_cluster else {})
    (folder / "lab.yml").write_text(yaml.safe_dump(variables))


def lab_variables(has_programs: bool) -> dict[str, Any]:
    """Without programs (no folder of them, and dl.k8s.io out of reach) the kubelet's role is run for everything else."""
    found: dict[str, Any] = {"kubelet_folder": NODE_PROGRAMS}
    if not has_programs and not reaches_downloads():
        found["kubelet_programs"] = []
    return found


def cluster_variables() -> dict[str, Any]:
    """What a cluster on this machine's nodes needs said in its configuration, and how pykubeadm is called there."""
    kubernetes = assets.find()
    _init, described, kubelet, proxy = cluster.documents(kubernetes.version, "", etcd_tag=kubernetes.etcd_tag)
    return {
        "cluster_settings": described,
        "cluster_kubelet": kubelet,
        "cluster_kube_proxy": proxy,
        "cluster_ignored_checks": cluster.ignored_checks(),
        "cluster_pykubeadm": f"{payload.MOUNT}/bin/pykubeadm",
    }


def found_programs() -> Path | None:
    try:
        return assets.find().bin
    except LabError:
        return None


def reaches_downloads() -> bool:
    try:
        assets.probe(assets.Sources())
    except LabError:
        return False
    return True


def public_key() -> str:
    """One key for all scenarios, made once."""
    if not KEY.exists():
        KEY.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(KEY)], check=True)
    return KEY.with_suffix(".pub").read_text()


def link_collection(folder: Path) -> None:
    """The checkout as the collection pykubeadm.kube."""
    home = folder / "collections" / "ansible_collections" / "pykubeadm"
    home.mkdir(parents=True, exist_ok=True)
    link = home / "kube"
    link.unlink(missing_ok=True)
    link.symlink_to(CHECKOUT)


if __name__ == "__main__":
    sys.exit(skip(sys.argv[2]) if sys.argv[1] == "skip" else main(sys.argv[1]))
