"""Logging in to a machine over SSH, against a real sshd and servers that hang up: what keeps from it, in a sentence each."""

from __future__ import annotations

import base64
import errno
import getpass
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest

from pykubeadm.node import ssh_login
from pykubeadm.node.ssh import ConnectionLostError, connect
from pykubeadm.node.ssh_login import HostKeyError, HungUpError, LoginError, SshError, UnreachableError
from tests.support.connecting import configured, front, why_not, why_not_at_all
from tests.support.servers import serving
from tests.support.sshd import Sshd, running_sshd


@pytest.fixture
def sshd() -> Sshd:
    return running_sshd()


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


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521"])
@pytest.mark.parametrize("holding", ["", "\0\0", "\0\0\0\1\2"])
def test_half_a_line_of_known_hosts_is_ignored(sshd: Sshd, tmp_path: Path, kind: str, holding: str) -> None:
    half = base64.b64encode(len(kind).to_bytes(4, "big") + f"{kind}{holding}".encode()).decode()
    (tmp_path / "known").write_text(f"other {kind} {half}\n{(sshd.folder / 'known_hosts').read_text()}")
    with connect(configured(sshd, tmp_path, f"Host *\n  UserKnownHostsFile {tmp_path}/known\n")) as node:
        assert node.stat("/") is not None


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


def test_a_jump_host_that_would_lead_through_itself(sshd: Sshd, tmp_path: Path) -> None:
    """As for all hosts, without an exception for this one. ssh(1) ends there, too."""
    sentence = why_not(configured(sshd, tmp_path, "Host *\n  ProxyJump jump.invalid\n"), SshError)
    assert sentence == (
        f"n1: the jump hosts in {tmp_path}/config lead through each other without end, the last one through jump.invalid: leave"
        " that out where it is named, as with `Host * !jump.invalid`"
    )


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


def test_a_proxy_command_that_cannot_be_started_is_this_machine_s_affair(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    settings = configured(sshd, tmp_path, "Host *\n  ProxyCommand true\n")
    monkeypatch.setattr(subprocess, "Popen", full)
    caught = why_not_at_all(settings)
    assert "n1 was not connected to: its ProxyCommand cannot be started: Resource temporarily unavailable" in str(caught)
    assert not isinstance(caught, UnreachableError)


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


def test_settings_that_are_not_there(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for ~/.ssh/config, which nobody has to have. ssh(1) refuses them, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    sentence = why_not(sshd.settings(config_file=str(tmp_path / "confg")), SshError)
    assert sentence == f"n1: {tmp_path}/confg, which is to be read in place of ~/.ssh/config, does not exist"
    for none in ("none", "/dev/null", "~/.ssh/config"):
        assert "connection refused" in why_not(sshd.settings(config_file=none, port=1), UnreachableError)


@pytest.mark.parametrize("text", ["", "Host other\n  Port 22\n"])
def test_a_user_without_a_name_is_told_to_have_one(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """As in a container that runs with a number of its own."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    sentence = why_not(configured(sshd, tmp_path, text), SshError)
    assert sentence == "n1: no user of this machine has the number 12345: set $LOGNAME, and which user to log in as"


def test_a_configuration_that_cannot_be_used_is_named(sshd: Sshd, tmp_path: Path) -> None:
    settings = configured(sshd, tmp_path, "Host *\n  CanonicalizeHostname always\n", host="node")
    assert why_not(settings, SshError).startswith(f"n1: {settings.config_file} cannot be used: ")


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


def _refused(sshd: Sshd, folder: Path, *, refuses: int, keys: int, kind: type[SshError]) -> str:
    """The sentence of a server that hangs up at a key when it has refused as many; it was called once."""
    text = f"Host *\n  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking accept-new\n"
    with front(_refusing(sshd, refuses)) as (port, callers):
        settings = configured(sshd, folder, text, port=port, identity_files=(str(sshd.folder / "login"),) * keys)
        sentence = why_not(settings, kind)
    assert len(callers) == 1
    assert sentence.startswith(f"n1: sshd at 127.0.0.1 port {port} ended the connection ")
    return sentence


@pytest.mark.parametrize("keys", [1, 2])
def test_a_server_that_hangs_up_at_a_login_is_not_asked_twice(sshd: Sshd, tmp_path: Path, keys: int) -> None:
    """It may count."""
    sentence = _refused(sshd, tmp_path, refuses=0, keys=keys, kind=HungUpError)
    assert f"ended the connection while {getpass.getuser()} logged in" in sentence


@pytest.mark.parametrize("keys", [3, 4])
def test_a_server_that_hangs_up_after_too_many_keys_has_let_nobody_in(sshd: Sshd, tmp_path: Path, keys: int) -> None:
    sentence = _refused(sshd, tmp_path, refuses=2, keys=keys, kind=LoginError)
    assert f"ended the connection after 3 keys, of which none lets {getpass.getuser()} in" in sentence
    assert "MaxAuthTries" in sentence


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


def test_a_desk_that_can_open_no_more_files_says_nothing_of_the_node(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(paramiko.SSHClient, "connect", full)
    caught = why_not_at_all(sshd.settings())
    assert str(caught) == "n1 was not connected to: Too many open files on this machine; raise its limit (`ulimit -n`)"
    assert not isinstance(caught, UnreachableError)
