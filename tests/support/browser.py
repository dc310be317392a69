"""A browser without a window, driven by Chromium's DevTools protocol over a pipe: a page is opened, and what it did is known."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT = 60.0  # seconds for one answer; the first waits for the browser to start
# Of its own accord it asks its maker for much.
_QUIET = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--mute-audio"),
)


@dataclass
class Page:
    """An open page. `requests` are the URLs of all that it asked for, `complaints` what the browser's console has."""

    browser: Browser
    session: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def value(self, script: str) -> Any:
        """Of an expression of JavaScript, run in the page by its reader, not by the page."""
        answer = self.browser.call("Runtime.evaluate", self.session, expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.call("Emulation.setDeviceMetricsOverride", self.session, **size)

    def note(self, event: dict[str, Any]) -> None:
        """Keep what an event says of it."""
        about = event["params"]
        match event["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(f"{about['entry']['level']}: {about['entry']['text']}")
            case "Runtime.consoleAPICalled":
                self.complaints.append(f"{about['type']}: {[each.get('value') for each in about['args']]}")
            case "Runtime.exceptionThrown":
                self.complaints.append(about["exceptionDetails"]["text"])


@dataclass
class Browser:
    """What is written to and read from its pipe: documents in JSON, each with a zero byte at its end."""

    requests: int
    answers: int
    pages: dict[str, Page] = field(default_factory=dict)
    loaded: set[str] = field(default_factory=set)
    _last: int = 0
    _rest: bytes = b""

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """The result of a method; events that come meanwhile are noted."""
        self._last += 1
        asked = {"id": self._last, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self.requests, json.dumps(asked).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._last:
                assert "error" not in said, said["error"]
                result: dict[str, Any] = said["result"]
                return result

    def open(self, url: str) -> Page:
        """The page at a URL, when it has loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, session)
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable", session)
        self.call("Page.navigate", session, url=url)
        while session not in self.loaded:
            self._next()
        return page

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + _TIMEOUT
        while b"\0" not in self._rest:
            readable, _, _ = select.select([self.answers], [], [], max(end - time.monotonic(), 0))
            assert readable, f"the browser said nothing for {_TIMEOUT:.0f} s"
            more = os.read(self.answers, 1 << 16)
            assert more, "the browser has ended"
            self._rest += more
        document, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(document)
        if (page := self.pages.get(said.get("sessionId", ""))) is not None and "method" in said:
            page.note(said)
            if said["method"] == "Page.loadEventFired":
                self.loaded.add(page.session)
        return said


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """One with a profile of its own; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed to open the page in: make setup-browser")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # which it refuses to root
    their_in, requests = os.pipe()
    answers, their_out = os.pipe()
    argv = [program, *_QUIET, *sandbox, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
    started = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "bash", *argv],  # sh has no numbers of two digits
        pass_fds=(their_in, their_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_in)
    os.close(their_out)
    try:
        yield Browser(requests, answers)
    finally:
        os.close(requests)  # at whose end it ends
        os.close(answers)
        try:
            started.wait(timeout=20)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
