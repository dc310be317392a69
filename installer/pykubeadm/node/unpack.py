"""Sent before the helper, and the first thing that runs on the node: imports the modules that come after it from memory."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO, Any


class Sent:
    """A finder and a loader (importlib.abc has them, but takes half of the helper's start to import) of modules by their names:
    each its source, and whether it is a package."""

    def __init__(self, modules: dict[str, tuple[str, bool]]) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self._modules:
            return None
        loader: Any = self
        return ModuleSpec(name, loader, is_package=self._modules[name][1])

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        source = self._modules[module.__name__][0]
        exec(compile(source, f"<sent>/{module.__name__}", "exec"), module.__dict__)  # noqa: S102 - what a loader is for


def run(stream: IO[bytes], size: int, module: str, argument: str) -> None:
    """Import `module` of the modules that are the next `size` bytes, and call its `main`."""
    sys.meta_path.insert(0, Sent(json.loads(zlib.decompress(stream.read(size)))))
    __import__(module)
    sys.modules[module].main(argument)
