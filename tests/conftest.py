"""What all tests share."""

from __future__ import annotations

import gc
import os
from functools import partial

import yaml
from hypothesis import settings

from tests.support.environment import forget_what_is_set_for_others

forget_what_is_set_for_others()

# Thousands of modules and tests come and stay. Without this, Python's garbage collector looks through them again and again, for a
# sixth of the whole time.
gc.disable()

# No deadline: a busy machine is no defect. Continuous integration repeats the same examples, people explore new ones: half of
# Hypothesis' hundred in each run, for the tests that need no node are run often.
settings.register_profile("explore", deadline=None, max_examples=50)
settings.register_profile("repeat", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("repeat" if os.environ.get("CI") else "explore")

# What tests look at and make, libyaml reads and writes in a fraction of the time.
yaml.safe_load = partial(yaml.load, Loader=yaml.CSafeLoader)
yaml.safe_load_all = partial(yaml.load_all, Loader=yaml.CSafeLoader)
yaml.safe_dump = partial(yaml.dump, Dumper=yaml.CSafeDumper)
yaml.safe_dump_all = partial(yaml.dump_all, Dumper=yaml.CSafeDumper)


def pytest_collection_finish() -> None:
    """What was collected stays until the end, and is not looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()
