"""Who listens on a TCP port: proc_pid_net(5) names the socket, /proc/PID/fd the process that holds it."""

from __future__ import annotations

import re

from pykubeadm.node.port import Command, Looked, Node
from pykubeadm.util.dataclass import dataclass

COMMAND_LENGTH = 15  # of /proc/PID/comm (TASK_COMM_LEN less its end)

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN = "0A"  # linux: include/net/tcp_states.h
# All processes' sockets at once, in some 10 ms; the shell is there to leave out processes that end meanwhile.
_HOLDERS = Command.look_up(
    ("sh", "-c", "find /proc/[0-9]*/fd -lname 'socket:*' -printf '%h %l\\n' 2>/dev/null"), "look for the holders of ports"
)
_HOLDER = re.compile(r"/proc/(\d+)/fd socket:\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that listens; `pid` is 0 and `command` "" where it cannot be seen. `command` is cut to 15 characters, as the
    kernel keeps it."""

    pid: int = 0
    command: str = ""

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid})" if self.pid else "a process that cannot be seen from here"


def listeners(node: Node) -> dict[int, Listener]:
    """TCP port → the process that listens on it, on any address."""
    inodes: dict[int, str] = {}
    seen = node.ahead(read=_TABLES, run=(_HOLDERS,))
    for path in _TABLES:
        for line in (seen.read(path) or b"").decode().splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN:
                inodes.setdefault(int(fields[1].rpartition(":")[2], 16), fields[9])
    if not inodes:
        return {}
    holders: dict[str, int] = {}
    for match in _HOLDER.finditer(seen.run(_HOLDERS).stdout):
        holders.setdefault(match[2], int(match[1]))
    holding = {port: holders.get(inode, 0) for port, inode in inodes.items()}
    named = node.ahead(read=[_name_of(pid) for pid in {*holding.values()} if pid])
    return {port: _listener(named, pid) for port, pid in holding.items()}


def _name_of(pid: int) -> str:
    return f"/proc/{pid}/comm"


def _listener(node: Looked, pid: int) -> Listener:
    command = (node.read(_name_of(pid)) or b"").decode(errors="replace").strip() if pid else ""
    return Listener(pid, command) if command else Listener()
