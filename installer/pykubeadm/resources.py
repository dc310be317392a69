"""Where the Ansible collection and the templates lie: in the package when installed from a wheel, else in the checkout."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from pykubeadm.util.kube_object import KubeObject, plain_copy
from pykubeadm.util.yaml_output import yaml_inline

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = Path(__file__).resolve().parent


@cache
def collection_dir() -> Path:
    """The root of the Ansible collection pykubeadm.kube: it holds roles/, playbooks/, plugins/ and templates/.

    A wheel carries it below `_data` (hatch_build.py); an editable install and a checkout use the repository itself.
    """
    installed = _PACKAGE / "_data" / "ansible_collections" / "pykubeadm" / "kube"
    return installed if installed.is_dir() else _PACKAGE.parent.parent


def templates_dir() -> Path:
    """The Jinja2 templates of static pods and addons."""
    return collection_dir() / "templates"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates_dir()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - YAML, not HTML: every value goes through the filter `yaml`
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    environment.filters["yaml"] = yaml_inline
    return environment


def render_text(template: str, **values: object) -> str:
    """The text that a template of `templates_dir()` gives with these values; a missing value is an error."""
    return _templates().get_template(template).render(values)


def render(template: str, **values: object) -> list[KubeObject]:
    """The YAML documents that a template gives, the caller's to change."""
    return plain_copy(_documents(render_text(template, **values)))


@lru_cache(maxsize=32)
def _documents(text: str) -> list[KubeObject]:
    """Reading takes most of the time, and what is compared with what is there is often the same as before."""
    import yaml

    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]
