"""The container runtime of a node, through crictl."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pykubeadm.errors import NodeError
from pykubeadm.node.port import Command, Completed, Node
from pykubeadm.util.dataclass import dataclass

# Where crictl is put by packages, by hand, and on systems with a read-only /usr.
_PLACES = ("/usr/bin/crictl", "/usr/local/bin/crictl", "/opt/bin/crictl", "/opt/cni/bin/crictl")
_MISSING = 127  # the status of a command that does not exist
_PULL_TIMEOUT = 1800.0  # seconds for one image
_CALL_TIMEOUT = 15.0
_STOP_TIMEOUT = 30.0
_REMOVAL_TIMEOUT = 120.0  # a network plugin that waits for an API server that is gone takes its time
# How crictl frames what it says: logrus in a log and on a terminal, and klog for what gRPC says before it.
_LOGRUS = re.compile(r'^(?:time=(?:"[^"]*"|\S+) )?level=(?:fatal|error) msg=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>.*))')
_HEAD = re.compile(r"^(?:[EWIF]\d{4} [\d:.]+\s+\d+ \S+\.go:\d+\]|(?:FATA|ERRO)\[\d+\]) *")


class CrictlMissingError(NodeError):
    """There is no crictl on the node."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod as the runtime knows it. `state` is "created", "running", "exited" or "unknown"; `pod_uid` is, for a
    static pod, the hash of its manifest (kubernetes: pkg/kubelet/config/common.go)."""

    id: str
    name: str
    pod: str
    namespace: str
    state: str
    attempt: int
    created: int = 0  # nanoseconds since the epoch
    pod_uid: str = ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A pod as the runtime knows it. `of_kubelet`: made by a kubelet, which labels its pods (kubernetes:
    pkg/kubelet/types/labels.go), others do not; `static`: from a manifest on the node; `ready`: it runs."""

    id: str
    name: str
    namespace: str
    of_kubelet: bool = True
    static: bool = False
    ready: bool = True

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended: `reason` is the runtime's ("Error", "OOMKilled", "StartError"), `message` may be empty."""

    code: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """`name` is "containerd" or "cri-o"; `version` as the runtime writes it ("v2.1.9", "1.34.0")."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Cri:
    """The runtime behind `socket` ("unix:///var/run/containerd/containerd.sock"; "" leaves the choice to crictl).

    Every method may raise CrictlMissingError, or NodeError with what the runtime said.
    """

    node: Node
    socket: str = ""

    def images(self) -> frozenset[str]:
        """Every name of every image, with tag or digest."""
        return frozenset(self.image_sizes())

    def image_sizes(self) -> dict[str, int]:
        """Bytes of every image, by each of its names."""
        found = self._json("list images", "images", "-o", "json").get("images") or ()
        return {
            name: int(image.get("size") or 0)
            for image in found
            for name in (*(image.get("repoTags") or ()), *(image.get("repoDigests") or ()))
        }

    def has_image(self, image: str) -> bool:
        """Whether the runtime could start `image` without asking a registry."""
        return self._call("look for an image", "inspecti", "-q", image, check=False).status == 0

    def pull(self, image: str) -> None:
        self._call(f"pull {image}", "pull", image, changes=True, timeout=_PULL_TIMEOUT)

    def containers(self) -> tuple[Container, ...]:
        """Every container, running or not."""
        found = self._json("list containers", "ps", "-a", "-o", "json").get("containers") or ()
        return tuple(_container(entry) for entry in found)

    def stop(self, container: Container) -> None:
        """End it, with five seconds to do so in peace; the kubelet starts a static pod's container again."""
        self._call(f"stop {container.name}", "stop", "--timeout", "5", container.id, changes=True, timeout=_STOP_TIMEOUT)

    def sandboxes(self) -> tuple[Sandbox, ...]:
        """Every pod, running or not, whoever made it."""
        return tuple(map(_sandbox, self._json("list pods", "pods", "-o", "json").get("items") or ()))

    def remove_sandboxes(self, sandboxes: Sequence[Sandbox]) -> None:
        """Stop the pods' containers at once and remove them, side by side; some may be gone where it fails."""
        what = f"remove {'the pod' if len(sandboxes) == 1 else 'the pods'} {', '.join(map(str, sandboxes))}"
        ids = (sandbox.id for sandbox in sandboxes)
        self._call(what, "rmp", "--force", *ids, changes=True, timeout=_REMOVAL_TIMEOUT, patience=60)

    def exit(self, container: Container) -> Exit:
        """How a container that is not running ended."""
        status = self._json("look at a container", "inspect", "-o", "json", container.id).get("status") or {}
        return Exit(int(status.get("exitCode") or 0), status.get("reason") or "", status.get("message") or "")

    def logs(self, container: Container, lines: int) -> tuple[str, ...]:
        """The last lines that a container wrote, to either stream."""
        done = self._call("read a log", "logs", "--tail", str(lines), container.id)
        return tuple(line for line in (done.stdout + done.stderr).splitlines() if line.strip())

    def version(self) -> RuntimeVersion:
        """Which runtime answers."""
        words = dict(line.split(":", 1) for line in self._call("ask the runtime", "version").stdout.splitlines() if ":" in line)
        return RuntimeVersion(words.get("RuntimeName", "").strip(), words.get("RuntimeVersion", "").strip())

    def info(self) -> dict[str, Any]:
        """CRI Status, verbose: "status" with its conditions, "config" in the form of the runtime."""
        return self._json("ask the runtime for its state", "info")

    def cgroup_driver(self) -> str | None:
        """The name "systemd" or "cgroupfs"; None where the runtime does not say (containerd 1.x, a crictl before 1.31)."""
        done = self._call("ask for the cgroup driver", "runtime-config", check=False)
        for line in done.stdout.splitlines() if done.status == 0 else ():
            name, _, value = line.partition(":")
            if name.strip() == "cgroup driver" and value.strip():
                return value.strip().lower()
        return None

    def _json(self, summary: str, *arguments: str) -> dict[str, Any]:
        done = self._call(summary, *arguments)
        try:
            found = json.loads(done.stdout or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise NodeError(f"{self.node.name}: crictl {' '.join(arguments)} did not answer with a JSON object")
        return found

    def _call(
        self,
        summary: str,
        *arguments: str,
        changes: bool = False,
        check: bool = True,
        timeout: float = _CALL_TIMEOUT,
        patience: int = 10,
    ) -> Completed:
        """Run crictl, which waits `patience` seconds for each answer of the runtime."""
        endpoint = ("--runtime-endpoint", self.socket, "--image-endpoint", self.socket) if self.socket else ()
        options = ("--timeout", f"{patience}s", *endpoint)
        for crictl in ("crictl", *_PLACES):
            if crictl != "crictl" and self.node.stat(crictl) is None:
                continue
            argv = (crictl, *options, *arguments)
            done = self.node.run(Command(argv, summary, changes=changes, check=False, timeout=timeout))
            if done.status == _MISSING:
                continue
            if check and done.status != 0:
                raise NodeError(f"{self.node.name}: could not {summary}: {_said(done)}")
            return done
        raise CrictlMissingError(
            f"{self.node.name}: there is no crictl (looked in PATH, {', '.join(_PLACES)});"
            " install the package cri-tools or https://github.com/kubernetes-sigs/cri-tools"
        )


def _container(entry: dict[str, Any]) -> Container:
    labels = entry.get("labels") or {}
    metadata = entry.get("metadata") or {}
    return Container(
        id=entry["id"],
        name=metadata.get("name") or labels.get("io.kubernetes.container.name", ""),
        pod=labels.get("io.kubernetes.pod.name", ""),
        namespace=labels.get("io.kubernetes.pod.namespace", ""),
        state=str(entry.get("state", "")).removeprefix("CONTAINER_").lower() or "unknown",
        attempt=int(metadata.get("attempt") or 0),
        created=int(entry.get("createdAt") or 0),
        pod_uid=labels.get("io.kubernetes.pod.uid", ""),
    )


def _sandbox(entry: dict[str, Any]) -> Sandbox:
    labels, metadata = entry.get("labels") or {}, entry.get("metadata") or {}
    return Sandbox(
        id=entry["id"],
        name=metadata.get("name") or labels.get("io.kubernetes.pod.name", ""),
        namespace=metadata.get("namespace") or labels.get("io.kubernetes.pod.namespace", ""),
        of_kubelet=bool(labels.get("io.kubernetes.pod.uid")),
        static=(entry.get("annotations") or {}).get("kubernetes.io/config.source") == "file",
        ready=entry.get("state") == "SANDBOX_READY",
    )


def _said(done: Completed) -> str:
    """What crictl ends with, without the frame of its log lines; its warnings about deprecated defaults come before that."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    if not lines:
        return f"crictl ended with status {done.status}"
    framed = [line for line in map(_LOGRUS.match, lines) if line]
    if not framed:
        return _HEAD.sub("", lines[-1])
    return framed[-1]["plain"] or re.sub(r"\\(.)", _unescaped, framed[-1]["quoted"] or "")


def _unescaped(escape: re.Match[str]) -> str:
    """Of several failures crictl makes several lines, which are to be one sentence."""
    return {"n": "; ", "t": " "}.get(escape[1], escape[1])
