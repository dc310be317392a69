"""Nodes over SSH, against a real sshd: what keeps from reaching one, in a sentence each, and how a connection ends."""

from __future__ import annotations

import errno
import getpass
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from pykubeadm.errors import LockedError, NodeError
from pykubeadm.node import ssh_login
from pykubeadm.node.port import Command, File
from pykubeadm.node.remote import MODULES
from pykubeadm.node.ssh import ConnectionLostError, PythonMissingError, SshNode, SudoError, connect
from pykubeadm.node.ssh_login import HostKeyError, HungUpError, LoginError, SshError, SshSettings, UnreachableError
from pykubeadm.pki.tls import client_context
from pykubeadm.transport.connections import Connections
from pykubeadm.transport.http import UnansweredError, exchange
from tests.support.servers import ca_pem, serving
from tests.support.slow_link import slow_link
from tests.support.sshd import Sshd, oldest_python, running_sshd

SLEEP = Command(("sleep", "300"), "wait", timeout=400)


@pytest.fixture
def sshd() -> Sshd:
    return running_sshd()


def why_not(settings: SshSettings, kind: type[SshError]) -> str:
    """The sentence with which connecting fails."""
    with pytest.raises(kind) as caught, connect(settings):
        pytest.fail("it connects")
    sentence = str(caught.value)
    assert sentence.startswith("n1")
    assert "\n" not in sentence
    return sentence


def configured(sshd: Sshd, folder: Path, text: str, **others: object) -> SshSettings:
    """With another ~/.ssh/config."""
    (folder / "config").write_text(text)
    return replace(sshd.settings(), config_file=str(folder / "config"), **others)  # type: ignore[arg-type]


# reaching it


def test_an_unknown_host_key_is_refused_with_its_fingerprint(sshd: Sshd, tmp_path: Path) -> None:
    shown = subprocess.run(["ssh-keygen", "-lf", sshd.folder / "host.pub"], check=True, capture_output=True, text=True).stdout
    settings = configured(sshd, tmp_path, f"Host *\n  UserKnownHostsFile {tmp_path}/known\n")
    sentence = why_not(settings, HostKeyError)
    assert f"is not known: {shown.split()[1]} (ssh-ed25519)" in sentence
    assert f"`ssh-keyscan -p {sshd.port} 127.0.0.1 >>{tmp_path}/known`" in sentence
    assert not (tmp_path / "known").exists()


