"""How files get damaged: contents to put in place of a YAML file, each in its kind."""

from __future__ import annotations

DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\n",
    "a comment": b"# nothing else\n",
    "zeroes": b"\0" * 4096,
    "zeroes at the end": b"kind: Pod\n" + b"\0" * 64,
    "not UTF-8": b"kind: \xff\xfe\n",
    "cut": b"apiVersion: v1\nspec: {containers: [",
    "a tab": b"spec:\n\tcontainers: []\n",
    "a list": b"- apiVersion: v1\n",
    "a word": b"x",
    "a number": b"12",
    "nothing": b"null\n",
    "two keys": b"kind: Pod\nkind: Pod\n",
    "an endless alias": b"a: &a [*a]\n",
    "deep": b"a: " + b"[" * 5000,
}
