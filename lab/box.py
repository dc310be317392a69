"""Vagrant's machines of the scenarios `vagrant…`: `python -m lab.box up|destroy`, called by Molecule.

The box pykubeadm/debian13 is made here, from the lab's own disk (`vmdisk.py`), and boots its kernel directly: without KVM, too,
no boot loader has to be emulated. Kubernetes' programs and images lie on it, as on an air-gapped site's machines. Other machines
take their boxes from where Vagrant finds them.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from lab import assets, libvirt, payload, vm, vmdisk
from lab.cluster import POD_SUBNET
from lab.host import CACHE, CHECKOUT, STATE, LabError, require_commands, run
from lab.nodeimage import NodeImage
from lab.scenario import KEY, NODE_PROGRAMS, found_programs, lab_variables, link_collection, public_key

BOX = "pykubeadm/debian13"
OWN = "lab"  # a platform's name for it
BARE = NodeImage("debian13", "bare")
FOLDER = CACHE / "lab" / "vagrant"
VAGRANTFILE = CHECKOUT / "molecule" / "vagrant"
# A processor in software takes minutes for what `init` waits for. It must be spared, or the API server does not come up in the
# time it gives itself: signatures with RSA (16 ms, in every handshake), controllers that start again with each lease they miss.
PATIENCE = {"kubeletHealthCheck": "15m0s", "controlPlaneComponentHealthCheck": "15m0s"}
_ALONE = {"extraArgs": [{"name": "leader-elect", "value": "false"}]}
SPARING = {"encryptionAlgorithm": "ECDSA-P256", "controllerManager": _ALONE, "scheduler": _ALONE}
SSH_OPTIONS = ("-F", "none", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR")

# What the box brings along. The kernel is given to the machine, not loaded by a boot loader; ours is the only key.
BOX_SETTINGS = """Vagrant.configure("2") do |config|
  config.ssh.username = "root"
  config.ssh.private_key_path = "{key}"
  config.ssh.insert_key = false
  config.vm.provider "libvirt" do |libvirt|
    libvirt.driver = "{driver}"
{cpu}    libvirt.kernel = "{kernel}"
    libvirt.initrd = "{initrd}"
    libvirt.cmd_line = "{words}"
    libvirt.disk_bus = "virtio"
    libvirt.volume_cache = "unsafe"
    libvirt.nic_model_type = "virtio"
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
  end
end
"""
EMULATED_CPU = """    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "qemu64"
    libvirt.cpu_feature name: "cx16", policy: "disable"
    libvirt.qemuargs value: "-cpu"  # the last one counts; libvirt has no name for this one
    libvirt.qemuargs value: "{cpu}"
"""


def main(action: str) -> int:
    """Runs below `molecule`, which says in the environment what is wanted."""
    configuration = yaml.safe_load(Path(os.environ["MOLECULE_FILE"]).read_text())
    machines = {platform["name"]: platform["box"] for platform in configuration["platforms"]}
    # What Vagrant keeps of one scenario's machines is no concern of another's.
    os.environ["VAGRANT_DOTFILE_PATH"] = str(FOLDER / os.environ["MOLECULE_SCENARIO_NAME"])
    os.environ["MACHINES"] = " ".join(f"{name}={box}" for name, box in machines.items())
    try:
        require_commands("vagrant")
        if action == "destroy":
            if Path(os.environ["VAGRANT_DOTFILE_PATH"]).exists():
                vagrant("destroy", "--force", check=False)
            Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).write_text("--- []\n")
            return 0
        up(machines, with_pykubeadm=any(platform.get("pykubeadm") for platform in configuration["platforms"]))
    except (LabError, subprocess.SubprocessError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def up(machines: dict[str, str], *, with_pykubeadm: bool) -> None:
    """Start the machines (name → box) and write what Molecule reads: how to reach them, and the lab's variables."""
    provider = os.environ.get("VAGRANT_DEFAULT_PROVIDER", "libvirt")
    if provider == "libvirt":
        libvirt.ensure()
    emulated = OWN in machines.values() and ensure_box() != "kvm"
    vagrant("up", f"--provider={provider}", "--no-tty", timeout=1500)
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    link_collection(folder)
    instances = [instance(name) for name in machines]
    if with_pykubeadm:
        with ThreadPoolExecutor(len(instances)) as pool:
            list(pool.map(bring_pykubeadm, instances))
    Path(os.environ["MOLECULE_INSTANCE_CONFIG"]).write_text(yaml.safe_dump(instances))
    described = variables(own=set(machines.values()) == {OWN}, with_pykubeadm=with_pykubeadm)
    if emulated:
        described["cluster_timeouts"] = PATIENCE
        if with_pykubeadm:
            described["cluster_settings"] |= SPARING
    (folder / "lab.yml").write_text(yaml.safe_dump(described))


