"""Control-plane containers as users of their own: the feature gate RootlessControlPlane
(KEP-2568; kubeadm: util/users, util/staticpod/utils_linux.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pykubeadm.config.model import ClusterConfiguration, LocalEtcd
from pykubeadm.constants import KUBERNETES_DIR
from pykubeadm.errors import PhaseError
from pykubeadm.util.dataclass import dataclass

_USERS: Final = {
    "etcd": "kubeadm-etcd",
    "kube-apiserver": "kubeadm-kas",
    "kube-controller-manager": "kubeadm-kcm",
    "kube-scheduler": "kubeadm-ks",
}
_KEY_READERS: Final = "kubeadm-sa-key-readers"  # both of whose members read the service accounts' private key
_MEMBERS: Final = {user: [user] for user in _USERS.values()} | {_KEY_READERS: ["kubeadm-kas", "kubeadm-kcm"]}
_SYSTEM_IDS: Final = (100, 999)  # where /etc/login.defs does not say otherwise
_NO_SHELL: Final = "/bin/false"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The ids of the users and groups by name, and the content of /etc/passwd and /etc/group that has them."""

    uids: Mapping[str, int]
    gids: Mapping[str, int]
    passwd: str
    group: str


@dataclass(frozen=True, slots=True)
class Owned:
    """A file or directory as a component's user needs it; `mode` None leaves the mode."""

    path: str
    uid: int
    gid: int
    mode: int | None


def with_accounts(passwd: str, group: str, login_defs: str) -> Accounts:
    """The accounts as the files have them; those that are missing get the first free system ids.

    Raises PhaseError where one that is there could log in or is not a system account, and where no ids are left.
    """
    users, groups = _entries(passwd), _entries(group)
    limits = _limits(login_defs)
    gids = {name: int(fields[2]) for name, fields in groups.items()}
    uids = {name: int(fields[2]) for name, fields in users.items()}
    _require_system_accounts(users, uids, gids, limits)
    new_groups = [name for name in _MEMBERS if name not in groups]
    new_users = [user for user in _USERS.values() if user not in users]
    gids |= dict(zip(new_groups, _free(gids.values(), limits["GID"], len(new_groups)), strict=True))
    uids |= dict(zip(new_users, _free(uids.values(), limits["UID"], len(new_users)), strict=True))
    return Accounts(
        uids=uids,
        gids=gids,
        passwd=_appended(passwd, [f"{user}:x:{uids[user]}:{gids[user]}:::{_NO_SHELL}" for user in new_users]),
        group=_appended(group, [f"{name}:x:{gids[name]}:{','.join(_MEMBERS[name])}" for name in new_groups]),
    )


def run_as_user(pod: Mapping[str, Any], accounts: Accounts) -> dict[str, Any]:
    """The static pod with its container run by its user, without any capability it can do without."""
    name = pod["metadata"]["name"]
    user = _USERS[name]
    (container,) = pod["spec"]["containers"]
    security: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if name == "kube-apiserver":  # its binary has the file capability cap_net_bind_service and would not start without it
        security = {"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}
    pod_security = {**pod["spec"]["securityContext"], "runAsUser": accounts.uids[user], "runAsGroup": accounts.gids[user]}
    if user in _MEMBERS[_KEY_READERS]:
        pod_security["supplementalGroups"] = [accounts.gids[_KEY_READERS]]
    spec = {**pod["spec"], "containers": [{**container, "securityContext": security}], "securityContext": pod_security}
    return {**pod, "spec": spec}


def owned_paths(name: str, cluster: ClusterConfiguration, accounts: Accounts, *, external_ca: bool) -> Iterator[Owned]:
    """What has to belong to the user of the component `name`."""
    user = _USERS[name]
    if user in _MEMBERS[_KEY_READERS]:
        yield Owned(f"{cluster.certificates_dir}/sa.key", 0, accounts.gids[_KEY_READERS], 0o640)
    if name == "etcd":
        yield Owned((cluster.etcd.local or LocalEtcd()).data_dir, accounts.uids[user], accounts.gids[user], None)
    for path in _secret_files(name, cluster, external_ca=external_ca):
        yield Owned(path, accounts.uids[user], accounts.gids[user], 0o600)


def _secret_files(name: str, cluster: ClusterConfiguration, *, external_ca: bool) -> list[str]:
    pki = cluster.certificates_dir
    if name == "kube-scheduler":
        return [f"{KUBERNETES_DIR}/scheduler.conf"]
    if name == "kube-controller-manager":
        return [f"{KUBERNETES_DIR}/controller-manager.conf"] + ([] if external_ca else [f"{pki}/ca.key"])
    if name == "etcd":
        return [f"{pki}/etcd/server.key", f"{pki}/etcd/peer.key"]
    keys = ["sa.pub", "apiserver.key", "apiserver-kubelet-client.key", "front-proxy-client.key"]
    return [f"{pki}/{key}" for key in keys + ([] if cluster.etcd.external else ["apiserver-etcd-client.key"])]


def _entries(text: str) -> dict[str, list[str]]:
    lines = [line.split(":") for line in text.splitlines() if line and not line.startswith("#")]
    return {fields[0]: fields for fields in lines if len(fields) > 2 and fields[2].isdigit()}


def _limits(login_defs: str) -> dict[str, tuple[int, int]]:
    values = dict(line.split()[:2] for line in login_defs.splitlines() if line.startswith("SYS_") and len(line.split()) > 1)
    ends = dict(zip(("MIN", "MAX"), map(str, _SYSTEM_IDS), strict=True))

    def limit(kind: str, end: str) -> int:
        name = f"SYS_{kind}_{end}"
        return _number(name, values.get(name, ends[end]))

    return {kind: (limit(kind, "MIN"), limit(kind, "MAX")) for kind in ("UID", "GID")}


def _number(name: str, text: str) -> int:
    """100, 0144 or 0x64 (login.defs(5)); PhaseError for what is no number."""
    try:
        return int(text, 8 if text.startswith("0") and text.isdigit() else 0)
    except ValueError:
        raise PhaseError(f'{name} in /etc/login.defs is "{text}", which is not a number; correct it') from None


def _require_system_accounts(
    users: Mapping[str, Sequence[str]], uids: Mapping[str, int], gids: Mapping[str, int], limits: Mapping[str, tuple[int, int]]
) -> None:
    for ids, names, kind in ((uids, _USERS.values(), "UID"), (gids, _MEMBERS, "GID")):
        low, high = limits[kind]
        for name in names:
            if name in ids and not low <= ids[name] <= high:
                raise PhaseError(f"the {kind} {ids[name]} of {name} is not a system's, {low} to {high}; remove the account")
    for user in set(_USERS.values()) & set(users):
        if users[user][-1] != _NO_SHELL:
            raise PhaseError(f"the user {user} has the shell {users[user][-1]}, not {_NO_SHELL}; remove the account")


def _free(taken: Any, limits: tuple[int, int], count: int) -> list[int]:
    used = set(taken)
    free = [number for number in range(limits[0], limits[1] + 1) if number not in used][:count]
    if len(free) < count:
        raise PhaseError(f"no {count} system ids are free between {limits[0]} and {limits[1]}")
    return free


def _appended(text: str, lines: Sequence[str]) -> str:
    if lines and text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(f"{line}\n" for line in lines)


def without_accounts(passwd: str, group: str) -> tuple[str, str]:
    """Both files without the users and groups of rootless control planes."""
    users, groups = {*_USERS.values()}, {*_MEMBERS}
    return _without(passwd, users), _without(group, groups)


def _without(text: str, names: set[str]) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if line.partition(":")[0] not in names)
