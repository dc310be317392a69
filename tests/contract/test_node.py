"""What every node does alike, so that phases cannot tell them apart. Which nodes, and where they differ by design: nodes.py."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pykubeadm.errors import LockedError, NodeError
from pykubeadm.node import systemd
from pykubeadm.node.port import Command, Completed, Directory, File, HealthEndpoint, Unit
from tests.contract.nodes import Place, Row, of
from tests.support.servers import serving

WITH_COMMANDS = of(lambda row: row.commands)
WITH_SYSTEMD = of(lambda row: row.systemd)


@pytest.fixture
def place(row: Row, tmp_path: Path):
    with ExitStack() as started:
        yield row.make(tmp_path, started)


def shell(script: str, **fields: object) -> Command:
    """A look-up whose status counts."""
    return Command(("sh", "-c", script), **{"changes": False, **fields})  # type: ignore[arg-type] # fields of a Command


def kind(place: Place, name: str) -> str | None:
    found = place.node.stat(place.at(name))
    return found.kind if found else None


def mode(place: Place, name: str) -> int:
    found = place.node.stat(place.at(name))
    assert found is not None
    return found.mode


@of()
def test_it_has_a_name_and_says_whether_it_acts(place: Place, row: Row) -> None:
    assert place.node.name
    assert place.node.dry_run is not row.acts


@of()
def test_its_clock(place: Place) -> None:
    assert abs(place.node.now() - datetime.now(UTC)) < timedelta(seconds=30)


# reading


@of()
def test_what_is_not_there(place: Place) -> None:
    place.node.write([File(place.at("file"), b"")])
    for path in (place.at("none"), place.at("none/below"), place.at("file/below")):
        assert place.node.read(path) is None
        assert place.node.stat(path) is None
        assert place.node.list_dir(path) == ()


@of()
def test_content_mode_and_kind(place: Place) -> None:
    place.node.write([File(place.at("a/secret"), b"\x00\xff", 0o600, secret=True), Directory(place.at("a/b"), 0o700)])
    assert place.node.read(place.at("a/secret")) == b"\x00\xff"
    assert (kind(place, "a/secret"), mode(place, "a/secret")) == ("file", 0o600)
    assert (kind(place, "a/b"), mode(place, "a/b")) == ("directory", 0o700)
    assert (kind(place, "a"), mode(place, "a")) == ("directory", 0o755)


@of()
def test_a_listing_is_sorted_and_holds_direct_entries_alone(place: Place) -> None:
    place.node.write([File(place.at(f"d/{name}"), b"") for name in ("b", ".hidden", "a/deep")])
    assert place.node.list_dir(place.at("d")) == (".hidden", "a", "b")
    assert place.node.list_dir(place.at("d/")) == (".hidden", "a", "b")


@of()
def test_a_directory_is_not_read_and_a_file_not_listed(place: Place) -> None:
    place.node.write([Directory(place.at("d")), File(place.at("f"), b"")])
    with pytest.raises(NodeError, match=f"cannot read {place.at('d')}"):
        place.node.read(place.at("d"))
    with pytest.raises(NodeError, match=f"cannot list {place.at('f')}"):
        place.node.list_dir(place.at("f"))


@of()
def test_a_path_may_be_spelled_in_other_ways(place: Place) -> None:
    odd = place.at("d//x/.././f")
    assert place.node.write([File(odd, b"1")]) == (odd,)
    assert place.node.write([File(place.at("d/f"), b"1")]) == ()
    assert place.node.read(odd) == place.node.read(place.at("d/f")) == b"1"
    assert place.node.stat(odd) == place.node.stat(place.at("d/f"))
    assert place.node.remove([odd]) == (odd,)
    assert kind(place, "d/f") is None


@of()
def test_a_path_that_is_not_absolute_is_refused(place: Place) -> None:
    for use in (
        place.node.read,
        place.node.stat,
        place.node.list_dir,
        lambda path: place.node.write([File(path, b"")]),
        lambda path: place.node.remove([path]),
    ):
        with pytest.raises(NodeError, match="'etc/hosts' is not absolute"):
            use("etc/hosts")


@of()
def test_links_are_followed_but_for_looking_at_them(place: Place) -> None:
    place.given.write([File(place.at("d/f"), b"1")])
    for name, target in (("to-file", "d/f"), ("to-directory", place.at("d")), ("dangling", "none")):
        place.link(place.at(name), target)
    assert place.node.read(place.at("to-file")) == place.node.read(place.at("to-directory/f")) == b"1"
    assert place.node.list_dir(place.at("to-directory")) == ("f",)
    assert [kind(place, name) for name in ("to-file", "to-directory", "dangling", "to-directory/f")] == [
        "link", "link", "link", "file",
    ]  # fmt: skip
    assert place.node.read(place.at("dangling")) is None


@of()
def test_what_is_asked_at_once_is_answered_as_one_by_one(place: Place) -> None:
    place.node.write([File(place.at("f"), b"1"), Directory(place.at("d"))])
    seen = place.node.ahead(read=[place.at("f"), place.at("none"), place.at("d")], stat=[place.at("f"), place.at("none")])
    assert (seen.read(place.at("f")), seen.read(place.at("none"))) == (b"1", None)
    with pytest.raises(NodeError, match=f"cannot read {place.at('d')}"):
        seen.read(place.at("d"))
    assert seen.stat(place.at("f")) == place.node.stat(place.at("f"))
    assert seen.stat(place.at("none")) is None
    assert seen.stat(place.at("d")) == place.node.stat(place.at("d"))  # which was not named


@WITH_COMMANDS
def test_commands_are_among_what_is_asked_at_once(place: Place) -> None:
    question = shell("echo out; exit 3", check=False)
    assert place.node.ahead(run=[question]).run(question) == Completed(3, "out\n")


@of()
def test_what_is_there_is_waited_for_no_longer_than_wanted(place: Place) -> None:
    place.given.write([File(place.at("f"), b"")])
    place.link(place.at("link"), "f")
    assert place.node.present([place.at("f"), place.at("link")], patience=60)
    assert not place.node.present([place.at("f"), place.at("none")], patience=0.05)


@of(lambda row: row.waits)
def test_what_comes_is_waited_for(place: Place) -> None:
    timer = threading.Timer(0.1, place.given.write, ([File(place.at("f"), b"")],))
    timer.start()
    assert place.node.present([place.at("f")], patience=60)
    timer.join()


@of()
def test_a_health_endpoint_is_asked(place: Place) -> None:
    with serving(plain=True) as server:
        server.answers = [(500, b"[-]etcd failed: reason withheld\n"), (200, b"ok")]
        endpoint = HealthEndpoint(f"http://{server.endpoint}/livez")
        assert place.node.unhealthy([endpoint]) == ("status 500, not healthy yet: etcd",)
        assert place.node.unhealthy([endpoint, endpoint]) == ("", "")


# the lock


@of(lambda row: row.locks)
def test_one_holds_the_lock_at_a_time(place: Place) -> None:
    with place.node.exclusive("pykubeadm init"), pytest.raises(LockedError, match="pykubeadm init"), place.node.exclusive("x"):
        pytest.fail("two hold the lock")
    with place.node.exclusive("pykubeadm join"):
        pass


# changing files


@of()
def test_a_batch_is_written_once(place: Place) -> None:
    batch: list[File | Directory] = [
        Directory(place.at("d"), 0o700),
        File(place.at("d/f"), b"1", 0o600, secret=True),
        File(place.at("e/g"), b""),
    ]
    assert place.node.write(batch) == tuple(file.path for file in batch)
    assert place.node.write(batch) == ()
    assert place.node.write([File(place.at("d/f"), b"1", 0o600)]) == ()


@of()
def test_what_differs_is_replaced(place: Place) -> None:
    path, directory = place.at("d/f"), place.at("d")
    place.node.write([File(path, b"long content")])
    for file in (File(path, b"short"), File(path, b"short", 0o600), File(path, b"", 0o600)):
        assert place.node.write([file]) == (path,)
        assert (place.node.read(path), mode(place, "d/f")) == (file.content, file.mode)
    assert place.node.write([Directory(directory)]) == ()
    assert place.node.write([Directory(directory, 0o711)]) == (directory,)
    assert mode(place, "d") == 0o711
    assert place.node.read(path) == b""


@of()
@pytest.mark.parametrize("wrong", [File("d", b""), Directory("f"), File("f/below", b""), Directory("f/below")], ids=repr)
def test_what_stands_in_the_way_is_an_error_and_leaves_all_files_as_they_were(place: Place, wrong: File | Directory) -> None:
    place.node.write([Directory(place.at("d")), File(place.at("f"), b"old")])
    in_the_way = File(place.at(wrong.path), b"") if isinstance(wrong, File) else Directory(place.at(wrong.path))
    with pytest.raises(NodeError, match=f"cannot write {in_the_way.path}"):
        place.node.write([File(place.at("f"), b"new"), in_the_way])
    assert (place.node.read(place.at("f")), kind(place, "d")) == (b"old", "directory")


@of(lambda row: row.writes_through_links)
def test_a_file_is_written_where_its_link_leads(place: Place) -> None:
    place.node.write([File(place.at("d/f"), b"1")])
    place.link(place.at("link"), "d/f")
    assert place.node.write([File(place.at("link"), b"1")]) == ()
    assert place.node.write([File(place.at("link"), b"2")]) == (place.at("link"),)
    assert place.node.read(place.at("d/f")) == b"2"
    assert kind(place, "link") == "link"


@of()
def test_files_trees_and_links_are_removed(place: Place) -> None:
    place.node.write([File(place.at(name), b"") for name in ("f", "tree/a/b", "tree-beside/f")])
    place.link(place.at("link"), "tree-beside")
    gone = tuple(place.at(name) for name in ("f", "tree", "link"))
    assert place.node.remove([gone[0], place.at("none"), place.at("tree-beside/f/below"), *gone[1:]]) == gone
    assert [kind(place, name) for name in ("f", "tree", "tree/a/b", "link")] == [None] * 4
    assert place.node.list_dir(place.at("tree")) == ()
    assert kind(place, "tree-beside/f") == "file"
    assert place.node.remove(gone) == ()


@of()
def test_a_directory_stays_when_its_last_file_goes_and_returns_empty(place: Place) -> None:
    place.node.write([File(place.at("d/old"), b"")])
    place.node.remove([place.at("d/old")])
    assert kind(place, "d") == "directory"
    place.node.write([File(place.at("d/old"), b"")])
    place.node.remove([place.at("d")])
    place.node.write([File(place.at("d/new"), b"")])
    assert place.node.list_dir(place.at("d")) == ("new",)


# commands


@WITH_COMMANDS
def test_a_command_gives_its_output_and_status(place: Place) -> None:
    assert place.node.run(shell("echo out; echo err >&2; exit 3", check=False)) == Completed(3, "out\n", "err\n")


@WITH_COMMANDS
def test_a_failing_command_is_an_error_that_says_why(place: Place) -> None:
    with pytest.raises(NodeError, match=r"cannot load it on .*: `sh -c .*` ended with status 3: 2\n  3\n  4\n  5\n  6$"):
        place.node.run(shell("printf '1\\n2\\n3\\n4\\n5\\n6\\n' >&2; exit 3", summary="Load it"))


@WITH_COMMANDS
def test_a_command_that_is_not_there(place: Place) -> None:
    assert place.node.run(Command.look_up(("no-such-command", "x"), "try it")).status == 127
    with pytest.raises(NodeError, match="there is no command no-such-command; install it"):
        place.node.run(Command(("no-such-command", "x"), changes=False))


@WITH_COMMANDS
def test_a_command_reads_what_it_is_given_and_nothing_else(place: Place) -> None:
    assert place.node.run(shell("cat", stdin=b"w\xc3\xb6rd\n")).stdout == "wörd\n"
    assert place.node.run(shell("cat")).stdout == ""


@WITH_COMMANDS
def test_what_a_command_reads_is_not_in_its_error(place: Place) -> None:
    with pytest.raises(NodeError) as caught:
        place.node.run(shell("cat >/dev/null; exit 1", stdin=b"very secret"))
    assert "very secret" not in str(caught.value)


@WITH_COMMANDS
def test_a_command_speaks_english_and_gets_its_variables(place: Place) -> None:
    assert place.node.run(shell('echo "$LC_ALL $MINE $HOME"', env={"MINE": "a 'b'"})).stdout.startswith("C a 'b' /")


@WITH_COMMANDS
def test_a_command_that_takes_too_long_is_ended(place: Place) -> None:
    with pytest.raises(NodeError, match=r"`sh -c sleep 60` on .* did not end within 0\.2 s and was killed"):
        place.node.run(shell("sleep 60", timeout=0.2, check=False))


@of(lambda row: row.commands and row.acts)
def test_a_command_that_changes_something_is_run(place: Place, tmp_path: Path) -> None:
    assert place.node.run(Command(("sh", "-c", f"echo x > {tmp_path}/made; exit 3"), check=False)).status == 3
    assert (tmp_path / "made").exists()


@of(lambda row: row.commands and not row.acts)
def test_a_command_that_would_change_something_is_not_run_in_a_dry_run(place: Place, tmp_path: Path) -> None:
    assert place.node.run(Command(("sh", "-c", f"echo x > {tmp_path}/made; exit 3"))) == Completed(0)
    assert not (tmp_path / "made").exists()


# units


@WITH_SYSTEMD
def test_the_state_of_a_unit(place: Place) -> None:
    found = place.node.unit("failing")
    assert (found.load, found.active, found.sub, found.enabled) == ("loaded", "activating", "auto-restart", "enabled")
    assert (found.result, found.restarts) == ("exit-code", 3)
    assert place.node.unit("failing.service") == found
    assert place.node.unit("none") == systemd.NOT_FOUND


@WITH_SYSTEMD
@pytest.mark.parametrize(
    ("wanted", "done", "active", "enabled"),
    [
        (Unit("stopped"), ("enabled", "started"), "active", "enabled"),
        (Unit("stopped.service"), ("enabled", "started"), "active", "enabled"),
        (Unit("stopped", enabled=None), ("started",), "active", "disabled"),
        (Unit("stopped", state=None), ("enabled",), "inactive", "enabled"),
        (Unit("stopped", enabled=False, state="stopped"), (), "inactive", "disabled"),
        (Unit("stopped", state="restarted"), ("enabled", "started"), "active", "enabled"),
        (Unit("failed"), ("enabled", "started"), "active", "enabled"),
        (Unit("failed", enabled=False, state="stopped"), (), "failed", "disabled"),
        (Unit("failing"), ("started",), "active", "enabled"),
        (Unit("failing", enabled=None, state="stopped"), ("stopped",), "inactive", "enabled"),
        (Unit("running"), (), "active", "enabled"),
        (Unit("running", enabled=None, state=None), (), "active", "enabled"),
        (Unit("running", enabled=None, state="stopped"), ("stopped",), "inactive", "enabled"),
        (Unit("running", enabled=False, state=None), ("disabled",), "active", "disabled"),
        (Unit("running", enabled=False, state="stopped"), ("disabled", "stopped"), "inactive", "disabled"),
        (Unit("static", enabled=False, state="stopped"), ("stopped",), "inactive", "static"),
        (Unit("masked", enabled=False, state="stopped"), (), "inactive", "masked"),
    ],
    ids=repr,
)
def test_a_unit_is_as_asked_for_afterwards(place: Place, wanted: Unit, done: tuple[str, ...], active: str, enabled: str) -> None:
    assert place.node.ensure_unit(wanted) == done
    found = place.node.unit(wanted.name)
    assert (found.active, found.enabled) == (active, enabled)
    assert place.node.ensure_unit(wanted) == (("restarted",) if wanted.state == "restarted" else ())


@WITH_SYSTEMD
def test_a_unit_that_is_not_there_is_stopped_and_disabled_already(place: Place) -> None:
    assert place.node.ensure_unit(Unit("none", enabled=False, state="stopped")) == ()


@WITH_SYSTEMD
def test_a_state_that_is_known_is_not_asked_for_again(place: Place) -> None:
    known = place.node.unit("stopped")
    place.node.ensure_unit(Unit("stopped"))
    assert place.node.ensure_unit(Unit("stopped", state="stopped"), known=known) == ("enabled",)


@of(lambda row: row.systemd and row.acts)
@pytest.mark.parametrize(("name", "sentence"), [("none", "it is not-found"), ("masked", "run `systemctl unmask masked.service`")])
def test_a_unit_that_cannot_be_started_is_an_error(place: Place, name: str, sentence: str) -> None:
    with pytest.raises(NodeError, match=sentence):
        place.node.ensure_unit(Unit(name))


@of(lambda row: row.systemd and not row.acts)
def test_a_dry_run_starts_what_may_be_there_by_then(place: Place) -> None:
    assert place.node.ensure_unit(Unit("none")) == ("enabled", "started")


@of(lambda row: not row.systemd)
def test_without_systemd_there_are_no_units(place: Place, row: Row) -> None:
    if row.commands and os.path.isdir("/run/systemd/system"):
        pytest.skip("this machine runs systemd, and its units are not for tests")
    assert place.node.unit("running") == systemd.NOT_FOUND
    for unit in (Unit("running"), Unit("running", state="restarted"), Unit("running", enabled=False, state="stopped")):
        assert place.node.ensure_unit(unit) == ()


# saving


@of()
def test_what_is_saved_is_whole_with_its_mode(place: Place) -> None:
    assert place.node.save(place.at("new/database"), iter([b"ab", b"", b"c"]), 0o600) == 3
    assert place.node.read(place.at("new/database")) == b"abc"
    assert mode(place, "new/database") == 0o600
    place.node.save(place.at("new/database"), [b"d"], 0o600)
    assert place.node.read(place.at("new/database")) == b"d"


@of()
def test_a_file_is_read_in_parts(place: Place) -> None:
    place.given.write([File(place.at("large"), b"0123456789")])
    assert place.node.read_part(place.at("large"), 4, 3) == b"456"
    assert place.node.read_part(place.at("large"), 8, 9) == b"89"
    assert place.node.read_part(place.at("large"), 10, 1) == b""
    assert place.node.read_part(place.at("missing"), 0, 1) is None
    found = place.node.stat(place.at("large"))
    assert found is not None
    assert found.size == 10


@of()
def test_what_breaks_off_leaves_what_was_there(place: Place) -> None:
    def breaking():
        yield b"half"
        raise NodeError("cut off")

    place.given.write([File(place.at("database"), b"before")])
    with pytest.raises(NodeError, match="cut off"):
        place.node.save(place.at("database"), breaking(), 0o600)
    assert place.node.read(place.at("database")) == b"before"
    assert place.node.list_dir(place.at("")) == ("database",)
