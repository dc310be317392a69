"""Upgrades that cannot succeed leave the old version and say why; those that are killed are finished by the next run."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import yaml

from lab.cluster import kubectl, kubectl_json
from lab.node import Node
from tests.e2e import load
from tests.e2e.conftest import Versions, nodes_of
from tests.e2e.runs import kill_as_starts, outcome, phases_of
from tests.e2e.upgrading import (
    TIMEOUT,
    apply_words,
    failure,
    manifests,
    old_control_plane,
    stored_version,
    upgrade,
    wait_at,
)

pytestmark = pytest.mark.long
KILLS = 10
REGISTRY = "registry.k8s.io"
CTR = ("ctr", "--namespace", "k8s.io", "images")


class Old(NamedTuple):
    node: Node
    versions: Versions

    @property
    def words(self) -> list[str]:
        return apply_words(self.versions.new.version)


@pytest.fixture(scope="module")
def old(versions: Versions, request: pytest.FixtureRequest) -> Iterator[Old]:
    """A cluster of the old version that every test leaves as it was; kubeadm's, in which etcd is to be upgraded, too."""
    with nodes_of(versions.old, request) as new_node:
        yield Old(old_control_plane(new_node, versions, "upf", tool="kubeadm"), versions)


@dataclass(frozen=True)
class Fault:
    """Something that makes the upgrade impossible, how it is fixed, and what must be said. `options` go with the run."""

    name: str
    make: Callable[[Node, str], None]
    fix: Callable[[Node, str], None]
    said: tuple[str, ...]
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _away(image: str) -> tuple[Callable[[Node, str], None], Callable[[Node, str], None]]:
    """Take the new version's image of a component away, and bring it back."""

    def make(node: Node, version: str) -> None:
        node.run(*CTR, "tag", "--force", f"{REGISTRY}/{image}:{version}", f"{REGISTRY}/kept:{version}")
        node.run(*CTR, "remove", f"{REGISTRY}/{image}:{version}")

    def fix(node: Node, version: str) -> None:
        node.run(*CTR, "tag", f"{REGISTRY}/kept:{version}", f"{REGISTRY}/{image}:{version}")

    return make, fix


def _argument(component: str, name: str, value: str) -> tuple[Callable[[Node, str], None], Callable[[Node, str], None]]:
    """Put a flag into the stored configuration, and take it out."""

    def change(node: Node, arguments: list[dict[str, str]]) -> None:
        stored = kubectl_json(node, "--namespace=kube-system", "get", "configmap", "kubeadm-config")["data"]
        document = yaml.safe_load(stored["ClusterConfiguration"])
        place = document
        for part in component.split("."):
            place = place.setdefault(part, {})
        place["extraArgs"] = arguments
        body = yaml.safe_dump({"data": {"ClusterConfiguration": yaml.safe_dump(document)}})
        patch = ("patch", "configmap/kubeadm-config", "--type=merge", "--patch-file=/dev/stdin")
        kubectl(node, "--namespace=kube-system", *patch, stdin=body)

    return (
        lambda node, _version: change(node, [{"name": name, "value": value}]),
        lambda node, _version: change(node, []),
    )


def _full(node: Node, _version: str) -> None:
    """A file system without a free block where copies and the snapshot go."""
    place = "/etc/kubernetes/tmp"
    node.shell(f"mkdir -p {place} && mount -t tmpfs -o size=64k tmpfs {place} && head -c 64k /dev/zero >{place}/full || true")


def _not_full(node: Node, _version: str) -> None:
    node.shell("umount /etc/kubernetes/tmp")


