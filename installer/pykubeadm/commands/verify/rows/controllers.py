"""What controllers keep: so many pods, of this version, with these names, on every node, until done, at these times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from pykubeadm.commands.verify.dns import RESOLVED_WITHIN, domain, unresolved
from pykubeadm.commands.verify.documents import IN_PEACE, container, pod, pod_spec, service, shell, web_server, workload
from pykubeadm.commands.verify.row import NotServedError, NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, PATIENCE, ROW_LABEL, Trial
from pykubeadm.util.kube_object import KubeObject

_METRICS: Final = "v1beta1.metrics.k8s.io"
_SCALED_WITHIN: Final = 100.0  # seconds: a metric every 15, looked at every 15, of pods that are 30 old
_NEXT_MINUTE: Final = 60.0 + PATIENCE
_DAEMON: Final = {"operator": "Exists"}


def _deployment(trial: Trial) -> str:
    """A client asks all the time from the first answer on; each of its answers is a line of its log."""
    labels = trial.labels("web")

    def template(version: int) -> dict[str, Any]:
        server = web_server(trial.cluster.shell, f"version-{version}", **IN_PEACE)
        return pod_spec(server, terminationGracePeriodSeconds=3)

    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 2}}
    trial.create(workload("apps/v1", "Deployment", trial.name("web"), template(1), labels, replicas=2, strategy=strategy))
    address = trial.create(service(trial.name("web"), labels))["spec"]["clusterIP"]
    client = trial.name("client")
    trial.create(pod(client, shell(trial.cluster.shell, _asking(address))))
    first = {_hash(each) for each in trial.wait_pods("web", 2)}
    trial.wait("the first answers", lambda: None if "version-1" in _log(trial, client) else "there is none yet", 20)
    _roll(trial, template(2))
    trial.wait("answers of the new version", lambda: None if "version-2" in _log(trial, client) else "there is none yet", 20)
    _roll(trial, template(1))
    if {_hash(each) for each in trial.pods("web")} != first:
        raise NotShownError("the pods after the rollback are not of the first version's ReplicaSet")
    answers = Counter(_log(trial, client).split())
    if answers["lost"]:
        raise NotShownError(f"{answers['lost']} of {answers.total()} requests got no answer during the update and the rollback")
    return f"updated and rolled back under {answers.total()} requests, none of which was lost"


def _asking(address: str) -> str:
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} 80 2>&1"
    cases = "*version-1*) echo version-1;; *version-2*) echo version-2;; *) echo lost;;"
    begin = f"until {ask} | grep -q version-1; do sleep 0.2; done"
    return f'{begin}; while true; do case "$({ask})" in {cases} esac; sleep 0.2; done'


def _log(trial: Trial, name: str) -> str:
    return trial.cluster.streams.logs(trial.namespace, name, lines=10000)


def _roll(trial: Trial, template: dict[str, Any]) -> None:
    name, api = trial.name("web"), trial.cluster.api
    body = {"spec": {"template": {"spec": {"containers": template["containers"]}}}}
    changed = api.patch("apps/v1", "Deployment", name, body, trial.namespace, how="merge")
    generation = changed["metadata"]["generation"]

    def unfinished() -> str | None:
        status = (api.get("apps/v1", "Deployment", name, trial.namespace) or {}).get("status") or {}
        done = [int(status.get(field) or 0) for field in ("updatedReplicas", "availableReplicas", "replicas")]
        if int(status.get("observedGeneration") or 0) >= generation and done == [2, 2, 2]:
            return None
        return f"{done[0]} of 2 pods are updated, {done[1]} available, {done[2]} there"

    trial.wait(f"the rollout of Deployment {name}", unfinished)


def _hash(found: KubeObject) -> str:
    return str(found["metadata"]["labels"].get("pod-template-hash"))


def _stateful_set(trial: Trial) -> str:
    """With an image that has a shell also the names of its pods in DNS, before and after one has another address."""
    labels, image = trial.labels(), trial.cluster.shell
    trial.create(service(trial.name(), labels, clusterIP="None"))
    template = pod_spec(shell(image, IDLE) if image else container(trial.cluster.pause))
    trial.create(workload("apps/v1", "StatefulSet", trial.name(), template, labels, replicas=2, serviceName=trial.name()))
    before = {each["metadata"]["name"]: each["metadata"]["uid"] for each in trial.wait_pods("", 2)}
    names = [trial.name("0"), trial.name("1")]
    if sorted(before) != names:
        raise NotShownError(f"its pods are called {', '.join(sorted(before))}, not {' and '.join(names)}")
    _named(trial, names)
    trial.cluster.api.delete("v1", "Pod", names[0], trial.namespace)

    def same() -> str | None:
        found = trial.cluster.api.get("v1", "Pod", names[0], trial.namespace)
        return None if found and found["metadata"]["uid"] != before[names[0]] else f"{names[0]} was not made again yet"

    trial.wait(f"another Pod {names[0]}", same)
    trial.wait_ready(names[0])
    _named(trial, names)
    said = "; names in DNS were not tried, which needs an image with a shell (--image)"
    if image:
        said = f", where {names[0]}.{trial.name()} leads to it"
    return f"{names[0]} and {names[1]}; the one that was deleted came back under its name{said}"


def _named(trial: Trial, names: Sequence[str]) -> None:
    """Each pod of a StatefulSet has a name in DNS, below its Service's."""
    if not trial.cluster.shell:
        return
    client = names[-1]
    below = f"{trial.name()}.{trial.namespace}.svc.{domain(trial, client)}"
    for name in names:
        address = trial.pod(name)["status"]["podIP"]
        probe = partial(unresolved, trial, client, f"{name}.{below}", [address])
        trial.wait(f"the name {name}.{below} to lead to {address}", probe, RESOLVED_WITHIN)