def variables(*, own: bool, with_pykubeadm: bool) -> dict[str, Any]:
    """What the roles and a cluster have to be reported here: where the programs are, which version and which etcd there are."""
    programs = found_programs()
    found = lab_variables(programs is not None)
    if programs and not own:
        found["kubelet_controller_folder"] = str(programs)  # they go over SSH
    if with_pykubeadm:
        kubernetes = assets.find()
        described = {
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": kubernetes.version,
            "networking": {"podSubnet": POD_SUBNET},
        }
        if kubernetes.etcd_tag:
            described["etcd"] = {"local": {"imageTag": kubernetes.etcd_tag}}
        found |= {
            "cluster_settings": described,
            "cluster_kubelet": {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"},
            "cluster_kube_proxy": {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"},
            "cluster_ignored_checks": [],
            "cluster_pykubeadm": f"{payload.MOUNT}/bin/pykubeadm",
        }
    return found


def vagrant(*words: str, check: bool = True, timeout: float = 300.0) -> str:
    environment = {"VAGRANT_CWD": str(VAGRANTFILE), "VAGRANT_HOME": str(FOLDER / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    return run(["vagrant", *words], check=check, timeout=timeout, env={**os.environ, **environment}).stdout


def instance(name: str) -> dict[str, Any]:
    """Where `vagrant ssh` would go."""
    words = (line.split(None, 1) for line in vagrant("ssh-config", name).splitlines() if line.strip())
    found = {word[0]: word[1].strip('"') for word in words if len(word) == 2}
    return {
        "instance": name,
        "address": found["HostName"],
        "user": found["User"],
        "port": int(found["Port"]),
        "identity_file": found["IdentityFile"],
    }


def bring_pykubeadm(machine: dict[str, Any]) -> None:
    """Copy it to where the lab's other nodes have it."""
    environment, checkout = payload.folders(BARE)
    to = ["ssh", *SSH_OPTIONS, f"-i{machine['identity_file']}", f"-p{machine['port']}", f"{machine['user']}@{machine['address']}"]
    for folder, target in ((environment, payload.MOUNT), (checkout, f"{payload.MOUNT}/src")):
        unpack = f"sudo mkdir -p {target} && sudo tar -C {target} --no-same-owner -x"
        script = 'tar -C "$1" -c . | "${@:2}"'
        run(["bash", "-o", "pipefail", "-c", script, "copy", folder, *to, unpack], timeout=600)


def ensure_box() -> str:
    """Make the box and add it under its name, unless the same was added before. Returns the accelerator it will run with."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    key = public_key()
    try:
        disk = vmdisk.ensure(BARE, [assets.find()], programs_in=NODE_PROGRAMS)
    except assets.AssetsMissing:
        disk = vmdisk.ensure(BARE)
    chosen = vm.accelerator(disk.kernel, disk.initrd)
    # libvirt's machines may not read what is in a user's home.
    boot = STATE / "vagrant" / disk.folder.name
    run(["install", "-D", "-m", "0644", "-t", boot, disk.kernel, disk.initrd], root=True)
    emulated = chosen != "kvm"
    settings = BOX_SETTINGS.format(
        key=KEY,
        driver="qemu" if emulated else "kvm",
        cpu=EMULATED_CPU.format(cpu=vm.ACCELERATORS[chosen]) if emulated else "",
        kernel=boot / disk.kernel.name,
        initrd=boot / disk.initrd.name,
        words=kernel_words(key, emulated=emulated),
    )
    added = FOLDER / "added"
    if added.exists() and added.read_text() == settings and BOX in vagrant("box", "list"):
        return chosen
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        folder = Path(scratch)
        run(["qemu-img", "convert", "-O", "qcow2", disk.root, folder / "box.img"], timeout=600)
        metadata = json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": 20})
        for name, text in (("Vagrantfile", settings), ("metadata.json", metadata)):
            (folder / name).write_text(text)
        with tarfile.open(folder / "box", "w") as box:
            for name in ("metadata.json", "Vagrantfile", "box.img"):
                box.add(folder / name, name)
        vagrant("box", "add", "--force", "--name", BOX, str(folder / "box"), timeout=600)
    # The provider keeps a copy of each box it ever started from.
    copies = f"{BOX.replace('/', '-VAGRANTSLASH-')}_vagrant_box_image_"
    volumes = run(["virsh", "--connect", libvirt.URI, "vol-list", "default"], root=True, check=False).stdout.split()
    for volume in volumes:
        if volume.startswith(copies):
            run(["virsh", "--connect", libvirt.URI, "vol-delete", "--pool", "default", volume], root=True, check=False)
    added.write_text(settings)
    return chosen


def kernel_words(key: str, *, emulated: bool) -> str:
    credential = base64.b64encode(key.encode()).decode()
    words = ["console=ttyS0 quiet panic=-1", f"systemd.set_credential_binary=ssh.authorized_keys.root:{credential}"]
    return " ".join([*words, *vm.EMULATED_WORDS] if emulated else words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
