"""The feature gate RootlessControlPlane: users and groups on the node, and files that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.manifests.rootless import Accounts, Owned, owned_paths, run_as_user, with_accounts
from pykubeadm.node.port import Command, Directory, File, Node
from pykubeadm.phases.ca import uses_external_ca
from pykubeadm.phases.run import ClusterRun
from pykubeadm.workflow.phase import Changes

_PASSWD, _GROUP, _LOGIN_DEFS = "/etc/passwd", "/etc/group", "/etc/login.defs"


def rootless_pod(run: ClusterRun, name: str, pod: Mapping[str, Any]) -> tuple[dict[str, Any], Changes]:
    """The pod run by its own user; makes the accounts and gives them their files. Returns what was changed, too."""
    node, cluster = run.node, run.configuration.cluster
    accounts = with_accounts(*(_text(node, path) for path in (_PASSWD, _GROUP, _LOGIN_DEFS)))
    changes = [*_write_accounts(node, accounts)]
    for owned in owned_paths(name, cluster, accounts, external_ca=uses_external_ca(run)):
        changes += _give(node, owned)
    return run_as_user(pod, accounts), changes


def _text(node: Node, path: str) -> str:
    return (node.read(path) or b"").decode(errors="surrogateescape")


def _write_accounts(node: Node, accounts: Accounts) -> Changes:
    texts = {_PASSWD: accounts.passwd, _GROUP: accounts.group}
    return node.write([_same_owner(node, path, text) for path, text in texts.items() if text != _text(node, path)])


def _same_owner(node: Node, path: str, text: str) -> File:
    stat = node.stat(path)
    mode, uid, gid = (stat.mode, stat.uid, stat.gid) if stat else (0o644, 0, 0)
    return File(path, text.encode(errors="surrogateescape"), mode, uid, gid)


def _give(node: Node, owned: Owned) -> Changes:
    stat = node.stat(owned.path)
    if stat is None or (stat.uid, stat.gid, owned.mode or stat.mode) == (owned.uid, owned.gid, stat.mode):
        return ()
    if stat.kind == "directory":
        if node.list_dir(owned.path):
            argv = ("chown", "--recursive", "--no-dereference", f"{owned.uid}:{owned.gid}", owned.path)
            node.run(Command(argv, f"give {owned.path} to the user that its container runs as"))
            return (owned.path,)
        return node.write([Directory(owned.path, stat.mode, owned.uid, owned.gid)])
    content = node.read(owned.path) or b""
    return node.write([File(owned.path, content, owned.mode or stat.mode, owned.uid, owned.gid, secret=True)])