def _daemon_set(trial: Trial) -> str:
    template = pod_spec(container(trial.cluster.pause), tolerations=[_DAEMON])
    trial.create(workload("apps/v1", "DaemonSet", trial.name(), template, trial.labels()))
    names = trial.cluster.node_names
    found = trial.wait_pods("", len(names))
    missing = set(names) - {each["spec"]["nodeName"] for each in found}
    if missing:
        raise NotShownError(f"no pod runs on {', '.join(sorted(missing))}")
    return f"a pod runs on each of {len(names)} nodes" if len(names) > 1 else "a pod runs on the only node"


def _job(trial: Trial) -> str:
    trial.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": trial.name()},
            "spec": {"completions": 3, "parallelism": 2, "backoffLimit": 1, "template": _ending(trial)},
        }
    )

    def running() -> str | None:
        status = (trial.cluster.api.get("batch/v1", "Job", trial.name(), trial.namespace) or {}).get("status") or {}
        ended = {each["type"]: each for each in status.get("conditions") or () if each["status"] == "True"}
        if "Failed" in ended:
            raise NotShownError(f"Job {trial.name()} failed: {ended['Failed'].get('message', '')}")
        return None if "Complete" in ended else f"{status.get('succeeded', 0)} of 3 runs have succeeded"

    trial.wait(f"the end of Job {trial.name()}", running, 2 * PATIENCE)
    return "three runs, two at a time, were done"


def _cron_job(trial: Trial) -> str:
    trial.create(
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": trial.name()},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": _ending(trial)}}},
        }
    )

    def waiting() -> str | None:
        jobs = [
            job
            for job in trial.cluster.api.list("batch/v1", "Job", trial.namespace)
            if any(owner.get("name") == trial.name() for owner in job["metadata"].get("ownerReferences") or ())
        ]
        if any((job.get("status") or {}).get("succeeded") for job in jobs):
            return None
        return "its Job has not succeeded yet" if jobs else "it has made no Job yet"

    trial.wait(f"a run of CronJob {trial.name()}", waiting, _NEXT_MINUTE)
    return "a Job was run at the next minute"


def _ending(trial: Trial) -> dict[str, Any]:
    """The template of pods that end at once: pause prints its version."""
    spec = pod_spec(container(trial.cluster.pause, args=["-v"]), restartPolicy="Never", tolerations=trial.cluster.tolerations)
    return {"metadata": {"labels": {ROW_LABEL: trial.row}}, "spec": spec}


def _autoscaler(trial: Trial) -> str:
    served = trial.cluster.api.get("apiregistration.k8s.io/v1", "APIService", _METRICS)
    if served is None:
        raise NotServedError("the cluster has no metrics (metrics.k8s.io), which an autoscaler needs: install metrics-server")
    busy = shell(trial.cluster.shell, "while true; do :; done", resources={"requests": {"cpu": "20m"}, "limits": {"cpu": "60m"}})
    labels = trial.labels()
    trial.create(workload("apps/v1", "Deployment", trial.name(), pod_spec(busy), labels, replicas=1))
    utilization = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": trial.name()}
    trial.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": trial.name()},
            "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "metrics": [utilization]},
        }
    )

    def unscaled() -> str | None:
        found = trial.cluster.api.get("autoscaling/v2", "HorizontalPodAutoscaler", trial.name(), trial.namespace) or {}
        status = found.get("status") or {}
        if int(status.get("desiredReplicas") or 0) >= 2:
            return None
        said = [each.get("message", "") for each in status.get("conditions") or () if each["status"] == "False"]
        return said[0] if said else "it still asks for one pod"

    trial.wait(f"HorizontalPodAutoscaler {trial.name()}", unscaled, _SCALED_WITHIN)
    trial.wait_pods("", 2, PATIENCE)
    return "a busy pod got a second one"


ROWS: Final = (
    Row("controllers/deployment", "an update and a rollback cost no request", _deployment, needs_shell=True, slow=True),
    Row("controllers/stateful-set", "pods of a StatefulSet keep their names, also in DNS", _stateful_set, slow=True),
    Row("controllers/daemon-set", "a DaemonSet has a pod on every node", _daemon_set),
    Row("controllers/job", "a Job runs to its end", _job),
    Row("controllers/cron-job", "a CronJob runs at its time", _cron_job, slow=True),
    Row("controllers/autoscaler", "a busy workload gets more pods", _autoscaler, needs_shell=True, slow=True),
)
