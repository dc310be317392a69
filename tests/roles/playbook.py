"""`ansible-playbook` that runs each task in its own process, where ansible-core is 2.19 or later: what is loaded and compiled for
one task or host is there for the next, and recorded modules do nothing that a process of their own is for. It takes less than
half of the time."""

from __future__ import annotations

import copy
import gc
import sys

gc.disable()  # for an eighth of the time it would look through what stays anyway, most of it while Ansible is loaded

from ansible.cli.playbook import main  # noqa: E402
from ansible.executor.process.worker import WorkerProcess  # noqa: E402
from ansible.executor.task_executor import TaskExecutor  # noqa: E402
from ansible.plugins.loader import lookup_loader  # noqa: E402
from jinja2 import Environment  # noqa: E402


def run_here(worker):
    """In place of a fork: with copies of what a task changes, which a process has by itself."""
    host, task = copy.copy(worker._host), worker._task.copy(exclude_parent=True, exclude_tasks=True)
    task._parent = worker._task._parent
    play, loader, plugins = worker._play_context.copy(), worker._loader, worker._shared_loader_obj
    with TaskContext(task):
        result = TaskExecutor(
            host, task, worker._task_vars, play, loader, plugins, worker._final_q, worker._variable_manager
        ).run()
    worker._final_q.send_task_result(_RawTaskResult(host=host, task=task, return_data=result, task_fields=task.dump_attrs()))


def compile_once(environment, source, *more, **options):
    """The code of a template, which is the same for all hosts."""
    if more or options or not isinstance(source, str):
        return compile_template(environment, source, *more, **options)
    context = _TemplateCompileContext.current(optional=True)
    known = (source, environment.lexer, type(environment), context and context.escape_backslashes)
    if known not in CODES:
        CODES[known] = compile_template(environment, source)
    return CODES[known]


CODES = {}
compile_template = Environment.compile
try:
    from ansible._internal._task import TaskContext
    from ansible._internal._templating._jinja_bits import _TemplateCompileContext
    from ansible.executor.task_result import _RawTaskResult
except ImportError:
    pass  # an older release forks
else:
    WorkerProcess.start = run_here
    Environment.compile = compile_once
    # Of all variables of a host: the lookup adds some, and changes none.
    sys.modules[lookup_loader.get("template", class_only=True).__module__].deepcopy = copy.copy
main()
