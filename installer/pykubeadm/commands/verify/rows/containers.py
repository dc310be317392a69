"""What a container is: a process in namespaces of its own, with limits, on layers; and how one gets at it."""

from __future__ import annotations

import re
from typing import Final

from pykubeadm.commands.verify.documents import PORT, container, pod, shell, web_server
from pykubeadm.commands.verify.row import NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial
from pykubeadm.util.kube_object import KubeObject

_NAMESPACES: Final = ("pid", "net", "mnt", "uts", "ipc")
_MILLICORES: Final = 200
_MEMORY: Final = "24Mi"
_KILLED: Final = 137  # the status of what ends by SIGKILL
# Of cgroup v2 and v1: quota and period in microseconds.
_QUOTA = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us"
_THROTTLED = "cat /sys/fs/cgroup/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.stat"
_BUSY = "while :; do :; done & sleep 2; kill $!"  # a loop that is counted takes a minute on a slow machine
_HUNGRY = "x=0123456789abcdef; while true; do x=$x$x; done"


def _process(trial: Trial) -> str:
    """Beside a container that shares the node's namespaces and therefore shows what those are."""
    look = "cat /proc/1/cmdline; echo; ls -l /proc/self/ns"
    here = trial.start_shell("own", IDLE)
    node = trial.pod(here)["spec"]["nodeName"]
    there = trial.start_shell(
        "host", IDLE, nodeName=node, hostPID=True, hostNetwork=True, hostIPC=True, tolerations=[{"operator": "Exists"}]
    )
    own, host = trial.sh(here, look), trial.sh(there, look)
    command = own.partition("\n")[0].replace("\0", " ").strip()
    if "sleep" not in command:
        raise NotShownError(f"process 1 in Pod {here} is {command!r}, not the container's command")
    shared = [name for name in _NAMESPACES if (found := _inode(own, name)) is None or found == _inode(host, name)]
    if shared:
        raise NotShownError(f"Pod {here} shares the namespaces {', '.join(shared)} with its node {node}")
    return f"`{command}` is process 1, with {', '.join(_NAMESPACES)} namespaces other than the node's"


def _inode(listing: str, namespace: str) -> str | None:
    found = re.search(rf"\b{namespace}:\[(\d+)\]", listing)
    return found[1] if found else None


def _cpu_limit(trial: Trial) -> str:
    """The container itself looks: a command that is run in it from outside starts within the limit, too, which takes longer on a
    slow machine than its answer is awaited."""
    look = "; echo; ".join((_QUOTA, _THROTTLED, f"{_BUSY}; {_THROTTLED}"))
    limited = shell(trial.cluster.shell, look, resources={"limits": {"cpu": f"{_MILLICORES}m"}})
    trial.create(_once(trial, limited))
    trial.wait_ended(trial.name())
    log = trial.cluster.streams.logs(trial.namespace, trial.name())
    found = re.match(r"(\d+)\s+(\d+)\s", log)
    if not found or int(found[1]) * 1000 != _MILLICORES * int(found[2]):
        raise NotShownError(f"a limit of {_MILLICORES}m became the quota {' '.join(log.split()[:2])!r} (µs, in a period of µs)")
    quota = f"{found[1]} in {found[2]} µs"
    before, after = (int(times) for times in [*re.findall(r"^nr_throttled (\d+)", log, re.MULTILINE), 0, 0][:2])
    if after <= before:
        raise NotShownError(f"a busy container was not held to its quota of {quota}")
    return f"quota {quota}; a busy loop was held back {after - before} times"


def _memory_limit(trial: Trial) -> str:
    hungry = shell(trial.cluster.shell, _HUNGRY, resources={"limits": {"memory": _MEMORY}})
    trial.create(_once(trial, hungry))
    ended = _terminated(trial.wait_ended(trial.name()))
    if ended.get("reason") != "OOMKilled" and ended.get("exitCode") != _KILLED:
        raise NotShownError(f"it was not killed for its memory: {ended.get('reason')}, status {ended.get('exitCode')}")
    return f"a process that took more than {_MEMORY} was killed: {ended.get('reason')}, status {ended.get('exitCode')}"