FAULTS = (
    Fault("an image that cannot be pulled", *_away("kube-controller-manager"), ("kube-controller-manager:{version}",)),
    Fault(
        "an image that is gone after the checks",
        *_away("kube-scheduler"),
        ("kube-scheduler:{version}",),
        ("--ignore-preflight-errors=ImagePull",),
    ),
    Fault(
        "a flag that the API server does not know",
        *_argument("apiServer", "no-such-flag", "1"),
        ("unknown flag: --no-such-flag",),
    ),
    Fault(
        "a value that the scheduler does not take",
        *_argument("scheduler", "leader-elect-lease-duration", "soon"),
        ("kube-scheduler", "leader-elect-lease-duration"),
    ),
    Fault(
        "an etcd that does not start", *_argument("etcd.local", "quota-backend-bytes", "many"), ("etcd", "quota-backend-bytes")
    ),
    Fault("a disk that is full", _full, _not_full, ("/etc/kubernetes/tmp has 0 MiB left", "free some space")),
    Fault(
        "a disk that is full after the checks",
        _full,
        _not_full,
        ("no space is left",),
        ("--ignore-preflight-errors=DiskSpace",),
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_cannot_succeed_leaves_the_old_version(old: Old, fault: Fault) -> None:
    """At any step: afterwards the old version is there, byte for byte, and healthy; the sentence says why."""
    node, version = old.node, old.versions.new.version
    before = manifests(node)
    fault.make(node, version)
    try:
        said = failure(node, [*old.words, *fault.options])
        for words in fault.said:
            assert words.format(version=version) in said
        assert manifests(node) == before
        wait_at(node, old.versions.old.version)
        assert stored_version(node) == old.versions.old.version
    finally:
        fault.fix(node, version)


def test_the_api_server_crashes_meanwhile(old: Old) -> None:
    """Killed ten times, a second apart, while all is upgraded: the end is one of the two versions, whole."""
    node = old.node
    process = node.start_process("pykubeadm", *old.words)
    for _ in range(10):
        node.run("pkill", "-KILL", "-x", "kube-apiserver", check=False)
        time.sleep(1)
    output, _ = process.communicate(timeout=TIMEOUT)
    version = old.versions.new.version if process.returncode == 0 else old.versions.old.version
    wait_at(node, version, seconds=300)
    if process.returncode == 0:
        assert stored_version(node) == version
    else:
        assert '"type":"failure"' in output


def test_killed_at_every_boundary(versions: Versions, request: pytest.FixtureRequest) -> None:
    """At the first boundary, run again, killed at the second, and so on to the last; no acknowledged write is lost."""
    with nodes_of(versions.old, request) as new_node:
        node = old_control_plane(new_node, versions, "upk", tool="kubeadm")
        words = apply_words(versions.new.version)
        with load.api_writes(node, node.address, per_second=5) as writes:
            for phase in phases_of(node, words):
                kill_as_starts(node, words, phase)
            assert outcome(upgrade(node, versions.new.version)) in ("changed", "unchanged")
        wait_at(node, versions.new.version)
        assert stored_version(node) == versions.new.version
        assert outcome(upgrade(node, versions.new.version)) == "unchanged"
        assert load.lost(node, writes) == set()


def test_killed_at_random_moments(versions: Versions, request: pytest.FixtureRequest) -> None:
    """Ten times in upgrades to the next minor, one after the other in the same one until that is done, then in another cluster's.
    Each is finished by the runs that follow, without anything being started by hand, and no acknowledged write is lost."""
    seed, terminal = time.time_ns(), request.config.get_terminal_writer()
    moments = random.Random(seed)  # noqa: S311 - no secret
    left = KILLS
    while left:
        with nodes_of(versions.old, request) as new_node:
            node = old_control_plane(new_node, versions, f"upr{left}", tool="kubeadm")
            with load.api_writes(node, node.address, per_second=5) as writes:
                while left and (killed := _killed_after(node, versions, moments.uniform(0.3, 25))):
                    left -= 1
                    terminal.line(f"seed {seed}: {killed}", flush=True)
                upgrade(node, versions.new.version)
            wait_at(node, versions.new.version, seconds=400)  # controllers that ended are started again within 5 minutes
            assert stored_version(node) == versions.new.version
            assert outcome(upgrade(node, versions.new.version)) == "unchanged"
            assert load.lost(node, writes) == set()


def _killed_after(node: Node, versions: Versions, seconds: float) -> str:
    """Kill an upgrade that long after its start; in which phase it was, "" if it had ended well before."""
    process = node.start_process("pykubeadm", *apply_words(versions.new.version))
    time.sleep(seconds)
    ended = process.poll()
    node.run("pkill", "-KILL", "-f", "pykubeadm upgrade apply", check=False)
    output, _ = process.communicate(timeout=60)
    assert ended in (None, 0), output
    phases = re.findall(r'"phase":"([^"]+)"', output)  # the last line may have been cut
    return "" if ended == 0 else f"killed after {seconds:.1f} s, in {phases[-1] if phases else 'no phase yet'}"


def test_a_power_cut(versions: Versions, request: pytest.FixtureRequest) -> None:
    with nodes_of(versions.old, request) as new_node:
        node = old_control_plane(new_node, versions, "upp")
        process = node.start_process("pykubeadm", *apply_words(versions.new.version))
        deadline = time.monotonic() + 120
        while manifests(node)["kube-apiserver"].find(f":{versions.new.version}") < 0 and time.monotonic() < deadline:
            time.sleep(0.2)
        node.power_off()
        process.communicate(timeout=60)
        node.power_on()
        upgrade(node, versions.new.version)
        wait_at(node, versions.new.version)
        assert stored_version(node) == versions.new.version
