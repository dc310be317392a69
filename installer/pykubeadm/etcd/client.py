"""etcd's v3 API over its JSON gateway (POST /v3/…, on by default from etcd 3.4 on), with client certificates.

The gateway speaks protobuf's JSON: 64-bit numbers come as text, fields with their zero value are left out.
Reference: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/ and api/etcdserverpb/rpc.proto.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pykubeadm.errors import ApiError, PykubeadmError
from pykubeadm.pki.tls import client_context, show_certificate
from pykubeadm.transport.http import UnansweredError, connection_to, exchange
from pykubeadm.transport.route import DIRECT, Dial, Route
from pykubeadm.util.dataclass import dataclass

REQUEST_TIMEOUT = 5.0  # seconds for one request to one endpoint
DIGEST = hashlib.sha256().digest_size  # bytes at the end of a snapshot (etcd: server/etcdserver/api/v3rpc/maintenance.go)
_HASH_TIMEOUT = 60.0  # seconds: all keys are read for it
_PART = 100  # keys in one answer: a value may have a MiB
_DEFRAGMENT_TIMEOUT = 600.0  # seconds: the whole database is written again


class EtcdError(PykubeadmError):
    """etcd refused a request or could not be reached."""

    exit_status = 6


class EtcdUnreachableError(EtcdError):
    """No endpoint gave an answer; nothing is known about whether a change was made."""


class TooManyLearnersError(EtcdError):
    """Another learner has not been promoted yet; etcd takes one at a time (--max-learners)."""


class PeerUrlExistsError(EtcdError):
    """A member with this peer URL is there already."""


class LearnerNotReadyError(EtcdError):
    """The learner is not in step with the leader yet; try again."""


class MemberNotFoundError(EtcdError):
    """There is no member with this id (any more)."""


class NotALearnerError(EtcdError):
    """The member to promote votes already."""


class ClusterUnhealthyError(EtcdError):
    """etcd refuses the change because too few members are connected (--strict-reconfig-check), or it has no leader."""


# etcd: api/v3rpc/rpctypes/error.go. The texts are part of its API.
_REFUSALS: tuple[tuple[str, type[EtcdError]], ...] = (
    ("too many learner members", TooManyLearnersError),
    ("Peer URLs already exists", PeerUrlExistsError),
    ("member ID already exist", PeerUrlExistsError),
    ("can only promote a learner member which is in sync with leader", LearnerNotReadyError),
    ("can only promote a learner member", NotALearnerError),
    ("rpc not supported for learner", EtcdUnreachableError),  # that one cannot answer, the others can
    ("member not found", MemberNotFoundError),
    ("unhealthy cluster", ClusterUnhealthyError),
    ("re-configuration failed due to not enough started members", ClusterUnhealthyError),
    ("no leader", ClusterUnhealthyError),
    ("leader changed", ClusterUnhealthyError),
    ("request timed out", ClusterUnhealthyError),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the cluster knows it. `name` is "" until it has started for the first time."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...] = ()
    learner: bool = False

    @property
    def started(self) -> bool:
        return bool(self.name)

    def __str__(self) -> str:
        kind = "learner" if self.learner else "member"
        return f"{kind} {self.name or '(never started)'} {self.id:x} at {', '.join(self.peer_urls)}"


@dataclass(frozen=True, slots=True)
class Status:
    """What one member says of itself. `leader` is a member's id, 0 where it sees none; `db_size` and what of it is in use are in
    bytes."""

    member_id: int
    version: str
    leader: int
    learner: bool
    errors: tuple[str, ...] = ()
    db_size: int = 0
    db_in_use: int = 0
    revision: int = 0
    cluster_id: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that a member raised: "NOSPACE" (its quota is used up, etcd takes no writes) or "CORRUPT"."""

    member_id: int
    kind: str


@dataclass(frozen=True, slots=True)
class KeysHash:
    """The hash of all keys up to `revision`: the same on every member that is right."""

    hash: int
    revision: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database on its way: `size` bytes in all, its SHA-256 at their end included."""

    size: int
    blobs: Iterator[bytes]


def tls_context(ca: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A context that trusts `ca` and shows `certificate` (all PEM). EtcdError with what cannot be used."""
    try:
        context = client_context(ca)
    except ValueError as error:
        raise EtcdError(f"etcd's CA {error}") from error
    try:
        show_certificate(context, certificate, key)
    except ValueError as error:
        raise EtcdError(f"for etcd, {error}") from error
    return context


