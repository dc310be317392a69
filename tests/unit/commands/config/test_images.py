from __future__ import annotations

import json
import threading

import pytest

from pykubeadm.commands.config.images import Pull
from pykubeadm.errors import NodeError
from pykubeadm.node.cri import Cri
from pykubeadm.workflow.events import Event, Note
from tests.support.node import FakeNode, completed


class Registry:
    """crictl on a node: `present` images with their sizes, `answers` of failing pulls by image, in turn."""

    def __init__(self, **present: int) -> None:
        self.present = dict(present)
        self.sizes: dict[str, int] = {}
        self.answers: dict[str, list[str]] = {}
        self.pulled: list[str] = []
        self.at_once = self.most = 0
        self.lock = threading.Lock()

    def answer(self, command):
        argv = command.argv
        if "images" in argv:
            with self.lock:
                images = [{"repoTags": [name], "repoDigests": [], "size": str(size)} for name, size in self.present.items()]
            return completed(json.dumps({"images": images}))
        if "inspecti" in argv:
            return completed("", 0 if argv[-1] in self.present else 1)
        assert "pull" in argv
        name = argv[-1]
        with self.lock:
            self.pulled.append(name)
            left = self.answers.get(name)
            if left:
                return completed("", 1, f'time="x" level=fatal msg="pulling image: {left.pop(0)}"')
            self.present[name] = self.sizes.get(name, 1_000_000)
        return completed("Image is up to date")


def pull(registry: Registry, *names: str) -> list[str]:
    node = FakeNode(commands={"crictl": registry.answer})
    events: list[Event] = []
    Pull(Cri(node), events.append, pause=0).all_of(names)
    assert all(isinstance(event, Note) and event.topic == "config/images" for event in events)
    return [event.message for event in events if isinstance(event, Note)]


def test_what_is_there_is_not_pulled_and_sizes_are_told() -> None:
    registry = Registry(a=1)
    registry.sizes = {"b": 34_560_000, "c": 440_000}
    said = pull(registry, "a", "b", "c")
    assert sorted(registry.pulled) == ["b", "c"]
    assert said[0] == "a is there already"
    assert sorted(said[1:3]) == ["Pulled b (34.6 MB)", "Pulled c (0.4 MB)"]
    assert said[3] == "2 images pulled, 35.0 MB"


def test_all_there_asks_no_registry() -> None:
    registry = Registry(a=1, b=1)
    assert pull(registry, "a", "b") == ["a is there already", "b is there already"]
    assert registry.pulled == []


def test_each_failure_is_reported_with_the_registry_s_answer_and_the_others_are_pulled() -> None:
    registry = Registry()
    registry.answers = {"b": ["b: not found"] * 9, "c": ["connection reset"] * 9}
    with pytest.raises(NodeError) as failed:
        pull(registry, "a", "b", "c")
    assert "a" in registry.present
    first, second = sorted(str(failed.value).splitlines())
    assert first.startswith("b: ")
    assert first.endswith("pulling image: b: not found")
    assert second.endswith("pulling image: connection reset")
    assert registry.pulled.count("b") == 1  # asking again would not help
    assert registry.pulled.count("c") == 5


def test_a_passing_failure_is_tried_again() -> None:
    registry = Registry()
    registry.answers = {"a": ["connection reset", "timeout"]}
    assert pull(registry, "a") == ["Pulled a (1.0 MB)", "1 image pulled, 1.0 MB"]
