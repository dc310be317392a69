"""What the standard library's dataclass does, ours does."""

from __future__ import annotations

import dataclasses
from dataclasses import field, fields, replace

import pytest

from pykubeadm.util.dataclass import dataclass

BOTH = pytest.mark.parametrize("decorate", [dataclass, dataclasses.dataclass], ids=["ours", "the standard library's"])


def port(decorate):
    @decorate(frozen=True, slots=True)
    class Port:
        number: int
        name: str = "web"
        tags: list = field(default_factory=list, compare=False)
        secret: str = field(default="hidden", repr=False)

        def shown(self):
            return f"{self.name}:{self.number}"

    return Port


def both_say(act):
    """Whether it is raised, or given back, by either."""
    said = []
    for decorate in (dataclass, dataclasses.dataclass):
        try:
            said.append(repr(act(port(decorate))))
        except (TypeError, AttributeError) as error:
            said.append(type(error))
    return said


@pytest.mark.parametrize(
    "act",
    [
        lambda cls: cls(80),
        lambda cls: cls(80, "api", [1], "x"),
        lambda cls: cls(number=80, secret="x"),
        lambda cls: cls(80, tags=["a"]).tags,
        lambda cls: cls(80).shown(),
        lambda cls: cls(80) == cls(80, tags=["other"]),
        lambda cls: cls(80) == cls(80, secret="other"),
        lambda cls: cls(80) == 80,
        lambda cls: {cls(80), cls(80), cls(81)} == {cls(80), cls(81)},
        lambda cls: replace(cls(80), name="api"),
        lambda cls: dataclasses.asdict(cls(80)),
        lambda cls: [(each.name, each.default) for each in fields(cls)][:2],
        lambda cls: cls.__match_args__,
        lambda cls: hasattr(cls(80), "__dict__"),
        lambda cls: cls(80).tags is cls(80).tags,
        lambda cls: cls(),
        lambda cls: cls(80, number=80),
        lambda cls: cls(80, unknown=1),
        lambda cls: cls(1, "a", [], "b", "c"),
        lambda cls: setattr(cls(80), "number", 81),
        lambda cls: delattr(cls(80), "number"),
    ],
)
def test_it_does_as_the_standard_librarys(act):
    ours, theirs = both_say(act)
    assert ours == theirs


@BOTH
def test_a_class_that_is_derived_has_all_fields_in_order_and_its_own_methods(decorate):
    @decorate(kw_only=True)
    class Base:
        first: int
        second: int = 2

    @decorate(kw_only=True)
    class Derived(Base):
        third: int
        sums: list = field(init=False)

        def __post_init__(self):
            self.sums = [self.first + self.second + self.third]

        def __repr__(self):
            return "its own"

    made = Derived(third=3, first=1)
    assert (made.first, made.second, made.third, made.sums, repr(made)) == (1, 2, 3, [6], "its own")
    made.first = 7
    assert made != Derived(third=3, first=1)
    with pytest.raises(TypeError):
        hash(made)
    with pytest.raises(TypeError):
        Derived(1, third=3)


@BOTH
def test_without_equality_each_is_itself(decorate):
    @decorate(eq=False)
    class Run:
        name: str = ""

    one = Run()
    assert one != Run()
    assert {one: 1}[one] == 1


@BOTH
def test_a_field_that_is_not_hashed_may_be_anything(decorate):
    @decorate(frozen=True)
    class Command:
        name: str
        env: dict = field(default_factory=dict, hash=False)

    assert hash(Command("a", {"x": "y"})) == hash(Command("a"))
    assert Command("a", {"x": "y"}) != Command("a")


def test_what_is_wrong_is_said():
    with pytest.raises(TypeError, match=r"Port\(\) needs 'number'"):
        port(dataclass)()
    with pytest.raises(TypeError, match=r"Port\(\) has no 'size'"):
        port(dataclass)(80, size=1)
    with pytest.raises(TypeError, match=r"Port\(\) got 'number' twice"):
        port(dataclass)(80, number=1)
    with pytest.raises(TypeError, match=r"Port\(\) takes 4 positional arguments, not 5"):
        port(dataclass)(1, "a", [], "b", "c")
