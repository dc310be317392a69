"""Takes secrets out of texts: values that are known to be secret, and what looks like one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from pykubeadm.util.known_values import SHORTEST, KnownValues

REMOVED: Final = "[removed]"
_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
# A bootstrap token: its id is public (k8s.io/cluster-bootstrap/token/api).
_TOKEN: Final = re.compile(r"(?<![a-z0-9.])([a-z0-9]{6})\.[a-z0-9]{16}(?![a-z0-9.])")
_JWT: Final = re.compile(r"eyJ[\w-]{8,8192}\.[\w-]{8,8192}\.?[\w-]*")  # a header of HTTP has room for no longer ones
# Up to the last "@": passwords have "/" and "@", too, whatever RFC 3986 says. What follows a digest's "@" is none.
_URL: Final = re.compile(
    r"(\b[a-z][a-z0-9+.-]{0,30}://)(?:[^/\s\"'@:]{0,256}:[^\s\"']{0,4096}|[^/\s\"']{1,4096})@(?!sha\d+:)", re.IGNORECASE
)
# Tokens and keys whose issuer is in their beginning: GitHub's, GitLab's, Vault's, Slack's, Amazon's.
_ISSUED: Final = re.compile(r"(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|hv[bsr]\.|xox[a-z]-|A[KS]IA)[\w.-]{12,}")
_BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]{6,}", re.IGNORECASE)
# Of curl, wget, sshpass: a user with a password, or the password alone.
_CALLED: Final = re.compile(
    r"(?P<head>(?<!\S)(?:-u|--user|--proxy-user)[\s=]*[\"']?[^\s:\"'/]{1,100}:|\bsshpass\s+-p\s*)(?P<value>(?!//)[^\s\"']+|'[^']*'|\"[^\"]*\")"
)
# What a name has in it that says so.
_WORDS: Final = (
    r"(?:passw(?:or)?d|passphrase|pass(?![a-z])|[_-]pwd|\bpwd(?=\s*[:=]\s*[^\s/])|secret|token|api[_-]?key|credential|private[_-]?key|key-data|access[_-]?key"
    r"|certificate[_-]?key|authorization|\bauth|cookie)"
)
_MORE: Final = r"[\w.-]{0,200}"  # of that name; without an end the time would grow with the square of a long word
_QUOTED: Final = r"\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|\\*\"(?:[^\"\\]|\\.)*\"|'[^']*'"  # of TOML, too
# Such a name, and its value: in YAML, JSON, TOML, an environment, a command line, a log.
_NAMED: Final = re.compile(
    rf"(?P<head>{_WORDS}{_MORE}[\"'\\]*\s*(?:[:=]|\s(?=[\"']))\s*)(?P<value>{_QUOTED}|[^\s,;\]}}]+)",
    re.IGNORECASE,
)
# Flags whose value is the next word, also of a list of words.
_FLAG: Final = re.compile(
    rf"(?<![\w-])(?P<head>--?{_MORE}{_WORDS}{_MORE}(?:[\"'\\]*\s*,\s*|[\"']?[ \t]*\n[ \t]*-[ \t]+|[ \t]+))"
    rf"(?P<value>(?![\"']?-){_QUOTED}|(?!-)[^\s,;\]}}]+)",
    re.IGNORECASE,
)
# The whole of a line of YAML: what stands there without quotes may have spaces.
_LINE: Final = re.compile(
    rf"^(?P<head>[ \t]*(?:-[ \t]+)*{_MORE}{_WORDS}{_MORE}:[ \t]+)(?P<value>[^\s\"'\[{{|>&*!#][^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_VALUE_OF_ENV: Final = re.compile(
    rf"(?P<head>\bname[\"'\\]*:\s*[\"'\\]*{_MORE}(?:{_WORDS}|key|auth){_MORE}[\"'\\]*\s*[,\n]\s*(?:-\s*)?[\"'\\]*value[\"'\\]*:\s*)"
    rf"(?P<value>{_QUOTED}|[^\n}}]+)",
    re.IGNORECASE,
)
# The first line of a YAML block: `password: |`. `value: |` belongs to the name before it.
_BLOCK: Final = re.compile(
    rf"(?P<indent>[ \t]*(?:-[ \t]+)*)[\"']?(?:{_MORE}{_WORDS}{_MORE}|(?P<value>value))[\"']?:[ \t]+[|>][-+\d]*[ \t]*(?:#.*)?",
    re.IGNORECASE,
)
_NAME_OF_ENV: Final = re.compile(rf"[ \t]*(?:-[ \t]+)*name:\s*[\"']?{_MORE}(?:{_WORDS}|key|auth){_MORE}[\"']?\s*", re.IGNORECASE)
# Of values: what says nothing, what is public (pins of CAs), and what was taken out already.
_HARMLESS: Final = re.compile(
    r"[\"'\\]*(?:true|false|null|none|\d{1,5}[smhd]?|\[|\{|\||>|/(?:etc|var|run|usr|opt|srv)/[\w./-]*|sha256:[0-9a-f]{64}"
    r"|(?:[a-z0-9]{6}\.)?\[removed\]?)?[\"'\\]*,?",
    re.IGNORECASE,
)
_HEX: Final = re.compile(r"(?<![0-9a-zA-Z])(?<!sha256:)[0-9a-f]{64}(?![0-9a-zA-Z])")
_BASE64: Final = re.compile(r"(?<![\w+/.-])[A-Za-z0-9+/]{40,}={0,2}(?![\w+/-])")
_SHORT_BASE64: Final = re.compile(r"(?<![\w+/.-])(?:[A-Za-z0-9+/]{4}){2,9}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?(?![\w+/=-])")
_PAIR: Final = re.compile(rb"[!-9;-~]{1,60}:[!-~]{3,60}")  # of a user and a password, as HTTP's Basic has it


class Redactor:
    """Of one archive or log. `known` are values that are secret wherever they stand; `salt` makes the names of what is replaced
    differ from one to the other."""

    def __init__(self, known: Iterable[bytes], salt: bytes) -> None:
        self._salt = salt
        self._known = KnownValues(form for value in known for form in _forms(value))

    def __call__(self, text: str) -> str:
        """The text without its secrets; lines and names stay where they are."""
        text = self._known.replaced(text, REMOVED)
        text = _KEY.sub(REMOVED, text)
        text = _TOKEN.sub(rf"\1.{REMOVED}", text)
        text = _JWT.sub(REMOVED, text)
        text = _URL.sub(rf"\1{REMOVED}@", text)
        text = _ISSUED.sub(REMOVED, text)
        text = _BEARER.sub(rf"\1 {REMOVED}", text)
        text = _without_blocks(text)
        for pattern in (_VALUE_OF_ENV, _LINE, _FLAG, _NAMED, _CALLED):
            text = pattern.sub(_without_value, text)
        text = _HEX.sub(self._named, text)
        text = _BASE64.sub(_without_base64, text)
        return _SHORT_BASE64.sub(_without_pair, text)

    def _named(self, found: re.Match[str]) -> str:
        """Ids of containers and keys look the same: the same one gets the same name, from which it cannot be obtained."""
        return f"[hex-{hashlib.sha256(self._salt + found[0].encode()).hexdigest()[:12]}]"


def _without_blocks(text: str) -> str:
    """What a YAML block holds is what is further in than its key."""
    if not re.search(r":[ \t]+[|>]", text):
        return text
    lines, before, column = text.split("\n"), "", -1
    for at, line in enumerate(lines):
        content = line.lstrip()
        if column >= 0 and (not content or len(line) - len(content) > column):
            lines[at] = line[: len(line) - len(content)] + REMOVED if content else line
            continue
        found = _BLOCK.fullmatch(line)
        secret = found is not None and (not found["value"] or _NAME_OF_ENV.fullmatch(before) is not None)
        column = len(found["indent"]) if found is not None and secret else -1
        before = line
    return "\n".join(lines)


def _without_value(found: re.Match[str]) -> str:
    """Quotes stay: what is JSON stays JSON."""
    value = found["value"]
    if _HARMLESS.fullmatch(value):
        return found[0]
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    return f"{found['head']}{quote}{REMOVED}{quote}"


def _without_base64(found: re.Match[str]) -> str:
    """Words and paths have no digits, or no large letters."""
    text = found[0]
    mixed = any(map(str.isdigit, text)) and any(map(str.isupper, text)) and any(map(str.islower, text))
    return REMOVED if mixed else text


def _without_pair(found: re.Match[str]) -> str:
    return REMOVED if _PAIR.fullmatch(base64.b64decode(found[0])) else found[0]


def _forms(value: bytes) -> Iterable[str]:
    """As texts have it: plain, its lines, in base64."""
    text = value.decode(errors="ignore").strip()
    if len(text) >= SHORTEST:
        yield text
        yield from (line for line in map(str.strip, text.splitlines()) if len(line) >= 2 * SHORTEST and "-----" not in line)
    if len(value) >= SHORTEST:
        yield base64.b64encode(value).decode("ascii")
        if value.rstrip() != value:
            yield base64.b64encode(value.rstrip()).decode("ascii")
