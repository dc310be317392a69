"""A container engine: the one that runs, else Docker started as the machine allows.

Where Docker answers it is used as it is. Else systemd starts it, and where there is no systemd either, dockerd is started in
the background with its log at `STATE/dockerd.log`; where root lacks CAP_SYS_RESOURCE, with `files/oci-fit` as its runtime.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from lab.host import (
    CAP_SYS_RESOURCE,
    FILES,
    STATE,
    LabError,
    docker,
    has_capability,
    locked,
    require_commands,
    require_disk,
    run,
)

LOG = STATE / "dockerd.log"
# One limit for all nodes of the machine; systemd, containerd and kubelet take dozens of instances each.
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
ENOUGH_INSTANCES = 1024
# Two clusters at a time; an etcd member alone sets 128 MB aside for its log.
DISK = 5  # GB


def answers() -> bool:
    """Whether an engine answers, for us or for root."""
    return run(["docker", "version", "--format", "{{.Server.Version}}"], root=True, check=False, timeout=15).returncode == 0


def ensure() -> None:
    """Have an engine that answers; LabError says why there can be none. Safe to call from several processes at once."""
    require_commands("docker")
    require_disk(STATE, DISK)
    if answers():
        _raise_inotify_limit()
        return
    run(["mkdir", "-p", STATE], root=True)
    with locked("engine"):
        if not answers():
            _start()
    _raise_inotify_limit()


def _start() -> None:
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker.service"], root=True, check=False, timeout=60)
        _wait("`systemctl start docker` did not help: see `journalctl -u docker`")
        return
    require_commands("dockerd", "iptables")
    config = STATE / "daemon.json"
    run(["install", "-m", "0755", FILES / "oci-fit", STATE / "oci-fit"], root=True)
    run(["tee", config], root=True, stdin=json.dumps(_daemon_config(), indent=1))
    # A shell detaches it, so that neither sudo nor the caller's terminal takes it along when they end.
    run(["sh", "-c", f"setsid dockerd --config-file {config} >>{LOG} 2>&1 </dev/null &"], root=True)
    _wait(f"dockerd does not answer: see {LOG}")


def _daemon_config() -> dict[str, object]:
    config: dict[str, object] = {"storage-driver": "overlay2"}
    if not has_capability(CAP_SYS_RESOURCE):
        config["runtimes"] = {"fit": {"path": str(STATE / "oci-fit")}}
        config["default-runtime"] = "fit"
    config["exec-opts"] = ["native.cgroupdriver=cgroupfs"]
    return config


def _wait(hint: str, seconds: float = 45.0) -> None:
    end = time.monotonic() + seconds
    while not answers():
        if time.monotonic() > end:
            raise LabError(f"there is no container engine: {hint}")
        time.sleep(0.3)


def _raise_inotify_limit() -> None:
    if int(INOTIFY_INSTANCES.read_text()) < ENOUGH_INSTANCES:
        run(["sysctl", "-qw", f"fs.inotify.max_user_instances={ENOUGH_INSTANCES}"], root=True)


def main() -> int:
    """`python -m lab.engine`: have an engine and say which."""
    try:
        ensure()
        print(
            f"Docker {docker('version', '--format', '{{.Server.Version}}')}, storage {docker('info', '--format', '{{.Driver}}')}"
        )
    except (LabError, subprocess.SubprocessError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
