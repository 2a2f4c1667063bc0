"""Opens objects in S3 with boto3; every failure is one line with its remedy, and holds no credential.

Keys come from where boto3 looks: `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from stages.errors import InputError
from stages.transport import remote as settings
from stages.transport.remote import (
    Remote,
    RemoteFile,
    TransientError,
    by_status,
    file_name,
    on_loopback,
    range_given,
    show,
    silent,
)


class Object(NamedTuple):
    """An object as a listing has it."""

    key: str
    version: str
    size: int


def _version(etag: str, size: int | None) -> str:
    """ETag and size; some servers leave the quotation marks out of listings."""
    return f'"{etag.strip(chr(34))}" {size}'


@dataclass(frozen=True)
class Bucket:
    """A bucket, its server, and whether requests go unsigned."""

    name: str
    endpoint_url: str | None = None
    anonymous: bool = False

    def shown(self, key: str) -> str:
        """An object's address for a message: with the server, without anything secret."""
        at = f" at {show(self.endpoint_url)}" if self.endpoint_url else ""
        return f"s3://{self.name}/{key}{at}"

    @cached_property
    def _client(self) -> Any:
        """A boto3 client (safe to share between threads); requests are signed with s3v4, or not at all."""
        import boto3
        import botocore
        from botocore.config import Config

        config = Config(
            signature_version=botocore.UNSIGNED if self.anonymous else "s3v4",
            connect_timeout=settings.CONNECT,
            read_timeout=settings.TIMEOUT,
            retries={"total_max_attempts": 1},  # attempts are counted in one place: see `retry`
            max_pool_connections=16,
            s3={"addressing_style": "path"} if self.endpoint_url else None,
            proxies={} if self.endpoint_url and on_loopback(self.endpoint_url) else None,
        )
        session = boto3.session.Session()
        region = session.region_name or "us-east-1"
        return session.client("s3", endpoint_url=self.endpoint_url, region_name=region, config=config)

    @contextmanager
    def open(self, key: str, start: int = 0, end: int | None = None, version: str | None = None) -> Iterator[Remote]:
        """Open an object or a range of it for reading, see `RemoteFile.open`."""
        asked = {} if end is None else {"Range": f"bytes={start}-{end - 1}"}
        if version:
            asked["IfMatch"] = version.rpartition(" ")[0]
        with self._errors(key):
            answer = self._client.get_object(Bucket=self.name, Key=key, **asked)
            length = size = answer["ContentLength"]
            partial = end is not None and "ContentRange" in answer
            if partial:
                given = range_given(self.shown(key), answer["ContentRange"], start, end)
                length, size = given or (length, None)
            with closing(answer["Body"]) as stream:  # as a context manager it gives the raw stream, unchecked
                yield Remote(self.shown(key), _version(answer["ETag"], size), size, stream, partial, length)

    def list(self, prefix: str) -> list[Object]:
        """All objects under ``prefix``, sorted by key; raises `InputError`."""
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            items = [item for page in pages for item in page.get("Contents", [])]
        return sorted(
            Object(item["Key"], _version(item["ETag"], item["Size"]), item["Size"])
            for item in items
            if not item["Key"].endswith("/")
        )

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Turn boto3's errors into `InputError`."""
        from botocore import exceptions

        try:
            yield
        except exceptions.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = f"{status} {error.response.get('Error', {}).get('Code', '')}".strip()
            if self.anonymous and status == 400:  # how some servers say that they want a signature
                status = 403
            retry_after = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after")
            raise by_status(self.shown(key), status, code, self._keys_remedy(), retry_after) from None
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound):
            remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `anonymous: true`"
            raise InputError(self.shown(key), "no credentials", remedy) from None
        except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            raise _by_reason(self.shown(key), error) from None
        except (exceptions.BotoCoreError, ValueError) as error:
            raise InputError(
                self.shown(key), f"boto3 refuses ({type(error).__name__})", "correct the address"
            ) from None

    def _keys_remedy(self) -> str:
        if self.anonymous:
            return "set `anonymous: false` and give a key that may read it"
        return "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and what that key may read"


class S3File(RemoteFile):
    """An object in a bucket."""

    def __init__(self, bucket: Bucket, key: str):
        self.shown, self.name = bucket.shown(key), file_name(key)
        self._bucket, self._key = bucket, key

    def open(self, start: int = 0, end: int | None = None, version: str | None = None) -> Any:
        """See `RemoteFile.open`."""
        return self._bucket.open(self._key, start, end, version)


def _by_reason(shown: str, error: Exception) -> InputError:
    from botocore import exceptions

    if isinstance(error, exceptions.SSLError):
        return InputError(shown, "no trusted TLS connection", "check `endpoint_url` and the system's clock")
    if isinstance(error, exceptions.ReadTimeoutError):
        return silent(shown)
    if isinstance(error, exceptions.ResponseStreamingError | exceptions.IncompleteReadError):
        return TransientError(shown, "the connection broke off", "run again")
    return TransientError(shown, "unreachable server", "check `endpoint_url` and the network, then run again")
