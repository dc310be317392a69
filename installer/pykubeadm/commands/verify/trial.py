"""One execution of a row: makes its objects, waits for them, and asks them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any, Final

from pykubeadm.commands.verify.cluster import Cluster
from pykubeadm.commands.verify.documents import fetching, pod, shell
from pykubeadm.commands.verify.row import NotShownError
from pykubeadm.errors import ApiError
from pykubeadm.kube.apply import retrying
from pykubeadm.kube.pod_state import is_ready, lasting_obstacle, why_not_ready
from pykubeadm.kube.pod_streams import Ended
from pykubeadm.kube.waits import Probe, wait_for
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

ROW_LABEL: Final = "verify.pykubeadm/row"
PATIENCE: Final = 90.0  # seconds for one effect; a kubelet that is busy may look at a pod once a minute only (syncFrequency)
_MADE_WITHIN = timedelta(seconds=15)  # from a namespace's creation until it has its ServiceAccount
_ASK_EVERY: Final = 0.4  # seconds; rows that ask more often keep the cluster from what they wait for
IDLE: Final = "sleep 3600"  # a script that does nothing for longer than any row takes


@dataclass(frozen=True, slots=True)
class Trial:
    """`row` is the last part of the row's name; all that it makes is named and labelled by it."""

    cluster: Cluster
    row: str

    @property
    def namespace(self) -> str:
        return self.cluster.namespace

    def name(self, suffix: str = "") -> str:
        return f"{self.row}-{suffix}" if suffix else self.row

    def labels(self, suffix: str = "") -> dict[str, str]:
        """Of the pods of one workload, for its selector."""
        return {ROW_LABEL: self.row, "app": self.name(suffix)}

    def create(self, document: KubeObject, *, namespaced: bool = True) -> KubeObject:
        """The object as the server stored it."""
        metadata = document["metadata"]
        metadata["labels"] = {ROW_LABEL: self.row, **(metadata.get("labels") or {})}
        if namespaced:
            metadata["namespace"] = self.namespace
        spec = _pod_spec(document)
        if spec is not None:
            spec.setdefault("tolerations", self.cluster.tolerations)
        return retrying(lambda: self.cluster.api.create(document), _MADE_WITHIN)

    def wait(self, what: str, probe: Probe, seconds: float = PATIENCE, *, hopeless: Probe = lambda: None) -> None:
        """Until `probe` says None, else why not. WaitError where it does not within `seconds`, or where `hopeless` says why."""

        def ask() -> str | None:
            try:
                why = probe()
            except ApiError as error:
                why = str(error)
            if why is not None:
                time.sleep(_ASK_EVERY)
            return why

        wait_for({what: ask}, timedelta(seconds=seconds), report=lambda _what, _why: None, hopeless=hopeless, patient=True)

    def start_pod(self, suffix: str, *containers: dict[str, Any], labels: dict[str, str] | None = None, **spec: Any) -> str:
        """Make a pod and wait until it is ready; its name."""
        document = pod(self.name(suffix), *containers, **spec)
        document["metadata"]["labels"] = labels or {}
        self.create(document)
        self.wait_ready(self.name(suffix))
        return self.name(suffix)

    def start_shell(self, suffix: str, script: str = IDLE, **more: Any) -> str:
        """A ready pod with one container that runs a script of sh."""
        return self.start_pod(suffix, shell(self.cluster.shell, script), **more)

    def pod(self, name: str) -> KubeObject:
        found = self.cluster.api.get("v1", "Pod", name, self.namespace)
        if found is None:
            raise NotShownError(f"Pod {name} is gone")
        return found

    def pods(self, suffix: str = "") -> list[KubeObject]:
        """Those of the workload `suffix` that are not being deleted."""
        found = self.cluster.api.list("v1", "Pod", self.namespace, labels=self.labels(suffix))
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def wait_ready(self, name: str, seconds: float = PATIENCE) -> None:
        self.wait(
            f"Pod {name}",
            lambda: why_not_ready(self.pod(name)),
            seconds,
            hopeless=lambda: lasting_obstacle(self.pod(name)),
        )

    def wait_ended(self, name: str, seconds: float = PATIENCE) -> KubeObject:
        """Until a pod's containers have ended; the pod."""

        def running() -> str | None:
            phase = self.pod(name)["status"].get("phase")
            return None if phase in ("Succeeded", "Failed") else f"it is {phase}: {why_not_ready(self.pod(name))}"

        self.wait(f"the end of Pod {name}", running, seconds, hopeless=lambda: lasting_obstacle(self.pod(name)))
        return self.pod(name)

    def wait_pods(self, suffix: str, count: int, seconds: float = PATIENCE) -> list[KubeObject]:
        """Until `count` pods of a workload are ready; those."""

        def missing() -> str | None:
            found = self.pods(suffix)
            ready = [each for each in found if is_ready(each)]
            if len(ready) >= count:
                return None
            why = next((f"{each['metadata']['name']}: {why_not_ready(each)}" for each in found if not is_ready(each)), "")
            return f"{len(ready)} of {count} are ready" + (f", {why}" if why else "")

        self.wait(f"the pods of {self.name(suffix)}", missing, seconds)
        return [each for each in self.pods(suffix) if is_ready(each)]

    def run(self, pod: str, *argv: str, container: str = "", stdin: bytes | None = None) -> Ended:
        return self.cluster.streams.run(self.namespace, pod, argv, container=container, stdin=stdin)

    def sh(self, pod: str, script: str, *, container: str = "") -> str:
        """What a script of sh prints in a pod. NotShownError where it fails."""
        done = self.run(pod, "sh", "-c", script, container=container)
        if done.status:
            said = done.stderr.strip() or done.stdout.strip()
            raise NotShownError(f"`{script}` in Pod {pod} ended with status {done.status}: {said}")
        return done.stdout

    def fetch(self, pod: str, host: str, port: int = 80) -> str:
        """The text that a web server answers to a pod; NotShownError where it does not."""
        answer = self.run(pod, "sh", "-c", fetching(host, port)).stdout
        head, separator, body = answer.replace("\r\n", "\n").partition("\n\n")
        if not separator or " 200 " not in head.partition("\n")[0]:
            said = head.partition("\n")[0]
            raise NotShownError(f"{host}:{port} does not answer Pod {pod}" + (f" as it should: {said!r}" if said else ""))
        return body.strip()

    def answers(self, pod: str, host: str, port: int = 80) -> Probe:
        """A probe whether a web server answers a pod."""

        def probe() -> str | None:
            try:
                self.fetch(pod, host, port)
            except NotShownError as error:
                return str(error)
            return None

        return probe


def _pod_spec(document: KubeObject) -> dict[str, Any] | None:
    """Where the document describes pods: their spec."""
    spec = document.get("spec") or {}
    if document["kind"] == "Pod":
        return spec
    if "jobTemplate" in spec:
        spec = spec["jobTemplate"]["spec"]
    found = (spec.get("template") or {}).get("spec")
    return found if isinstance(found, dict) else None