def test_a_changed_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    key = " ".join((sshd.folder / "login.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"[127.0.0.1]:{sshd.port} {key}\n")
    sentence = why_not(configured(sshd, tmp_path, f"Host *\n  UserKnownHostsFile {tmp_path}/known\n"), HostKeyError)
    assert len(re.findall(r"SHA256:[\w+/]{43} ", sentence)) == 2
    assert f"`ssh-keygen -R '[127.0.0.1]:{sshd.port}'" in sentence


@pytest.mark.parametrize("nowhere", ["/dev/null", "none"])
def test_where_no_host_key_is_kept_the_advice_is_another(sshd: Sshd, tmp_path: Path, nowhere: str) -> None:
    sentence = why_not(configured(sshd, tmp_path, f"Host *\n  UserKnownHostsFile {nowhere}\n"), HostKeyError)
    assert "UserKnownHostsFile is /dev/null, which keeps none: name a file there" in sentence
    assert "ssh-keyscan" not in sentence
    text = f"Host *\n  UserKnownHostsFile {nowhere}\n  StrictHostKeyChecking accept-new\n"
    with connect(configured(sshd, tmp_path, text)) as node:
        assert node.stat("/") is not None


def test_a_revoked_host_key_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    known = (sshd.folder / "known_hosts").read_text()
    (tmp_path / "known").write_text(known + f"@revoked * {' '.join(known.split()[1:])}\n")
    assert "is revoked" in why_not(configured(sshd, tmp_path, f"Host *\n  UserKnownHostsFile {tmp_path}/known\n"), HostKeyError)


def test_a_new_host_is_accepted_where_the_users_configuration_says_so(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    for _ in range(2):
        with connect(configured(sshd, tmp_path, text)) as node:
            assert node.stat("/") is not None
    assert (tmp_path / "known").read_text().splitlines() == (sshd.folder / "known_hosts").read_text().splitlines()


def test_a_new_host_is_added_behind_a_line_without_an_end(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    other = "other.example.com ssh-ed25519 " + (sshd.folder / "login.pub").read_text().split()[1]
    (tmp_path / "known").write_text(other)
    with connect(configured(sshd, tmp_path, text)):
        pass
    assert (tmp_path / "known").read_text().splitlines() == [other, (sshd.folder / "known_hosts").read_text().strip()]


def test_a_new_host_is_accepted_where_its_key_cannot_be_kept(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/file/known\n  StrictHostKeyChecking accept-new\n"
    with connect(configured(sshd, tmp_path, text)) as node:
        assert node.stat("/") is not None


def test_what_the_users_configuration_says(sshd: Sshd, tmp_path: Path) -> None:
    text = (
        f"Host alias\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.folder}/login\n"
        f"  UserKnownHostsFile {sshd.folder}/known_hosts\n"
    )
    settings = configured(sshd, tmp_path, text, host="alias", port=0, identity_files=())
    with connect(settings) as node:
        assert node.name == "n1"


def test_options_stand_above_the_users_configuration(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/none\n  User nobody-here\n"
    options = (f"UserKnownHostsFile={sshd.folder}/known_hosts", f"User={getpass.getuser()}")
    with connect(configured(sshd, tmp_path, text, options=options)) as node:
        assert node.stat("/") is not None


def test_through_jump_hosts(sshd: Sshd, tmp_path: Path) -> None:
    text = (
        f"Host *\n  UserKnownHostsFile {sshd.folder}/known_hosts\n  IdentityFile {sshd.folder}/login\n"
        f"Host jump\n  HostName 127.0.0.1\n  Port {sshd.port}\nHost far\n  HostName 127.0.0.1\n  ProxyJump jump\n"
    )
    for host, jump in (("far", ""), ("127.0.0.1", "jump"), ("127.0.0.1", f"jump,127.0.0.1:{sshd.port}")):
        with connect(configured(sshd, tmp_path, text, host=host, jump=jump)) as node:
            assert node.stat("/") is not None
    sentence = why_not(configured(sshd, tmp_path, text, host="far", port=1), UnreachableError)
    assert "from the jump host jump" in sentence


def test_what_keeps_from_using_a_jump_host_says_nothing_of_the_node(sshd: Sshd, tmp_path: Path) -> None:
    """Where a cluster forgets machines that do not answer, it is not to forget one for that."""
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    caught = why_not_at_all(configured(sshd, tmp_path, text, jump="127.0.0.1:1"))
    assert str(caught).startswith("n1: the jump host 127.0.0.1 cannot be reached at 127.0.0.1 port 1: connection refused")
    assert not isinstance(caught, UnreachableError)
    with front(_forwarding_nothing(sshd)) as (port, _callers):
        caught = why_not_at_all(configured(sshd, tmp_path, text, jump=f"127.0.0.1:{port}"))
    assert "from the jump host" in str(caught)
    assert not isinstance(caught, UnreachableError)


def why_not_at_all(settings: SshSettings) -> SshError:
    with pytest.raises(SshError) as caught, connect(settings):
        pytest.fail("it connects")
    return caught.value


class _Forwarding(paramiko.ServerInterface):
    """Lets everybody in, and nobody through."""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Timer(0.2, channel.get_transport().close).start()
        return True


def _forwarding_nothing(sshd: Sshd) -> Callable[[int, socket.socket], None]:
    def meet(_number: int, caller: socket.socket) -> None:
        transport = paramiko.Transport(caller)
        transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(sshd.folder / "host")))
        transport.start_server(server=_Forwarding())
        transport.join()

    return meet


def test_a_connection_that_ends_as_python_starts_is_no_fault_of_python(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    with front(_forwarding_nothing(sshd)) as (port, _callers):
        assert "the connection ended while it began" in why_not(configured(sshd, tmp_path, text, port=port), ConnectionLostError)


def relaying(folder: Path, first: str = "") -> str:
    """A ProxyCommand, which runs `first`."""
    code = (
        f"import os,signal,socket,sys,threading as t\n{first}\ns=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\n"
        "def up():\n    while d:=os.read(0,65536): s.sendall(d)\n"
        "t.Thread(target=up,daemon=True).start()\nwhile d:=s.recv(65536): os.write(1,d)\n"
    )
    (folder / "relay.py").write_text(code)
    return f"python3 {folder}/relay.py %p"


def test_through_a_proxy_command(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {sshd.folder}/known_hosts\n  ProxyCommand {relaying(tmp_path)}\n"
    with connect(configured(sshd, tmp_path, text)) as node:
        assert node.stat("/") is not None


@pytest.mark.usefixtures("_no_pauses")
def test_a_proxy_command_that_ends_at_once_is_named(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {sshd.folder}/known_hosts\n  ProxyCommand false\n"
    assert "n1: the ProxyCommand, or the server at 127.0.0.1" in why_not(configured(sshd, tmp_path, text), HungUpError)
    with connect(configured(sshd, tmp_path, text.replace("false", "none"))) as node:
        assert node.stat("/") is not None


def test_a_proxy_command_that_does_not_end_is_killed(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_login, "_GRACE", 0.2)
    stubborn = relaying(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    text = f"Host *\n  UserKnownHostsFile {sshd.folder}/known_hosts\n  ProxyCommand {stubborn}\n"
    settings = configured(sshd, tmp_path, text)

    def use() -> None:
        with connect(settings) as node:
            node.stat("/")

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_settings_that_are_not_there(sshd: Sshd, tmp_path: Path) -> None:
    """But for ~/.ssh/config, which nobody has to have. ssh(1) refuses them, too."""
    sentence = why_not(sshd.settings(config_file=str(tmp_path / "confg")), SshError)
    assert sentence == f"n1: {tmp_path}/confg, which is to be read in place of ~/.ssh/config, does not exist"
    for none in ("none", "/dev/null", "~/.ssh/config"):
        assert "connection refused" in why_not(sshd.settings(config_file=none, port=1), UnreachableError)


def test_nobody_answers(sshd: Sshd) -> None:
    assert "127.0.0.1 port 1: connection refused" in why_not(sshd.settings(port=1), UnreachableError)
    for name in ("no.such.host.invalid", "a..b", f"{'a' * 64}.invalid"):
        assert "its name cannot be resolved" in why_not(sshd.settings(host=name), UnreachableError)


def test_something_else_answers(sshd: Sshd) -> None:
    with serving(plain=True) as server:
        server.answers = [(200, b"")]
        sentence = why_not(sshd.settings(port=server.server_port, connect_timeout=1.0), UnreachableError)
    assert "does not speak SSH" in sentence


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["nothing", "its name"])
def test_an_sshd_that_falls_silent_has_not_refused_a_key(sshd: Sshd, tmp_path: Path, said: bytes) -> None:
    damaged = tmp_path / "key"
    damaged.write_text("hello")
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_say, args=(server, said), daemon=True).start()
        keys = (str(sshd.folder / "login"), str(damaged))
        settings = sshd.settings(port=server.getsockname()[1], identity_files=keys, connect_timeout=0.5)
        assert f"port {settings.port}: no answer within 0.5 s" in why_not(settings, UnreachableError)


def _say(server: socket.socket, said: bytes) -> None:
    with server.accept()[0] as caller:
        caller.sendall(said)
        while caller.recv(1024):
            pass


def test_an_sshd_that_does_not_answer_to_a_key_has_not_refused_it(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_ponder, args=(server, sshd.folder / "host"), daemon=True).start()
        settings = configured(sshd, tmp_path, text, port=server.getsockname()[1], connect_timeout=1.0)
        assert f"port {settings.port}: no answer within 1 s" in why_not(settings, UnreachableError)


class _Pondering(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        time.sleep(5)
        return paramiko.AUTH_FAILED


def _ponder(server: socket.socket, host_key: Path) -> None:
    transport = paramiko.Transport(server.accept()[0])
    transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(host_key)))
    transport.start_server(server=_Pondering())


def test_the_library_prints_nothing_of_its_own(tmp_path: Path) -> None:
    """Its log would be printed, with tracebacks, where a program sets up none."""

    def hang_up() -> None:
        with suppress(OSError):
            while True:
                listening.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=hang_up, daemon=True).start()
        code = (
            "from pykubeadm.node.ssh import connect\n"
            "from pykubeadm.node.ssh_login import HungUpError, SshSettings\n"
            f"try:\n    with connect(SshSettings(host='127.0.0.1', port={listening.getsockname()[1]}, user='x')): pass\n"
            "except HungUpError as error: print(error)\n"
        )
        alone = {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=alone, check=False)
    assert "ended the connection" in done.stdout
    assert done.stderr == ""


# servers that hang up


@contextmanager
def front(meet: Callable[[int, socket.socket], None]) -> Iterator[tuple[int, list[int]]]:
    """A server's port, and the number of each caller so far; `meet` has each, in a thread, and hangs up when it returns."""
    callers: list[int] = []

    def one(number: int, caller: socket.socket) -> None:
        with caller, suppress(OSError, EOFError, paramiko.SSHException):
            meet(number, caller)

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller = server.accept()[0]
                callers.append(len(callers))
                threading.Thread(target=one, args=(callers[-1], caller), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], callers
        server.shutdown(socket.SHUT_RDWR)


def says(text: bytes, *, reads: int = 0) -> Callable[[int, socket.socket], None]:
    """Says this, hears so many bytes and hangs up."""

    def meet(_number: int, caller: socket.socket) -> None:
        caller.sendall(text)
        for _ in range(reads):
            caller.recv(1)

    return meet


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_login, "_PAUSES", (0.01, 0.01))


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize(
    ("meet", "when"),
    [
        (says(b""), "before it said a word"),
        (says(b"Exceeded MaxStartups\r\n"), "before it said a word"),
        (says(b"Not allowed at this time\r\n"), "before it said a word"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "while keys were exchanged"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n", reads=200), "while keys were exchanged"),
    ],
    ids=["at once", "MaxStartups", "PerSourcePenalties", "after its name", "in the exchange of keys"],
)
def test_a_server_that_hangs_up_has_refused_nobody_and_is_tried_again(
    sshd: Sshd, meet: Callable[[int, socket.socket], None], when: str
) -> None:
    with front(meet) as (port, callers):
        sentence = why_not(sshd.settings(port=port), HungUpError)
    assert sentence.startswith(f"n1: the server at 127.0.0.1 port {port} ended the connection {when}, 3 times: ")
    assert "MaxStartups" in sentence
    assert "fail2ban" in sentence
    assert len(callers) == 3


@pytest.mark.usefixtures("_no_pauses")
def test_a_server_that_drops_some_by_chance_lets_in_in_the_end(sshd: Sshd, tmp_path: Path) -> None:
    def meet(number: int, caller: socket.socket) -> None:
        if number == 0:
            return
        if number == 1:
            caller.sendall(b"Exceeded MaxStartups\r\n")
            return
        with socket.create_connection(("127.0.0.1", sshd.port)) as there:
            back = threading.Thread(target=_pump, args=(there, caller))
            back.start()
            _pump(caller, there)
            back.join()

    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    with front(meet) as (port, callers):
        with connect(configured(sshd, tmp_path, text, port=port)) as node:
            assert node.stat("/") is not None
        assert len(callers) == 3


def _pump(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while data := near.recv(65536):
            far.sendall(data)
    with suppress(OSError):
        far.shutdown(socket.SHUT_WR)


@pytest.mark.usefixtures("_no_pauses")
def test_a_jump_host_that_hangs_up_is_named_and_not_tried_for_each_attempt_at_the_node(sshd: Sshd, tmp_path: Path) -> None:
    text = f"Host *\n  UserKnownHostsFile {sshd.folder}/known_hosts\n"
    with front(says(b"")) as (port, callers):
        settings = configured(sshd, tmp_path, text, jump=f"127.0.0.1:{port}")
        assert "n1: the jump host 127.0.0.1: the server at" in why_not(settings, HungUpError)
    assert len(callers) == 3


class _Refusing(paramiko.ServerInterface):
    """Hangs up at a key when it has refused as many."""

    def __init__(self, transport: paramiko.Transport, refuses: int) -> None:
        self._transport, self._refuses = transport, refuses

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self._refuses -= 1
        if self._refuses < 0:
            self._transport.close()
        return paramiko.AUTH_FAILED


def _refusing(sshd: Sshd, refuses: int) -> Callable[[int, socket.socket], None]:
    def meet(_number: int, caller: socket.socket) -> None:
        transport = paramiko.Transport(caller)
        transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(sshd.folder / "host")))
        transport.start_server(server=_Refusing(transport, refuses))
        transport.join()

    return meet


@pytest.mark.parametrize("keys", [1, 2])
def test_a_server_that_hangs_up_at_a_login_is_not_asked_twice(sshd: Sshd, tmp_path: Path, keys: int) -> None:
    """It may count."""
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    with front(_refusing(sshd, 0)) as (port, callers):
        settings = configured(sshd, tmp_path, text, port=port, identity_files=(str(sshd.folder / "login"),) * keys)
        sentence = why_not(settings, HungUpError)
    assert sentence.startswith(f"n1: sshd at 127.0.0.1 port {port} ended the connection while {getpass.getuser()} logged in")
    assert len(callers) == 1


@pytest.mark.parametrize("keys", [3, 4])
def test_a_server_that_hangs_up_after_too_many_keys_has_let_nobody_in(sshd: Sshd, tmp_path: Path, keys: int) -> None:
    text = f"Host *\n  UserKnownHostsFile {tmp_path}/known\n  StrictHostKeyChecking accept-new\n"
    with front(_refusing(sshd, 2)) as (port, callers):
        settings = configured(sshd, tmp_path, text, port=port, identity_files=(str(sshd.folder / "login"),) * keys)
        sentence = why_not(settings, LoginError)
    assert f"ended the connection after 3 keys, of which none lets {getpass.getuser()} in" in sentence
    assert "MaxAuthTries" in sentence
    assert len(callers) == 1


def test_a_real_sshd_with_too_many_keys(sshd: Sshd, tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True, stdin=subprocess.DEVNULL
    )
    keys = (str(tmp_path / "other"),) * 7 + (str(sshd.folder / "login"),)
    assert "after 6 keys" in why_not(sshd.settings(identity_files=keys), LoginError)


def test_a_user_who_is_not_let_in(sshd: Sshd, tmp_path: Path) -> None:
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")]
    subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
    assert "does not let" in why_not(sshd.settings(identity_files=(str(tmp_path / "other"),)), LoginError)
    assert "does not exist" in why_not(sshd.settings(identity_files=(str(tmp_path / "none"),)), LoginError)
    keygen[keygen.index("")] = "a passphrase"
    keygen[-1] = str(tmp_path / "locked")
    subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
    assert "is encrypted" in why_not(sshd.settings(identity_files=(str(tmp_path / "locked"),)), LoginError)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda _key: b"hello\n", "holds no whole private key"),
        (lambda _key: b"", "holds no whole private key"),
        (lambda _key: b"\xff\xfe" * 1000, "holds no whole private key"),
        (lambda key: key[: len(key) // 2], "holds no whole private key"),
        (None, "is a public key: name the private one"),
    ],
    ids=["text", "empty", "binary", "half", "public"],
)
def test_a_file_that_holds_no_private_key_is_named(
    sshd: Sshd, tmp_path: Path, damage: Callable[[bytes], bytes] | None, said: str
) -> None:
    key = tmp_path / "key"
    key.write_bytes(damage((sshd.folder / "login").read_bytes()) if damage else (sshd.folder / "login.pub").read_bytes())
    sentence = why_not(sshd.settings(identity_files=(str(key),)), LoginError)
    assert sentence == f"n1: the key {key} {said}"


# Python and sudo


def test_no_python(sshd: Sshd) -> None:
    assert "there is no no-such-python there: install Python 3.9" in why_not(
        sshd.settings(python="no-such-python"), PythonMissingError
    )


def test_a_python_that_is_too_old(sshd: Sshd, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho pykubeadm 3.6\nexit 1\n")
    old.chmod(0o755)
    assert "Python 3.6, and 3.9 is the oldest" in why_not(sshd.settings(python=str(old)), PythonMissingError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root needs no sudo")
def test_no_sudo_without_its_password(sshd: Sshd) -> None:
    why_not(sshd.settings(sudo=True), SudoError)


def test_what_is_sent_is_for_the_oldest_python() -> None:
    """On the oldest there is here; the contract tests call all of it."""
    program = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [shutil.which(oldest_python()) or oldest_python(), "-c", program, *MODULES],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "installer")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


# at work


def test_a_long_command_blocks_nobody(sshd: Sshd) -> None:
    with sshd.connected() as node:
        ended: list[BaseException] = []

        def long() -> None:
            try:
                node.run(SLEEP)
            except NodeError as error:
                ended.append(error)

        thread = threading.Thread(target=long)
        thread.start()
        _wait(lambda: _sleepers(node))
        assert [node.stat("/").kind for _ in range(20)] == ["directory"] * 20
        for pid in _sleepers(node):
            node.run(Command(("kill", pid), "end it", check=False))
        thread.join(30)
        assert "was killed by SIG" in str(ended[0])


def _sleepers(node: SshNode) -> list[str]:
    """The processes that the helper runs for SLEEP."""
    helper = node.run(Command(("sh", "-c", "echo $PPID"), changes=False)).stdout.strip()
    children = Path(f"/proc/{helper}/task").glob("*/children")
    found = [pid for listed in children for pid in listed.read_text().split()]
    return [pid for pid in found if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep")]


def test_a_connection_that_is_cut_is_a_sentence_and_ends_what_runs_there(sshd: Sshd, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with slow_link(("127.0.0.1", sshd.port), 0.0) as link:
        settings = replace(sshd.settings(), port=link.port, config_file=str(tmp_path / "config"))
        known = (sshd.folder / "known_hosts").read_text().replace(f":{sshd.port}", f":{link.port}")
        (tmp_path / "known").write_text(known)
        (tmp_path / "config").write_text(f"Host *\n  UserKnownHostsFile {tmp_path}/known\n")
        with connect(settings) as node:
            timer = threading.Thread(target=lambda: (_wait(mark.exists), link.cut()))
            timer.start()
            began = time.monotonic()
            with pytest.raises(
                ConnectionLostError, match=r"^n1: the connection was lost in the middle of the work.*run this again"
            ):
                node.run(Command(("sh", "-c", f"echo $$ >{mark}.part; mv {mark}.part {mark}; exec sleep 300"), timeout=400))
            assert time.monotonic() - began < 60
            with pytest.raises(ConnectionLostError):
                node.read("/etc/hostname")
            timer.join()
    pid = int(mark.read_text())
    _wait(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("error", [EOFError(), paramiko.SSHException("Key-exchange timed out")], ids=["cut", "no new keys"])
def test_a_connection_that_ends_as_something_is_sent_is_a_sentence_too(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def gone(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr("pykubeadm.node.ssh._GOODBYE", 0.1)
    with monkeypatch.context() as patched, sshd.connected() as node:
        for way in ("sendall", "shutdown_write", "close"):
            patched.setattr(paramiko.Channel, way, gone)
        with pytest.raises(ConnectionLostError, match=r"^n1: the connection was lost"):
            node.read("/etc/hostname")


def test_the_lock_ends_with_the_connection(sshd: Sshd) -> None:
    """Taken on this machine; where that is not root's, nothing can be locked."""
    if os.geteuid() != 0:
        pytest.skip("the lock is root's")
    with sshd.connected() as node:
        held = node.exclusive("pykubeadm test")
        held.__enter__()
        with sshd.connected() as other, pytest.raises(LockedError, match="pykubeadm test"), other.exclusive("x"):
            pytest.fail("two hold the lock")
    with sshd.connected() as node, node.exclusive("pykubeadm test"):
        pass


def test_secrets_and_large_files_arrive_whole(sshd: Sshd, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    with sshd.connected() as node:
        node.write([File(f"{tmp_path}/f", content, 0o600, secret=True)])
        assert node.save(
            f"{tmp_path}/g", (content[start : start + 100_000] for start in range(0, len(content), 100_000)), 0o600
        ) == len(content)
        assert node.read(f"{tmp_path}/g") == content
    assert (tmp_path / "f").read_bytes() == content


def test_nothing_stays_on_the_node(sshd: Sshd) -> None:
    with sshd.connected() as node:
        pid = node.run(Command(("sh", "-c", "echo $PPID"), changes=False)).stdout.strip()
        assert "pykubeadm" in Path(f"/proc/{pid}/cmdline").read_text()
        assert "SECRET" not in Path(f"/proc/{pid}/cmdline").read_text()
    _wait(lambda: not Path(f"/proc/{pid}").exists())


def _wait(so, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.05)


# servers that the node reaches


def test_servers_are_reached_from_the_node(sshd: Sshd) -> None:
    with sshd.connected() as node, serving() as server:
        server.answers = [(200, b"x" * 200_000)]
        tls = client_context(ca_pem())
        kept = Connections(f"https://{server.endpoint}", tls, timeout=10, proxy="", dial=node.route.dial)
        assert [len(kept.request("GET", "/a", None, {}).body) for _ in range(3)] == [200_000] * 3
        kept.close()
        assert exchange(f"https://{server.endpoint}/b", timeout=10, tls=tls, dial=node.route.dial).status == 200
        with pytest.raises(UnansweredError, match=r"n1 gets no connection to 127\.0\.0\.1 port 1"):
            exchange("https://127.0.0.1:1/", timeout=10, tls=tls, dial=node.route.dial)


def test_what_was_opened_from_the_node_ends_with_the_connection_to_it(sshd: Sshd) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as server:
        with sshd.connected() as node:
            assert node.route.dial is not None
            ours = node.route.dial("127.0.0.1", server.getsockname()[1], 10.0)
        with ours:
            _wait(lambda: not set(threading.enumerate()) - before, 20)
            ours.settimeout(10)
            assert ours.recv(1) == b""


def test_a_desk_that_can_open_no_more_files_says_nothing_of_the_node(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(paramiko.SSHClient, "connect", full)
    caught = why_not_at_all(sshd.settings())
    assert str(caught) == "n1 was not connected to: Too many open files on this machine; raise its limit (`ulimit -n`)"
    assert not isinstance(caught, UnreachableError)


def test_a_desk_with_many_open_files_connects(sshd: Sshd) -> None:
    """To some hundred machines."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("this process may have too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while opened.enter_context(open("/dev/null", "rb")).fileno() < 1024:
            pass
        test_servers_are_reached_from_the_node(sshd)
