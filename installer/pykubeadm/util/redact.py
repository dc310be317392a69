"""Takes secrets out of texts: values that are known to be secret, and what looks like one."""

from __future__ import annotations

import base64
import hashlib
import re
import string
from collections.abc import Callable, Iterable
from typing import Final

from pykubeadm.util.known_values import SHORTEST, KnownValues

REMOVED: Final = "[removed]"
_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
# A bootstrap token: its id is public (k8s.io/cluster-bootstrap/token/api). What begins with a plain letter is found quickest.
_TOKEN: Final = re.compile(r"\.(?<=(?<![a-z0-9.])[a-z0-9]{6}\.)[a-z0-9]{16}(?![a-z0-9.])")
_JWT: Final = re.compile(r"eyJ[\w-]{8,}+(?P<claims>\.[\w-]{8,}\.?[\w-]*)?")  # all of a long word at once, whether it is one
_AUTHORITY: Final = re.compile(r"[^\s\"']*+")  # of a URL, and the rest of it
_USER: Final = re.compile(r"[^/\s\"'@:]{0,256}:")
_DIGEST: Final = re.compile(r"@sha\d+:")
# Tokens and keys whose issuer is in their beginning: GitHub's, GitLab's, Vault's, Slack's, Amazon's.
_ISSUERS: Final = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hvb.", "hvs.", "hvr.", "xox", "AKIA", "ASIA")
_ISSUED: Final = re.compile(r"(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|hv[bsr]\.|xox[a-z]-|A[KS]IA)[\w.-]{12,}")
_BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]{6,}", re.IGNORECASE)
# Of curl, wget: a user with a password. Of sshpass: the password alone.
_ARGUMENT: Final = r"(?P<value>(?!//)[^\s\"']+|'[^']*'|\"[^\"]*\")"
_CALLED: Final = (
    re.compile(rf"(?P<head>-(?<!\S-)(?:u|-user|-proxy-user)[\s=]*[\"']?[^\s:\"'/]{{1,100}}:){_ARGUMENT}"),
    re.compile(rf"(?P<head>sshpass\s+-p\s*){_ARGUMENT}"),
)
# What a name has in it that says so, and what each of these words begins with, to find them by.
_WORDS: Final = (
    r"(?:passw(?:or)?d|passphrase|pass(?![a-z])|(?<=[_-])pwd|\bpwd(?=\s*[:=]\s*[^\s/])|secret|token|api[_-]?key|credential"
    r"|private[_-]?key|key-data|access[_-]?key|certificate[_-]?key|authorization|\bauth|cookie)"
)
_STEMS: Final = (
    *("pass", "pwd", "secret", "token", "api", "credential", "private", "key-data", "access", "certificate", "auth", "cookie"),
)
_WORD: Final = re.compile(_WORDS, re.IGNORECASE)
_REST: Final = re.compile(r"[\w.-]*+")  # of that name
_NAME: Final = string.ascii_letters + string.digits + "_.-"
_MORE: Final = r"[\w.-]{0,200}"  # of a name; without an end the time would grow with the square of a long word
_LONGEST: Final = 200  # characters before such a word that are looked at
_QUOTED: Final = (  # of TOML, and of JSON in JSON, too
    r"\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|\\+\"[^\"]*\"|\"(?:[^\"\\]|\\.)*+\"|'[^']*'"
)
# What follows a name, with its value: in YAML, JSON, TOML, an environment, a command line, a log.
_NAMED: Final = re.compile(rf"[\"'\\]*\s*(?:[:=]|\s(?=[\"']))\s*(?P<value>{_QUOTED}|[^\s,;\]}}]+)")
# Flags whose value is the next word, also of a list of words.
_FLAG: Final = re.compile(
    rf"(?:[\"'\\]*\s*,\s*|[\"']?[ \t]*\n[ \t]*-[ \t]+|[ \t]+)(?P<value>(?![\"']?-)(?:{_QUOTED})|(?!-)[^\s,;\]}}]+)"
)
# The whole of a line of YAML: what stands there without quotes may have spaces.
_LINE: Final = re.compile(r":[ \t]+(?P<value>[^\s\"'\[{|>&*!#][^\n]*)")
_BEGINNING: Final = re.compile(r"[ \t]*(?:-[ \t]+)*")  # of such a line
_VALUE_OF_ENV: Final = re.compile(
    rf"(?P<head>\b(?:name|key)[\"'\\]*:\s*[\"'\\]*{_MORE}(?:{_WORDS}|key|auth){_MORE}[\"'\\]*\s*[,\n]\s*(?:-\s*)?[\"'\\]*value[\"'\\]*:\s*)"
    rf"(?P<value>{_QUOTED}|[^\n}}]+)",
    re.IGNORECASE,
)
# A password as crypt(3) and htpasswd keep it.
_HASHED: Final = re.compile(r"\$(?:apr1|[1256y]|2[aby])\$[\w./$=,]{8,}")
# A Secret, in YAML or JSON, and what it holds there, in JSON of `kubectl apply`'s annotation, too.
_SECRET: Final = re.compile(r"kind[\"'\\]*:\s*[\"'\\]*Secret\b")
_DATA: Final = re.compile(r"(?P<indent>[ \t]*(?:-[ \t]+)?)(?:data|stringData):[ \t]*")
_ENTRY: Final = re.compile(r"(?P<head>[ \t]*[\w.-]+:[ \t]+)(?P<value>\S.*)")
_MAP: Final = re.compile(r"(?:data|stringData)\\*\"\s*:\s*\{[^{}]*\}")
_IN_MAP: Final = re.compile(r"(?P<head>:\s*)(?P<value>\\+\"[^\"]*\"|\"(?:[^\"\\]|\\.)*+\")")
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
_DIGITS: Final = 64  # of keys, and of ids of containers
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?<!sha256:)[0-9a-f]{64}(?![0-9A-Za-z])")
# These, or what may be base64, which small letters alone are not.
_LONG: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:(?P<hex>{_HEX.pattern})|(?<![\w+/.-])(?=[a-z]*+[A-Z0-9+/=])[A-Za-z0-9+/]{{8,}}+={{0,2}}(?![\w+/=-]))"
)
_KEY_CHARACTERS: Final = 40  # of base64 that is a key and no word
_KEY_OF_16: Final = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")  # bytes, as of AES-128
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
        text = _TOKEN.sub(f".{REMOVED}", text)
        text = _JWT.sub(lambda found: REMOVED if found["claims"] else found[0], text)
        text = _without_users(text)
        if any(issuer in text for issuer in _ISSUERS):
            text = _ISSUED.sub(REMOVED, text)
        text = _at_places(text, ("bearer", "basic"), _BEARER, lambda found: f"{found[1]} {REMOVED}")
        text = _HASHED.sub(REMOVED, text)
        text = _without_data(text)
        text = _without_blocks(text)
        text = _at_places(text, ("name", "key"), _VALUE_OF_ENV, _without_value)
        text = _without_named(text)
        for pattern in _CALLED:
            text = pattern.sub(_without_value, text)
        return _LONG.sub(self._without_long, text)

    def _without_long(self, found: re.Match[str]) -> str:
        if found["hex"]:
            return self._named(found)
        path = len(found[0]) > _DIGITS and _HEX.search(found[0])
        return _HEX.sub(self._named, found[0]) if path else _without_base64(found[0])

    def _named(self, found: re.Match[str]) -> str:
        """Ids of containers and keys look the same: the same one gets the same name, from which it cannot be obtained."""
        return f"[hex-{hashlib.sha256(self._salt + found[0].encode()).hexdigest()[:12]}]"


