"""The container runtime: whether it answers, its cgroup driver, its network, and the images that static pods need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from pykubeadm.commands.doctor.check import Check, Remark, problem, warning
from pykubeadm.commands.doctor.here import CNI_CONFIG, Here
from pykubeadm.commands.doctor.preflight import remarks_of
from pykubeadm.phases.preflight import runtime

_CNI_PROGRAMS: Final = "/opt/cni/bin"


def _answers(here: Here) -> Iterable[Remark]:
    return remarks_of(runtime.CRI, here)


def _driver(here: Here) -> Iterable[Remark]:
    return remarks_of(runtime.cgroup_driver(str(here.kubelet_config.get("cgroupDriver") or "systemd")), here)


def _images(here: Here) -> Iterable[Remark]:
    if here.machine.runtime().failure:
        return
    present = here.machine.cri.images()
    for name, pod in here.static_pods.items():
        for container in pod.section("spec").sections("containers"):
            image = container.text("image")
            if image and image not in present and not here.machine.cri.has_image(image):
                yield problem(
                    f"the image {image} of {name} is not on the node",
                    f"crictl pull {image}, or load it: ctr -n k8s.io images import FILE",
                )


def _network(here: Here) -> Iterable[Remark]:
    names = here.network_configurations
    if not names:
        yield problem(
            f"there is no network configuration in {CNI_CONFIG}: pods get no addresses, and the Node stays NotReady",
            "install a network plugin (Calico, Cilium, Flannel, …), or look at why its pods do not run",
        )
        return
    try:
        document = json.loads(here.machine.text(f"{CNI_CONFIG}/{names[0]}"))
        types = [str(plugin["type"]) for plugin in document.get("plugins") or [document]]
    except (ValueError, KeyError, TypeError, AttributeError):
        yield problem(f"{CNI_CONFIG}/{names[0]} is not a CNI configuration", "put the network plugin's own file there again")
        return
    have = set(here.node.list_dir(_CNI_PROGRAMS))
    if have and (missing := [name for name in types if name not in have]):
        yield problem(
            f"the CNI plugins {', '.join(missing)}, which {names[0]} names, are not in {_CNI_PROGRAMS}",
            "install the package containernetworking-plugins",
        )
    for condition in here.machine.runtime().status.get("conditions") or ():
        if condition.get("type") == "NetworkReady" and condition.get("status") is not True:
            yield problem(
                f"the runtime's network is not ready: {condition.get('message') or condition.get('reason')}",
                "systemctl restart containerd; journalctl -u containerd -n 50",
            )
    if len(names) > 1:
        yield warning(
            f"{CNI_CONFIG} has several configurations ({', '.join(names)}), of which {names[0]} counts",
            "remove those of plugins that are not used",
        )


CHECKS: Final = (
    Check("node/runtime", "without a container runtime that answers no pod runs", _answers),
    Check("node/cgroup-driver", "with two drivers pods die under load, or do not start", _driver),
    Check("node/images", "without its image a static pod does not start", _images),
    Check("node/network-plugin", "pods get their addresses from the network plugin (CNI)", _network),
)
