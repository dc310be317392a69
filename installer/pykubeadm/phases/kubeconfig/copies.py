"""Users' copies of admin.conf, as `kubeadm init` says they should be made: ~/.kube/config."""

from __future__ import annotations

from pykubeadm.node.port import File, Node


def copies_of(node: Node, content: bytes) -> tuple[File, ...]:
    """The kubeconfigs of users of this node with exactly that content, with owner and mode as they are. A link is no copy."""
    found: dict[str, File] = {}
    for home in _homes(node):
        path = f"{home}/.kube/config"
        stat = node.stat(path)
        if stat is not None and stat.kind == "file" and node.read(path) == content:
            found[path] = File(path, content, stat.mode, stat.uid, stat.gid, secret=True, replaces=True)
    return tuple(found.values())


def _homes(node: Node) -> tuple[str, ...]:
    """Of passwd(5): the sixth field of each line."""
    lines = (node.read("/etc/passwd") or b"").decode(errors="replace").splitlines()
    homes = (fields[5].rstrip("/") for line in lines if len(fields := line.split(":")) > 5)
    return tuple(dict.fromkeys(["/root", *(home for home in homes if home.startswith("/"))]))
