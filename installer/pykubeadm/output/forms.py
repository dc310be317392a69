"""What `-o` names: a form in which documents are printed (cli-runtime, genericclioptions)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pykubeadm.errors import UsageError
from pykubeadm.output.refusal import TemplateError
from pykubeadm.util.dataclass import dataclass

_Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """`name` is the form's: "json", "go-template-file", or one that is a command's own, such as "text". `document` makes the text
    of one document, its last line's end included; None where the form is the command's own."""

    name: str
    document: Callable[[_Document], str] | None = None
    between: str = ""

    def printed(self, documents: Sequence[_Document]) -> str:
        """The text to print; "" for no document. UsageError where a template does not fit a document."""
        assert self.document is not None, self.name  # noqa: S101
        return self.between.join(map(self.document, documents))


def form(output: str, *, allow_missing: bool, read: Callable[[str], bytes]) -> Form:
    """The form that `-o OUTPUT` names. `read` gives the content of a file of templates.

    UsageError where a template is not given, wrong, or not supported.
    """
    name, _, template = output.partition("=")
    match name:
        case "json":
            return Form(name, _json)
        case "yaml":
            return Form(name, _yaml, between="---\n")
        case "kyaml":
            return Form(name, _kyaml)
        case "jsonpath" | "jsonpath-as-json" | "jsonpath-file" | "go-template" | "go-template-file" | "template" | "templatefile":
            if not template:
                what = "FILE" if name.endswith("file") else "TEMPLATE"
                raise UsageError(f"-o {name} takes a template: -o {name}={what}")
            return Form(name, _by_template(name, template, allow_missing=allow_missing, read=read))
    return Form(name)


def _json(document: _Document) -> str:
    from pykubeadm.output.go_text import to_json

    return f"{to_json(document, 4, ordered=True)}\n"


def _yaml(document: _Document) -> str:
    from pykubeadm.util.yaml_output import to_yaml

    return to_yaml(document)


def _kyaml(document: _Document) -> str:
    from pykubeadm.output.kyaml import to_kyaml

    return to_kyaml(document)


def _by_template(name: str, template: str, *, allow_missing: bool, read: Callable[[str], bytes]) -> Callable[[_Document], str]:
    source = f"-o {name}"
    if name.endswith("file"):
        source = template
        try:
            template = read(template).decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"{source}: the template is not UTF-8 text") from error

    def placed(error: TemplateError) -> UsageError:
        return UsageError(error.placed(source, template))

    try:
        if name.startswith("jsonpath"):
            apply = _jsonpath(template, allow_missing=allow_missing, as_json=name == "jsonpath-as-json")
        else:
            apply = _gotemplate(template, allow_missing=allow_missing)
    except TemplateError as error:
        raise placed(error) from error

    def printed(document: _Document) -> str:
        try:
            return apply(document)
        except TemplateError as error:
            raise placed(error) from error

    return printed


def _jsonpath(template: str, *, allow_missing: bool, as_json: bool) -> Callable[[_Document], str]:
    from pykubeadm.output.jsonpath import evaluate
    from pykubeadm.output.jsonpath_syntax import parse

    parts = parse(template)
    return lambda document: evaluate(parts, document, allow_missing=allow_missing, as_json=as_json)


def _gotemplate(template: str, *, allow_missing: bool) -> Callable[[_Document], str]:
    from pykubeadm.output.gotemplate.execute import execute
    from pykubeadm.output.gotemplate.parser import parse

    parts = parse(template)
    return lambda document: execute(parts, document, allow_missing=allow_missing)
