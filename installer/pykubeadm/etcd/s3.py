"""Archives in a bucket of Amazon's S3, or of a server that speaks its API.

The library is boto3, an optional extra: it is imported where a bucket is used. Region, endpoint and credentials are found as by
any program of AWS: in AWS_… variables, in ~/.aws, on the machine itself.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from pykubeadm.errors import NodeError, UsageError
from pykubeadm.etcd.archive import names_of
from pykubeadm.etcd.store import Kept
from pykubeadm.transport.proxies import without_password

SCHEME: Final = "s3://"
_URL: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[^?#]*)?", re.ASCII)


class S3Store:
    """A bucket, or what is below a prefix in it. `scratch` is a directory for what is read from it."""

    def __init__(self, url: str, scratch: str | None) -> None:
        found = _URL.fullmatch(url)
        if found is None:
            named = without_password(url)
            if named != url:
                raise UsageError(f"--store: {named} takes no keys before it; they are found as by any program of AWS")
            raise UsageError(
                f"--store: {url} is not s3://BUCKET/PREFIX, where BUCKET has 3 to 63 lower-case letters, digits, dots and dashes"
            )
        self._bucket = found[1]
        self._prefix = (found[2] or "").strip("/")
        self._scratch = scratch
        self._client = _client()

    def require_space(self, size: int) -> None:
        """There is always some."""

    def save(self, name: str, chunks: Iterable[bytes]) -> int:
        source = _Source(chunks)
        with self._explained(f"keep {self.place(name)}", lambda: source.failure):
            self._client.upload_fileobj(source, self._bucket, self._key(name))
        return source.size

    def kept(self) -> list[Kept]:
        sizes: dict[str, int] = {}
        prefix = self._key("")
        with self._explained(f"list {self.place('')}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                sizes |= {entry["Key"].removeprefix(prefix): entry["Size"] for entry in page.get("Contents", ())}
        return [Kept(name, sizes[name]) for name in names_of(sizes)]

    def open(self, name: str) -> BinaryIO | None:
        """A copy of the archive, without a name."""
        reading = f"read {self.place(name)}"
        with self._explained(reading):
            file: Any = tempfile.TemporaryFile(dir=self._scratch)  # noqa: SIM115  whoever asked closes it
        try:
            with self._explained(reading):
                self._client.download_fileobj(self._bucket, self._key(name), file)
        except _MissingError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        file.seek(0)
        found: BinaryIO = file
        return found

    def remove(self, name: str) -> None:
        with self._explained(f"remove {self.place(name)}"):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def place(self, name: str) -> str:
        return f"{SCHEME}{self._bucket}/{self._key(name)}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    @contextmanager
    def _explained(self, what: str, failure: Callable[[], BaseException | None] = lambda: None) -> Iterator[None]:
        """NodeError for what the library raises, or the disk that it writes to, but for what `failure` has: the source's own."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
        from s3transfer.exceptions import RetriesExceededError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError, RetriesExceededError, OSError) as error:
            if (own := failure()) is not None:
                raise own from error
            if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
                raise _MissingError(what) from error
            raise NodeError(f"cannot {what}: {error}") from error


class _MissingError(NodeError):
    """There is no such object."""


class _Source:
    """Chunks as a file that is read once. Keeps what they raise, which the library wraps."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self.size = 0
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        pieces = [self._rest]
        have = len(self._rest)
        while size < 0 or have < size:
            try:
                piece = next(self._chunks)
            except StopIteration:
                break
            except BaseException as error:
                self.failure = error
                raise
            pieces.append(piece)
            have += len(piece)
        content = b"".join(pieces)
        wanted = len(content) if size < 0 else size
        self._rest = content[wanted:]
        self.size += len(content[:wanted])
        return content[:wanted]


def _client() -> Any:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise UsageError("a store in a bucket needs the library boto3: pip install 'pykubeadm[s3]'") from error
    try:
        return boto3.client("s3")
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"--store: S3 cannot be used: {error}") from error
