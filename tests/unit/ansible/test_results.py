from __future__ import annotations

import json

from pykubeadm.ansible.results import HostSummary, Summary, TaskEnded, TaskStarted, failure_sentence, parse

ENDED = {
    "event": "result", "host": "n1", "role": "pykubeadm.kube.containerd", "task": "Install packages", "outcome": "failed",
    "message": "no repository\nhas containerd", "changes": [], "diff": "", "warnings": ["old"], "facts": {}, "output": "",
    "seconds": 1.5,
}  # fmt: skip


def test_lines_become_values():
    assert parse('{"event": "task", "role": "r", "task": "t"}') == TaskStarted("r", "t")
    ended = parse(json.dumps(ENDED))
    assert isinstance(ended, TaskEnded)
    assert (ended.role_name, ended.failed, ended.warnings) == ("containerd", True, ("old",))
    sums = {"ok": 3, "changed": 1, "failed": 0, "unreachable": 0, "calls": 2}
    assert parse(json.dumps({"event": "stats", "hosts": {"n1": sums}})) == Summary({"n1": HostSummary(3, 1, 0, 0, 2)})
    assert parse('{"event": "no_hosts"}') is None


def test_a_failure_names_node_role_task_and_reason():
    ended = parse(json.dumps(ENDED))
    assert failure_sentence(ended) == "n1: role containerd: cannot install packages: no repository has containerd"


def test_an_unreachable_node_says_what_to_check():
    ended = parse(json.dumps(ENDED | {"outcome": "unreachable", "message": "Task failed: ssh: timeout"}))
    assert failure_sentence(ended) == "n1 cannot be reached: ssh: timeout; check its address, user and key in the inventory"


def test_wrong_variables_are_said_to_be_that():
    said = "Task failed: Validation of arguments failed:\nvalue of kernel_proxy_mode must be one of: iptables, ipvs, got: foo"
    task = "Validating arguments against arg spec 'main' - Kernel modules"
    ended = parse(json.dumps(ENDED | {"role": "pykubeadm.kube.kernel", "task": task, "message": said}))
    assert failure_sentence(ended) == (
        "n1: role kernel: wrong variables: value of kernel_proxy_mode must be one of: iptables, ipvs, got: foo"
    )