class EtcdClient:
    """The members behind `endpoints` (client URLs), as reached by `route`; a request goes to the first that can answer it."""

    def __init__(
        self,
        endpoints: Sequence[str],
        tls: ssl.SSLContext | None,
        *,
        timeout: float = REQUEST_TIMEOUT,
        route: Route = DIRECT,
    ) -> None:
        self.endpoints = tuple(dict.fromkeys(endpoints))
        self._tls = tls
        self._timeout = timeout
        self._route = route

    def at(self, endpoints: Sequence[str]) -> EtcdClient:
        """The same cluster, asked at other endpoints."""
        return EtcdClient(endpoints, self._tls, timeout=self._timeout, route=self._route)

    def members(self, *, agreed: bool = True) -> tuple[Member, ...]:
        """All members, as a majority of them agrees; EtcdUnreachableError or ClusterUnhealthyError where there is no majority.
        With `agreed=False` as the first that answers knows them."""
        return _members(self._ask("/v3/cluster/member/list", {"linearizable": agreed}))

    def add_learner(self, peer_url: str) -> tuple[Member, ...]:
        """Add a member that does not vote yet; the members after it. Raises TooManyLearnersError, PeerUrlExistsError."""
        return _members(self._ask("/v3/cluster/member/add", {"peerURLs": [peer_url], "isLearner": True}))

    def promote(self, member_id: int) -> tuple[Member, ...]:
        """Let a learner vote; the members after it. LearnerNotReadyError until it has caught up; NotALearnerError."""
        return _members(self._ask("/v3/cluster/member/promote", {"ID": str(member_id)}))

    def remove(self, member_id: int) -> tuple[Member, ...]:
        """Remove a member; the members after it. MemberNotFoundError, ClusterUnhealthyError."""
        return _members(self._ask("/v3/cluster/member/remove", {"ID": str(member_id)}))

    def status(self, endpoint: str) -> Status:
        """What the member at `endpoint` says of itself; EtcdUnreachableError where it does not answer."""
        answer = self._post(endpoint, "/v3/maintenance/status", {})
        header = answer.get("header", {})
        return Status(
            member_id=int(header.get("member_id", 0)),
            version=answer.get("version", ""),
            leader=int(answer.get("leader", 0)),
            learner=answer.get("isLearner", False),
            errors=tuple(answer.get("errors", ())),
            db_size=int(answer.get("dbSize", 0)),
            db_in_use=int(answer.get("dbSizeInUse", 0)),
            revision=int(header.get("revision", 0)),
            cluster_id=int(header.get("cluster_id", 0)),
        )

    def snapshot(self, endpoint: str) -> Snapshot:
        """The database of the member at `endpoint` as `etcdctl snapshot save` writes it: its SHA-256 are the last 32 bytes."""
        return _snapshot(endpoint, "/v3/maintenance/snapshot", self._tls, self._timeout, self._route.dial)

    def values(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """The keys that begin with `prefix`, in their order, each with its value. Read in parts, so that what changes meanwhile
        may be as it was or as it is."""
        start, end = prefix.encode(), _after(prefix.encode())
        more = True
        while more:
            body = {"key": _base64(start), "range_end": _base64(end), "limit": _PART}
            answer = self._ask("/v3/kv/range", body)
            for entry in answer.get("kvs", ()):
                key = base64.b64decode(entry["key"])
                yield key.decode(errors="replace"), base64.b64decode(entry.get("value", ""))
                start = key + b"\0"
            more = bool(answer.get("more"))

    def keys_hash(self, endpoint: str) -> KeysHash:
        """The hash of what the member at `endpoint` has now; EtcdUnreachableError where it does not answer."""
        answer = self._post(endpoint, "/v3/maintenance/hashkv", {}, _HASH_TIMEOUT)
        return KeysHash(int(answer.get("hash", 0)), int(answer.get("header", {}).get("revision", 0)))

    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms that are raised, of all members."""
        return _alarms(self._ask("/v3/maintenance/alarm", {"action": "GET"}))

    def disarm(self, alarm: Alarm) -> None:
        """Take an alarm back; it is raised again where its cause is still there."""
        self._ask("/v3/maintenance/alarm", {"action": "DEACTIVATE", "memberID": str(alarm.member_id), "alarm": alarm.kind})

    def defragment(self, endpoint: str) -> None:
        """Give space that the database of the member at `endpoint` no longer uses back to its disk. The member answers nothing
        meanwhile, for some seconds a GiB."""
        self._post(endpoint, "/v3/maintenance/defragment", {}, _DEFRAGMENT_TIMEOUT)

    def unhealthy(self, members: Sequence[Member]) -> dict[int, str]:
        """Those of `members` that do not answer or report errors or see no leader, by id, with the reason."""
        return {member.id: reason for member in members if (reason := self._ailment(member))}

    def _ailment(self, member: Member) -> str:
        if not member.started or not member.client_urls:
            return "it has never started"
        try:
            status = self.status(member.client_urls[0])
        except EtcdError as error:
            return str(error)
        if status.errors:
            return "; ".join(status.errors)
        return "" if status.leader else "it sees no leader"

    def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        failures: list[EtcdError] = []
        for endpoint in self.endpoints:
            try:
                answer = self._post(endpoint, path, body)
            except (EtcdUnreachableError, ClusterUnhealthyError) as error:  # cut off from the others, perhaps
                failures.append(error)
            else:  # a dead member costs its timeout once, not with every request
                self.endpoints = (endpoint, *(other for other in self.endpoints if other != endpoint))
                return answer
        kind = (
            ClusterUnhealthyError if any(isinstance(error, ClusterUnhealthyError) for error in failures) else EtcdUnreachableError
        )
        raise kind("; ".join(str(error) for error in failures) or "no etcd endpoint is known")

    def _post(self, endpoint: str, path: str, body: Mapping[str, Any], timeout: float = 0.0) -> dict[str, Any]:
        url, content = f"{endpoint.rstrip('/')}{path}", json.dumps(body).encode()
        json_type = {"Content-Type": "application/json"}
        try:
            answer = exchange(
                url,
                method="POST",
                body=content,
                headers=json_type,
                timeout=timeout or self._timeout,
                tls=self._tls,
                dial=self._route.dial,
            )
        except ApiError:
            raise EtcdUnreachableError(f'"{endpoint}" is not the URL of an etcd member') from None
        except UnansweredError as error:
            raise EtcdUnreachableError(f"etcd at {endpoint} cannot be reached: {error}") from error
        return _answer(endpoint, path, answer.status, answer.body)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _after(prefix: bytes) -> bytes:
    """The first key behind all that begin with `prefix`, which must not be empty (etcd: clientv3.GetPrefixRangeEnd)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _members(answer: Mapping[str, Any]) -> tuple[Member, ...]:
    return tuple(
        Member(
            id=int(member["ID"]),
            name=member.get("name", ""),
            peer_urls=tuple(member.get("peerURLs", ())),
            client_urls=tuple(member.get("clientURLs", ())),
            learner=member.get("isLearner", False),
        )
        for member in answer.get("members", ())
    )


def _alarms(answer: Mapping[str, Any]) -> tuple[Alarm, ...]:
    return tuple(Alarm(int(alarm.get("memberID", 0)), alarm.get("alarm", "NONE")) for alarm in answer.get("alarms", ()))


def _snapshot(endpoint: str, path: str, tls: ssl.SSLContext | None, timeout: float, dial: Dial | None) -> Snapshot:
    """The answer's first message says how much of the database is still to come; the digest follows that."""
    messages = _stream(endpoint, path, tls, timeout, dial)
    first = next(messages, None)
    if first is None:
        raise EtcdError(f"etcd at {endpoint} ended {path} without a reason")
    blob, remaining = first

    def blobs() -> Iterator[bytes]:
        yield blob
        for more, _remaining in messages:
            yield more

    return Snapshot(len(blob) + remaining + DIGEST, blobs())


def _stream(
    endpoint: str, path: str, tls: ssl.SSLContext | None, timeout: float, dial: Dial | None
) -> Iterator[tuple[bytes, int]]:
    """The blobs of an answer that is one JSON object a line, each with the bytes that remain."""
    url = f"{endpoint.rstrip('/')}{path}"
    connection = connection_to(url, timeout=timeout, tls=tls, dial=dial)
    try:
        connection.request("POST", path, b"{}", {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            _answer(endpoint, path, answer.status, answer.read())
        while line := answer.readline():
            yield _blob(endpoint, path, line)
    except (OSError, http.client.HTTPException) as error:
        raise EtcdUnreachableError(f"etcd at {endpoint} broke off {path}: {UnansweredError(error, timeout)}") from error
    finally:
        connection.close()


def _blob(endpoint: str, path: str, line: bytes) -> tuple[bytes, int]:
    try:
        message = json.loads(line)
        if "result" in message:
            result = message["result"]
            return base64.b64decode(result.get("blob") or "", validate=True), int(result.get("remaining_bytes") or 0)
    except (ValueError, TypeError, AttributeError) as error:
        raise EtcdError(f"etcd at {endpoint} answered {path} with something else than its database") from error
    raise EtcdError(f"etcd at {endpoint} ended {path}: {(message.get('error') or {}).get('message') or 'without a reason'}")


def _answer(endpoint: str, path: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    if not isinstance(answer, dict):
        hint = "; is its JSON gateway switched off (--enable-grpc-gateway=false)?" if status == 404 else ""
        raise EtcdUnreachableError(f"etcd at {endpoint} answered {path} with HTTP status {status} and no JSON{hint}")
    message = str(answer.get("message") or answer.get("error") or content.decode(errors="replace"))
    for text, kind in _REFUSALS:
        if text in message:
            raise kind(f"{message} (asked at {endpoint})")
    raise EtcdError(f"etcd at {endpoint} refused {path}: {message}")
