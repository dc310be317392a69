"""The Job that shows before and after an upgrade that the cluster runs pods."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.commands.upgrade.checks.job import health_job, run_job, would_be_taken
from pykubeadm.kube.port import ApiStatusError
from pykubeadm.phases.preflight.check import FINE, Findings
from pykubeadm.util.kube_object import KubeObject
from tests.support.api import FakeApi


class _Jobs(FakeApi):
    """Runs Jobs: `status` is what becomes of each at once."""

    status: dict[str, Any] = {}  # noqa: RUF012 - set by each test
    pod: dict[str, Any] = {  # noqa: RUF012 - as above
        "spec": {"nodeName": "cp1"},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}],
        },
    }

    def create(self, document: KubeObject) -> KubeObject:
        made = super().create(document)
        if document["kind"] == "Job":
            self.put(document | {"status": self.status})
            labels = {"batch.kubernetes.io/job-name": document["metadata"]["name"]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "kube-system", "labels": labels}}
            self.put(pod | self.pod)
        return made


def _run_job(status: dict[str, Any], seconds: float = 0.1, failures: tuple[Exception, ...] = ()) -> tuple[Findings, _Jobs]:
    api = _Jobs(failures=list(failures))
    api.status = status
    return run_job(api, health_job("cp1", "pause:3.10", "7"), seconds), api


def test_a_job_that_runs_is_fine_and_leaves_nothing_behind() -> None:
    found, api = _run_job({"conditions": [{"type": "Complete", "status": "True"}]})
    assert found == FINE
    assert not api.objects


def test_the_job_is_bound_to_the_node_whether_it_is_drained_or_not() -> None:
    pod = health_job("cp1", "pause:3.10", "7")["spec"]["template"]["spec"]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["cp1"]}]}]
    assert pod["tolerations"] == [{"operator": "Exists"}]


def test_a_job_that_does_not_run_is_named_with_its_reason_and_removed() -> None:
    found, api = _run_job({}, seconds=0.05)
    (sentence,) = found.errors
    assert "upgrade-health-check-7" in sentence
    assert "ErrImagePull: no such image" in sentence
    assert not api.objects


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        ({"spec": {}, "status": {"phase": "Pending"}}, "is kube-scheduler running"),
        ({"spec": {"nodeName": "cp1"}, "status": {"phase": "Pending"}}, "its pod is Pending, and the kubelet of cp1"),
        ({"spec": {"nodeName": "cp1"}, "status": {"phase": "Succeeded"}}, "the controller manager has not taken note of"),
        (
            {
                "spec": {},
                "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: too many pods"}]},
            },
            "0/1 nodes: too many pods",
        ),
    ],
)
def test_a_pod_that_waits_names_who_has_to_act(pod: dict[str, Any], said: str) -> None:
    api = _Jobs()
    api.pod = pod
    (sentence,) = run_job(api, health_job("cp1", "pause:3.10", "7"), 0.05).errors
    assert said in sentence


def test_a_job_that_admission_refuses_is_tried_again() -> None:
    refusal = ApiStatusError("denied by policy", code=422)
    found, _ = _run_job({"conditions": [{"type": "Complete", "status": "True"}]}, 2, (refusal,))
    assert found == FINE


def test_the_refusal_is_in_the_sentence_once_there_is_no_time_left() -> None:
    found, _ = _run_job({}, 0.1, (ApiStatusError("denied by policy", code=422),))
    assert "denied by policy" in found.errors[0]


def test_a_plan_asks_for_job_and_pod_without_making_them() -> None:
    assert would_be_taken(FakeApi(), health_job("cp1", "pause", "plan")) == FINE
    api = FakeApi()
    create = api.create

    def no_pods(document: KubeObject) -> KubeObject:
        if document["kind"] == "Pod":
            raise ApiStatusError("violates PodSecurity", code=403)
        return create(document)

    api.create = no_pods  # type: ignore[method-assign]
    assert would_be_taken(api, health_job("cp1", "pause", "plan")).errors == (
        "the API server would refuse the Pod that tests the cluster: violates PodSecurity",
    )


def test_a_webhook_that_knows_no_dry_runs_does_not_stop_anything() -> None:
    api = FakeApi(failures=[ApiStatusError('admission webhook "a" does not support dry run', code=400)])
    found = would_be_taken(api, health_job("cp1", "pause", "plan"))
    assert found.errors == ()
    assert "cannot be asked" in found.warnings[0]
