"""`host`: each node of the scenario, asked by pytest-testinfra over SSH; the roles' own facts have no part in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import testinfra
import yaml


def instances():
    path = Path(os.environ.get("MOLECULE_INSTANCE_CONFIG", "/nonexistent"))
    return (yaml.safe_load(path.read_text()) or []) if path.exists() else []


@pytest.fixture(scope="module", params=instances(), ids=lambda instance: instance["instance"])
def host(request):
    instance = request.param
    return testinfra.get_host(
        f"ssh://{instance['user']}@{instance['address']}:{instance['port']}",
        ssh_identity_file=instance["identity_file"],
        ssh_extra_args="-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        sudo=instance["user"] != "root",
        controlpersist=60,
    )
