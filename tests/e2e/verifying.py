"""What `verify` and `doctor` say of a cluster of nodes."""

from __future__ import annotations

import json
from typing import Any

from lab import cluster
from lab.cluster import kubectl
from lab.machine import Machine

UNHEALTHY = 10
# What the lab's clusters do not have.
_NOT_SERVED = {
    "controllers/autoscaler",
    "configuration/network-policy",
    "storage/default-class",
    "storage/csi",
    "devices/plugin",
    "control-plane/restart",
}


def verify(plane: Machine, *rows: str, timeout: float = 400.0) -> dict[str, Any]:
    """What `verify` says of some rows, or of all."""
    only = [f"--only={','.join(rows)}"] if rows else []
    done = plane.run("pykubeadm", "verify", "--output=json", *only, check=False, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (UNHEALTHY if found["failed"] else 0), done.stderr
    left = kubectl(plane, "get", "namespaces", "--output=name")
    assert found["namespace"] not in left
    return found


def one_by_one(plane: Machine) -> dict[str, Any]:
    """What `verify` says of all rows, one after the other: each has a minute and a half for an effect, which is enough on an
    emulated machine that does nothing else."""
    rows = [line.split()[0] for line in plane.run("pykubeadm", "verify", "--list").stdout.splitlines()]
    found = [verify(plane, row, timeout=900) for row in rows]
    return {
        "rows": [row for each in found for row in each["rows"]],
        "passed": sum(each["passed"] for each in found),
        "seconds": sum(each["seconds"] for each in found),
    }


def doctor(node: Machine, env: dict[str, str] | None = None, timeout: float = 120) -> dict[str, Any]:
    done = node.run("pykubeadm", "doctor", "--output=json", check=False, env=env, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (UNHEALTHY if found["problems"] else 0), done.stderr
    return found


def said(found: dict[str, Any], *levels: str) -> list[str]:
    """The remarks of these levels, each with the name of its check."""
    return [
        f"{check['name']}: {remark['found']}"
        for check in found["checks"]
        for remark in check["remarks"]
        if remark["level"] in levels
    ]


def shown(found: dict[str, Any], *also: str) -> list[str]:
    """Every row has passed but for those that the lab's clusters do not serve; this one serves `also`. Lines for people."""
    failed = [f"{row['name']}: {row['said']} {row['evidence']}" for row in found["rows"] if row["outcome"] == "failed"]
    assert not failed, "\n".join(failed)
    assert {row["name"] for row in found["rows"] if row["outcome"] == "not served"} == _NOT_SERVED - set(also)
    lines = [f"  {row['name']:<30} {row['seconds']:>5} s  {row['said']}" for row in found["rows"]]
    return [f"verify: {found['passed']} rows in {found['seconds']} s", *lines]


def unready(plane: Machine) -> str | None:
    """Static pods that are not ready."""
    pods = cluster.kubectl_json(plane, "--namespace=kube-system", "get", "pods", "--selector=tier=control-plane")["items"]
    missing = [
        pod["metadata"]["name"]
        for pod in pods
        if not any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or ())
    ]
    return ", ".join(missing) or None
