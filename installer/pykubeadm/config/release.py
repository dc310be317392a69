"""Labels such as `stable-1` → a version: asked of https://dl.k8s.io, with the version table where that does not answer.

kubeadm: util/version.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pykubeadm.config.versions import DEFAULT_MINOR, MAXIMUM_MINOR, RELEASES, parse_version

LOOK_UP_SECONDS = 4.0
_FIND_SECONDS = 0.5
_HOST = "dl.k8s.io"
_LABEL = re.compile(r"(?:release/)?((?:latest|stable)(?:-1(?:\.([1-9]\d?))?)?)", re.ASCII)

LookUp = Callable[[str], str | None]


def is_label(text: str) -> bool:
    """Whether `text` names a release line (stable, stable-1, latest-1.36, …) and not a version."""
    return bool(_LABEL.fullmatch(text))


def look_up(label: str) -> str | None:
    """The version that https://dl.k8s.io/release/<label>.txt holds now; None where it does not answer in time."""
    import threading

    from pykubeadm.transport.download import download

    answer: list[str] = []

    def ask() -> None:
        try:
            content = download(f"https://{_HOST}/release/{label}.txt", timeout=LOOK_UP_SECONDS, at_most=64)
            answer.append(content.decode("ascii", "replace").strip())
        except OSError:
            return

    # In a thread: the time-out of a download does not cover the resolution of the name.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(LOOK_UP_SECONDS)
    return answer[0] if answer else None


def is_online() -> bool:
    """Whether the place that `look_up` asks can be found at all: a network without the Internet would only cost its time."""
    import os
    import socket
    import threading

    from pykubeadm.transport.proxies import proxy_for

    if proxy_for(_HOST, os.environ, 443):  # which finds it
        return True
    found: list[object] = []

    def find() -> None:
        try:
            found.extend(socket.getaddrinfo(_HOST, 443))
        except OSError:
            return

    finding = threading.Thread(target=find, daemon=True)
    finding.start()
    finding.join(_FIND_SECONDS)
    return bool(found)


def offline(_label: str) -> str | None:
    """In place of `look_up` where nothing shall be asked."""
    return None


def resolve_label(text: str, ask: LookUp, note: Callable[[str], None]) -> str:
    """The version behind a label, never of a minor newer than this pykubeadm knows; notes what it took where it could not ask."""
    version = look_up_label(text, ask)
    if version:
        return version
    minor = int(_parts(text)[2] or 0)
    known = RELEASES.get(minor, RELEASES[DEFAULT_MINOR]).newest if not minor or minor in RELEASES else f"v1.{minor}.0"
    if ask is not offline:
        note(f"kubernetesVersion {text} could not be looked up at https://dl.k8s.io; taking {known}, which this pykubeadm knows")
    return known


def look_up_label(text: str, ask: LookUp) -> str | None:
    """The version behind a label, never of a minor newer than this pykubeadm knows; None where `ask` does not answer."""
    version = _answer(ask, _parts(text)[1])
    if version and parse_version(version).minor > MAXIMUM_MINOR:
        return _answer(ask, f"stable-1.{MAXIMUM_MINOR}")
    return version


def _parts(text: str) -> re.Match[str]:
    found = _LABEL.fullmatch(text)
    if not found:
        raise ValueError(f'"{text}" is not a release label')
    return found


def _answer(ask: LookUp, label: str) -> str | None:
    answer = ask(label)
    try:
        return str(parse_version(answer)) if answer else None
    except ValueError:
        return None  # a proxy's login page, say
