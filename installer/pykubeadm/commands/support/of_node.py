"""What is collected of the node."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from pykubeadm.commands.support.item import Item
from pykubeadm.constants import KUBELET_CONFIG, KUBELET_FLAGS_ENV, KUBELET_INSTANCE_CONFIG, MANIFESTS_DIR
from pykubeadm.errors import NodeError
from pykubeadm.node.cri import Cri
from pykubeadm.node.diagnose import POD_LOGS
from pykubeadm.node.port import Command, Node
from pykubeadm.util.lines import last_lines
from pykubeadm.util.timestamp import parse_timestamp

_LOG_BYTES: Final = 256 * 1024  # of one log
_LOG_LINES: Final = 4000
_HOURS: Final = 24
_SYSTEM: Final = "kube-system_"
_FILES: Final = (
    *("/etc/os-release", KUBELET_CONFIG, KUBELET_INSTANCE_CONFIG, KUBELET_FLAGS_ENV),
    *("/etc/containerd/config.toml", "/etc/crio/crio.conf", "/etc/crictl.yaml", "/etc/resolv.conf", "/etc/hosts"),
)
_FOLDERS: Final = (
    MANIFESTS_DIR,
    "/etc/cni/net.d",
    "/etc/systemd/system/kubelet.service.d",
    "/etc/systemd/system/containerd.service.d",
    "/etc/systemd/system/crio.service.d",
    "/etc/crio/crio.conf.d",
    "/etc/containers/registries.conf.d",
)
_COMMANDS: Final = {
    "versions": (
        ("uname", "-a"),
        ("kubelet", "--version"),
        ("kubectl", "version", "--client"),
        ("containerd", "--version"),
        ("crio", "--version"),
        ("runc", "--version"),
        ("crictl", "--version"),
    ),
    "units": (
        ("systemctl", "status", "--no-pager", "--lines=0", "kubelet", "containerd", "crio"),
        ("systemctl", "show", "kubelet", "--property=ActiveState,SubState,Result,NRestarts,ExecMainStatus,Environment"),
        ("systemctl", "--failed", "--no-pager"),
    ),
    "network": (
        ("ip", "-br", "addr"),
        ("ip", "route"),
        ("ss", "-ltnp"),
        ("iptables-save", "-c", "-t", "nat"),
        ("nft", "list", "tables"),
    ),
    "disk": (("df", "-Ph"), ("df", "-Pi"), ("ls", "-lR", "/etc/kubernetes"), ("free", "-m"), ("uptime",)),
    "clock": (("timedatectl",), ("date", "--utc")),
}
_JOURNALS: Final = ("kubelet", "containerd", "crio")


def items_of_node(node: Node, socket: str) -> Iterator[Item]:
    """Versions, files, unit states, logs, containers. None of them is a file of keys or a kubeconfig."""
    for topic, commands in _COMMANDS.items():
        yield Item(f"node/{topic}.txt", partial(_outputs, node, commands))
    for path in _FILES:
        yield Item(f"node/files{path}", partial(_file, node, path))
    for folder in _FOLDERS:
        for name in _names(node, folder):
            if not name.endswith((".key", "kubeconfig")):
                yield Item(f"node/files{folder}/{name}", partial(_file, node, f"{folder}/{name}"))
    for unit in _JOURNALS:
        yield Item(f"node/logs/{unit}.log", partial(_journal, node, unit))
    cri, since = Cri(node, socket), node.now() - timedelta(hours=_HOURS)
    yield Item("node/containers.txt", lambda: "\n".join(map(str, cri.containers())))
    yield Item("node/sandboxes.txt", lambda: "\n".join(map(str, cri.sandboxes())))
    yield Item("node/images.txt", lambda: "\n".join(sorted(cri.images())))
    for pod in _names(node, POD_LOGS):
        if pod.startswith(_SYSTEM):
            for container in _names(node, f"{POD_LOGS}/{pod}"):
                folder = f"{POD_LOGS}/{pod}/{container}"
                for name in _last(_names(node, folder)):
                    yield Item(f"node/logs/pods/{pod}/{container}/{name}", partial(_tail, node, f"{folder}/{name}", since))


def _names(node: Node, folder: str) -> tuple[str, ...]:
    try:
        return node.list_dir(folder)
    except NodeError:
        return ()


def _last(names: tuple[str, ...]) -> list[str]:
    """The logs of the last two attempts: 7.log, 8.log."""
    numbered = sorted((int(name.removesuffix(".log")), name) for name in names if name.removesuffix(".log").isdecimal())
    return [name for _, name in numbered[-2:]]


def _file(node: Node, path: str) -> str:
    return last_lines((node.read(path) or b"").decode(errors="replace"), _LOG_BYTES)


def _outputs(node: Node, commands: tuple[tuple[str, ...], ...]) -> str:
    """Each command with what it says; one that is not there says nothing."""
    parts = []
    for argv in commands:
        done = node.run(Command.look_up(argv, f"ask {argv[0]}", timeout=15))
        if done.status != 127:
            parts.append(f"$ {' '.join(argv)}\n{last_lines(done.stdout + done.stderr, _LOG_BYTES).rstrip()}\n")
    return "\n".join(parts)


def _journal(node: Node, unit: str) -> str:
    argv = (
        "journalctl",
        "--unit",
        unit,
        f"--since=-{_HOURS}h",
        f"--lines={_LOG_LINES}",
        "--no-pager",
        "--quiet",
        "--output=short-iso",
    )
    return last_lines(node.run(Command.look_up(argv, f"read the log of {unit}", timeout=30)).stdout, _LOG_BYTES)


def _tail(node: Node, path: str, since: datetime) -> str:
    """Of a container's log, in which each line begins with its time (kubernetes: cri-api, "RFC3339Nano stream tag message")."""
    argv = ("tail", f"--bytes={_LOG_BYTES + 1}", path)  # one more shows whether the first line is a whole one
    said = node.run(Command.look_up(argv, f"read {posixpath.basename(path)}", timeout=15)).stdout
    if len(said.encode()) > _LOG_BYTES:
        said = said.partition("\n")[2]
    lines = said.splitlines(keepends=True)
    recent = next((number for number, line in enumerate(lines) if not _before(since, line)), len(lines))
    return "".join(lines[recent:])


def _before(since: datetime, line: str) -> bool:
    try:
        return parse_timestamp(line.partition(" ")[0]) < since
    except ValueError:
        return False