def _layers(trial: Trial) -> str:
    """The first run leaves marks in its root file system and in a volume, and fails; the second looks for them."""
    script = (
        "cat /proc/mounts; "
        "if [ -e /volume/mark ]; then [ -e /mark ] && echo KEPT || echo FRESH; sleep 3600; fi; "
        "echo here >/mark; echo here >/volume/mark; exit 1"
    )
    mounted = shell(trial.cluster.shell, script, volumeMounts=[{"name": "volume", "mountPath": "/volume"}])
    trial.create(pod(trial.name(), mounted, volumes=[{"name": "volume", "emptyDir": {}}]))
    said = ""

    def second_run() -> str | None:
        nonlocal said
        if not _restarted(trial.pod(trial.name())):
            return "it was not started again yet"
        said = trial.cluster.streams.logs(trial.namespace, trial.name())
        return None if "FRESH" in said or "KEPT" in said else "it has not said yet what it found"

    trial.wait("the second run of the container", second_run)
    if "KEPT" in said:
        raise NotShownError("a container that was started again still had the file that it had written into its root file system")
    root = next((line.split() for line in said.splitlines() if " / " in line), [])
    kind = f" ({root[2]})" if len(root) > 2 else ""
    return f"what was written into the root file system{kind} was gone after a restart, the emptyDir was not"


def _exec(trial: Trial) -> str:
    if not trial.cluster.shell:
        name = trial.start_pod("", container(trial.cluster.pause))
        done = trial.run(name, "/pause", "-v")
        if done.status:
            raise NotShownError(f"/pause -v in Pod {name} ended with status {done.status}: {done.stderr}")
        return f"`/pause -v` in a running container said {done.stdout.strip()!r}"
    name = trial.start_shell("")
    done = trial.run(name, "sh", "-c", "cat; echo to stderr >&2; exit 3", stdin=b"through stdin")
    if (done.stdout, done.stderr.strip(), done.status) != ("through stdin", "to stderr", 3):
        raise NotShownError(f"a command in a container ended with status {done.status}, and said {done.stdout!r} {done.stderr!r}")
    return "a command in a container got its input, gave both outputs and its status"


def _logs(trial: Trial) -> str:
    if trial.cluster.shell:
        said, speaking = "from a container", shell(trial.cluster.shell, "echo from a container")
    else:
        said, speaking = "pause", container(trial.cluster.pause, args=["-v"])
    trial.create(_once(trial, speaking))
    trial.wait_ended(trial.name())
    log = trial.cluster.streams.logs(trial.namespace, trial.name())
    if said not in log:
        raise NotShownError(f"the log of a container that said {said!r} is {log!r}")
    return f"what a container said can be read: {log.strip()!r}"


def _port_forward(trial: Trial) -> str:
    name = trial.start_pod("", web_server(trial.cluster.shell, "through a forwarded port"))
    answer = trial.cluster.streams.through_port(trial.namespace, name, PORT, b"GET / HTTP/1.0\r\n\r\n").decode(errors="replace")
    if "through a forwarded port" not in answer:
        raise NotShownError(f"port {PORT} of Pod {name} answered {answer!r} through a forwarded port")
    return f"port {PORT} of a pod answered through the API server"


def _once(trial: Trial, speaking: dict[str, object]) -> KubeObject:
    return pod(trial.name(), speaking, restartPolicy="Never")


def _restarted(document: KubeObject) -> bool:
    statuses = (document["status"].get("containerStatuses") or [{}])[0]
    return int(statuses.get("restartCount") or 0) >= 1 and "running" in (statuses.get("state") or {})


def _terminated(document: KubeObject) -> dict[str, object]:
    statuses = document["status"].get("containerStatuses") or [{}]
    found: dict[str, object] = (statuses[0].get("state") or {}).get("terminated") or {}
    return found


ROWS: Final = (
    Row("containers/process", "a container's command is process 1, in namespaces of its own", _process, needs_shell=True),
    Row(
        "containers/cpu-limit",
        "a CPU limit is the quota of its cgroup, and holds",
        _cpu_limit,
        needs_shell=True,
    ),
    Row("containers/memory-limit", "what takes more than its memory limit is killed", _memory_limit, needs_shell=True),
    Row("containers/layers", "a writable layer lies over the image, and is gone after a restart", _layers, needs_shell=True),
    Row("containers/exec", "commands run in running containers", _exec),
    Row("containers/logs", "what a container says is kept", _logs),
    Row("containers/port-forward", "a port of a pod can be reached through the API server", _port_forward, needs_shell=True),
)
