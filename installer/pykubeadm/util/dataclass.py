"""`dataclass` as the standard library has it, without compiling code for each class.

The standard library writes the text of six methods for each class and compiles it whenever the program starts: about a
millisecond a class, which was 40 % of what importing the modules of a command took (ADR 6). Here all classes share methods that
go through the fields. `field`, `fields`, `replace` and `asdict` are the standard library's, and work on these classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414, TID251 - exported, with all that type checkers know of it
else:

    def dataclass(cls: Any = None, /, **options: bool) -> Any:
        """Like dataclasses.dataclass(), with `frozen`, `eq`, `slots` and `kw_only` only. Methods of the class's own stay. Values
        are not for `copy` and `pickle`. Where instances count by the hundred thousand, a class written out is faster."""
        return _processed(cls, **options) if cls is not None else lambda decorated: _processed(decorated, **options)


def _processed(cls: Any, *, frozen: bool = False, eq: bool = True, **options: bool) -> Any:
    cls.__doc__ = cls.__doc__ or cls.__name__  # else the standard library would look at the class's signature for one
    own = {name for name in ("__init__", "__repr__", "__eq__", "__hash__") if cls.__dict__.get(name) is not None}
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, **options)(cls)  # noqa: TID251 - it finds the fields
    methods: dict[str, Any] = {"__init__": _initializer(made), "__repr__": _repr}
    if eq:
        methods |= {"__eq__": _equality(made), "__hash__": _hash(made) if frozen else None}
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    return made


def _initializer(cls: Any) -> Callable[..., None]:
    missing, put = dataclasses.MISSING, object.__setattr__
    taken = [field for field in dataclasses.fields(cls) if field.init]
    # Python 3.9, of nodes that are reached from elsewhere, knows no kw_only.
    positional = [field.name for field in taken if not getattr(field, "kw_only", False)]
    defaults: list[tuple[str, Any, Any]] = [(field.name, field.default, field.default_factory) for field in taken]
    finish = hasattr(cls, "__post_init__")

    def initialize(self: Any, /, *arguments: Any, **given: Any) -> None:
        if arguments:
            _enter(cls, positional, arguments, given)
        for name, default, make in defaults:
            if name in given:
                value = given.pop(name)
            elif default is not missing:
                value = default
            elif make is not missing:
                value = make()
            else:
                raise TypeError(f"{cls.__qualname__}() needs {name!r}")
            put(self, name, value)
        if given:
            raise TypeError(f"{cls.__qualname__}() has no {', '.join(map(repr, given))}")
        if finish:
            self.__post_init__()

    return initialize


def _enter(cls: Any, positional: list[str], arguments: tuple[Any, ...], given: dict[str, Any]) -> None:
    """The positional arguments among those that are given by name."""
    if len(arguments) > len(positional):
        raise TypeError(f"{cls.__qualname__}() takes {len(positional)} positional arguments, not {len(arguments)}")
    for name, value in zip(positional, arguments):
        if name in given:
            raise TypeError(f"{cls.__qualname__}() got {name!r} twice")
        given[name] = value


def _repr(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _equality(cls: Any) -> Callable[[Any, object], bool]:
    compared = _getter(field.name for field in dataclasses.fields(cls) if field.compare)

    def equal(self: Any, other: object) -> bool:
        return bool(compared(self) == compared(other)) if other.__class__ is self.__class__ else NotImplemented

    return equal


def _hash(cls: Any) -> Callable[[Any], int]:
    fields = dataclasses.fields(cls)
    hashed = _getter(field.name for field in fields if (field.compare if field.hash is None else field.hash))
    return lambda self: hash(hashed(self))


def _getter(names: Iterable[str]) -> Callable[[object], Any]:
    names = tuple(names)
    return attrgetter(*names) if names else lambda _value: ()


def _refuse_to_set(_self: object, name: str, _value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
