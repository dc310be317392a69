"""Checks of the container runtime, through crictl. Without crictl they warn: the kubelet itself does not need it."""

from __future__ import annotations

from functools import partial
from typing import Any

from pykubeadm.errors import NodeError
from pykubeadm.node.causes import recognise
from pykubeadm.node.cri import Cri, CrictlMissingError
from pykubeadm.phases.preflight.check import FINE, Check, Findings, error, warning
from pykubeadm.phases.preflight.machine import Machine
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side

_PULLS = 4  # at once; more do not help one link and one disk


def _answers(machine: Machine) -> Findings:
    runtime = machine.runtime()
    if runtime.crictl_missing:
        return warning(f"the container runtime cannot be asked: {runtime.failure}")
    if runtime.failure:
        known = next(iter(recognise(runtime.failure.splitlines(), "the container runtime")), None)
        advice = known.advice if known else "install and start one (containerd, CRI-O), or name its socket with --cri-socket"
        return error(f"{runtime.failure}; {advice}")
    if (condition := runtime.unready) is not None:
        why = ": ".join(filter(None, (condition.get("reason"), condition.get("message")))) or "it gives no reason"
        return error(f"the container runtime is not ready: {why}; see `journalctl -u containerd`")
    return FINE


CRI = Check("CRI", _answers)


def _names_its_driver(machine: Machine) -> Findings:
    if machine.runtime().failure or machine.cgroup_driver() is not None:
        return FINE
    return warning(
        "the container runtime does not name its cgroup driver (CRI method RuntimeConfig), which kubelets will need;"
        " use containerd 2.0, CRI-O 1.28 or newer (https://git.k8s.io/enhancements/keps/sig-node/4033-group-driver-detection-over-cri)"
    )


CONTAINER_RUNTIME_VERSION = Check("ContainerRuntimeVersion", _names_its_driver)


def cgroup_driver(of_kubelet: str) -> Check:
    """Kubelet and runtime use the same driver, else pods die under load. `of_kubelet` is the kubelet's cgroupDriver."""
    return Check("CgroupDriver", partial(_cgroup_driver, of_kubelet))


def sandbox_image(wanted: str) -> Check:
    """The runtime's pause image is the release's."""
    return Check("SandboxImage", partial(_sandbox_image, wanted))


def _cgroup_driver(of_kubelet: str, machine: Machine) -> Findings:
    runtime = machine.runtime()
    if runtime.failure:
        return FINE
    named = machine.cgroup_driver()
    if named is not None:
        if named == of_kubelet:
            return FINE
        # KubeletCgroupDriverFromCRI, on since Kubernetes 1.31: the runtime's word counts
        return warning(
            f"the container runtime uses the cgroup driver {named}, the KubeletConfiguration says {of_kubelet};"
            f" the kubelet will use {named}: set cgroupDriver: {named}, or the other driver in the runtime"
        )
    configured = _configured_driver(runtime.config)
    if configured is None or configured == of_kubelet:
        return FINE
    setting = (
        "SystemdCgroup = true for runc in /etc/containerd/config.toml"
        if of_kubelet == "systemd"
        else "SystemdCgroup = false for runc"
    )
    return error(
        f"the container runtime uses the cgroup driver {configured}, the kubelet {of_kubelet}; set {setting} and restart it,"
        f" or set cgroupDriver: {configured} in the KubeletConfiguration"
    )


def _configured_driver(config: dict[str, Any]) -> str | None:
    """From containerd's own configuration, as `crictl info` shows it; None where it is another runtime's."""
    containerd = config.get("containerd") or {}
    runtime = (containerd.get("runtimes") or {}).get(containerd.get("defaultRuntimeName") or "runc") or {}
    options = runtime.get("options")
    if not isinstance(options, dict):
        return None
    return "systemd" if options.get("SystemdCgroup") is True else "cgroupfs"


def _sandbox_image(wanted: str, machine: Machine) -> Findings:
    found = machine.runtime().config.get("sandboxImage")
    if not found or found == wanted:
        return FINE
    return warning(f"the container runtime's sandbox image is {found}; {wanted} is recommended, or a second one is pulled")


@dataclass(frozen=True, slots=True)
class Images:
    """The images a command needs: `policy` is "Always", "IfNotPresent" or "Never", `serial` pulls one after the other."""

    names: tuple[str, ...]
    policy: str
    serial: bool

    def missing(self, cri: Cri) -> tuple[str, ...]:
        """What has to be pulled. Raises CrictlMissingError, NodeError."""
        if self.policy == "Never":
            return ()
        if self.policy == "Always":
            return self.names
        present = cri.images()
        return tuple(name for name in self.names if name not in present and not cri.has_image(name))


def image_pull(images: Images, pulled: list[str]) -> Check:
    """Pulls what is missing, adding each image pulled to `pulled`."""
    return Check("ImagePull", partial(_pull, images, pulled))


def _pull(images: Images, pulled: list[str], machine: Machine) -> Findings:
    try:
        missing = images.missing(machine.cri)
    except CrictlMissingError as without:
        return warning(f"images were not pulled, the kubelet will: {without}")
    failures: list[str] = []

    def pull(image: str) -> None:
        try:
            machine.cri.pull(image)
            pulled.append(image)
        except NodeError as failure:
            failures.append(
                f"{failure}; make the registry reachable, load the image by hand, or choose another --image-repository"
            )

    side_by_side(pull, missing, 1 if images.serial else _PULLS)
    return Findings(errors=tuple(failures))
