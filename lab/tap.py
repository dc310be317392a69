"""Places for virtual machines on the network of the nodes: tap devices on the bridge that the engine made. They need root."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from lab import node
from lab.host import LabError, docker, locked, run

DEVICES = "pykubeadm-vm"
NUMBERS = range(2, 10)  # of the addresses; nodes have those from 10 on


@dataclass(frozen=True, slots=True)
class Tap:
    """A device on the network, the `address` of the machine behind it, and the network's `gateway` and `mtu`."""

    device: str
    address: IPv4Interface
    gateway: str
    mtu: int

    @property
    def mac(self) -> str:
        """An address of qemu's range that no other machine on the network has."""
        return f"52:54:00:00:00:{int(self.device.removeprefix(DEVICES)):02x}"

    def unplug(self) -> None:
        """Remove the device, if it is still there."""
        run(["ip", "link", "delete", self.device], root=True, check=False)


def plug() -> Tap:
    """Add a device. Whoever adds it has its address."""
    with locked("network"):
        network = IPv4Network(node.network()[0])
        for number in NUMBERS:
            device = f"{DEVICES}{number}"
            if not Path("/sys/class/net", device).exists():
                break
        else:
            raise LabError(
                f"all addresses for virtual machines on {node.NETWORK} are taken: `make clean` removes what was left over"
            )
        bridge = f"br-{docker('network', 'inspect', '--format={{.Id}}', node.NETWORK)[:12]}"
        run(["ip", "tuntap", "add", "dev", device, "mode", "tap"], root=True)
        run(["ip", "link", "set", device, "master", bridge, "up"], root=True)
    mtu = int(Path(f"/sys/class/net/{bridge}/mtu").read_text())
    return Tap(device, IPv4Interface(f"{network[number]}/{network.prefixlen}"), str(network[1]), mtu)


def remove_all() -> None:
    """Remove every device."""
    for device in Path("/sys/class/net").glob(f"{DEVICES}*"):
        run(["ip", "link", "delete", device.name], root=True, check=False)