def _places(text: str, words: Iterable[str]) -> list[int]:
    """Where these words, of small letters, stand in the text, whatever its letters are. To find a plain word costs a hundredth of
    what an expression does."""
    small, found = text.lower(), list[int]()
    if len(small) != len(text):  # a few letters become two
        small = "".join(char.lower() if char.isascii() else char for char in text)
    for word in words:
        at = small.find(word)
        while at >= 0:
            found.append(at)
            at = small.find(word, at + 1)
    return sorted(found)


def _at_places(text: str, words: Iterable[str], pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> str:
    """The text with what the pattern, which begins with one of the words, finds replaced."""
    parts, end = list[str](), 0
    for at in _places(text, words):
        if at >= end and (found := pattern.match(text, at)):
            parts += [text[end:at], by(found)]
            end = found.end()
    return "".join([*parts, text[end:]])


def _without_users(text: str) -> str:
    """URLs without user and password."""
    parts, done, end, last = list[str](), 0, 0, -1
    at = text.find("://") if "@" in text else -1
    while at >= 0:
        start = at + len("://")
        if start > end:
            end = _end(_AUTHORITY, text, start)
            last = _last_user(text, start, end)
        if text[max(at - 1, 0) : at].isalnum() and (user := _end_of_user(text, start, end, last)) > start:
            parts += [text[done:start], REMOVED]
            done = start = user
        at = text.find("://", start if last >= start else max(start, end))
    return "".join([*parts, text[done:]])


def _end_of_user(text: str, start: int, end: int, last: int) -> int:
    """Up to the last "@" where a user comes first: passwords have "/" and "@", too, whatever RFC 3986 says. -1 where nobody is
    named."""
    if last < start:
        return -1
    user = _USER.match(text, start)
    if user and user.end() <= last:
        return last
    slash = text.find("/", start, end)
    return last if slash < 0 else _last_user(text, start, slash)


def _last_user(text: str, start: int, end: int) -> int:
    """The place of the last "@" that does not begin a digest, -1 where there is none."""
    at = text.rfind("@", start, end)
    while at >= 0 and _DIGEST.match(text, at):
        at = text.rfind("@", start, at)
    return at


def _without_named(text: str) -> str:
    """Without the values whose names say that they are secret."""
    parts, done, through = list[str](), 0, 0
    for at in _places(text, _STEMS):
        if at < through or not _WORD.match(text, at):
            continue
        through = _end(_REST, text, at)  # whatever else there is in this name
        found = _value(text, at, through)
        if found is not None and not _HARMLESS.fullmatch(found["value"]):
            parts += [text[done : found.start("value")], _removed(found["value"])]
            done = through = _end_of_value(text, found)
    return "".join([*parts, text[done:]])


def _value(text: str, at: int, end: int) -> re.Match[str] | None:
    """What a name has that ends at `end`, and has such a word at `at`."""
    before = text[max(0, at - _LONGEST) : at]
    above, newline, line = before.rstrip(_NAME).rpartition("\n")
    begins = (newline or at <= _LONGEST) and _BEGINNING.fullmatch(line)
    is_flag = before[len(above) + len(newline) + len(line) :].startswith("-")
    return (
        (_LINE.match(text, end) if begins else None) or (_FLAG.match(text, end) if is_flag else None) or _NAMED.match(text, end)
    )


def _end_of_value(text: str, found: re.Match[str]) -> int:
    """A value may be a flag, whose own value comes next: TOKEN_FLAGS=--token abc."""
    end = found.end("value")
    is_flag = found["value"].startswith("-") and _WORD.search(found["value"])
    return further.end() if is_flag and (further := _FLAG.match(text, end)) else end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _without_data(text: str) -> str:
    """Whatever is data, where there is a Secret: in a list it comes before what says whose it is."""
    if not _SECRET.search(text):
        return text
    lines, column = text.split("\n"), -1
    for at, line in enumerate(lines):
        content = line.lstrip(" \t")
        if content and len(line) - len(content) <= column:
            column = -1
        if column < 0 and (found := _DATA.fullmatch(line)):
            column = len(found["indent"])
        elif column >= 0 and content:
            entry = _ENTRY.fullmatch(line)
            lines[at] = _without_value(entry) if entry else f"{line[: len(line) - len(content)]}{REMOVED}"
    return _MAP.sub(lambda found: _IN_MAP.sub(_without_value, found[0]), "\n".join(lines))


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
        found = _BLOCK.fullmatch(line) if "|" in line or ">" in line else None
        secret = found is not None and (not found["value"] or _NAME_OF_ENV.fullmatch(before) is not None)
        column = len(found["indent"]) if found is not None and secret else -1
        before = line
    return "\n".join(lines)


def _without_value(found: re.Match[str]) -> str:
    """Quotes stay: what is JSON stays JSON."""
    value = found["value"]
    if _HARMLESS.fullmatch(value):
        return found[0]
    return f"{found['head']}{_removed(value)}"


def _removed(value: str) -> str:
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    return f"{quote}{REMOVED}{quote}"


def _without_base64(text: str) -> str:
    """Words and paths have no digits, or no large letters."""
    if len(text) >= _KEY_CHARACTERS or _KEY_OF_16.fullmatch(text):
        is_secret = any(map(str.isdigit, text)) and any(map(str.isupper, text)) and any(map(str.islower, text))
    else:
        is_secret = len(text) % 4 == 0 and _PAIR.fullmatch(base64.b64decode(text)) is not None
    return REMOVED if is_secret else text


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
