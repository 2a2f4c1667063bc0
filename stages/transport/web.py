"""Files behind `https://` (`http://` on loopback only), over connections that are kept and shared between threads."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

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

_CONNECTIONS = 16  # kept to one host; no less than the threads that fetch
_REDIRECTS = 10
_MOVED = (301, 302, 303, 307, 308)
_KEYS = "check the address: a signed one may have expired"


class HttpFile(RemoteFile):
    """A file on a web server. Where it was redirected to is remembered, and asked first the next time."""

    def __init__(self, address: str):
        _refuse_unsafe(address)
        self.shown, self.name = show(address), file_name(urlsplit(address).path)
        self._address, self._moved = address, address

    @contextmanager
    def open(self, start: int = 0, end: int | None = None, version: str | None = None) -> Iterator[Remote]:
        """See `RemoteFile.open`."""
        headers = {"User-Agent": "skyward", "Accept-Encoding": "identity"}
        if end is not None:
            headers["Range"] = f"bytes={start}-{end - 1}"
            if version and version.startswith('"'):  # a strong ETag: RFC 9110, 13.1.5
                headers["If-Range"] = version.rpartition(" ")[0]
        with _http_errors(self.shown):
            answer = self._ask(headers)
            try:
                yield self._remote(answer, start, end)
            finally:
                answer.close()

    def _ask(self, headers: dict[str, str]) -> Any:
        """The answer with status 200 or 206, after redirects."""
        address = self._moved
        for _ in range(_REDIRECTS + 1):
            answer = _get(address, headers)
            if answer.status not in _MOVED:
                break
            answer.close()
            address = _refuse_unsafe(urljoin(address, answer.headers.get("Location", "")), address)
        else:
            raise InputError(self.shown, f"more than {_REDIRECTS} redirects", "correct the address")
        if answer.status not in (200, 206):
            answer.close()
            if self._moved != self._address:  # where it had moved to may have expired
                self._moved = self._address
                return self._ask(headers)
            retry_after = answer.headers.get("Retry-After")
            raise by_status(self.shown, answer.status, str(answer.status), _KEYS, retry_after)
        self._moved = address
        return answer

    def _remote(self, answer: Any, start: int, end: int | None) -> Remote:
        headers = answer.headers
        said = headers.get("Content-Length", "")
        length = int(said) if said.isdecimal() else None
        given = None
        partial = answer.status == 206 or (end is not None and "Content-Range" in headers)  # rclone says 200
        if partial:
            given = range_given(self.shown, headers.get("Content-Range"), start, -1 if end is None else end)
        if given is None:
            version = None if partial else _version(headers, length, self._address)
            return Remote(self.shown, version, length, answer, partial, length)
        if length is not None and length > given[0]:
            what = f"the server sends {length} bytes for a range of {given[0]}"
            raise InputError(self.shown, what, "ask who runs the server")
        return Remote(self.shown, _version(headers, given[1], self._address), given[1], answer, True, given[0])


def _version(headers: Any, size: int | None, address: str) -> str | None:
    """The ETag; else the date, which says nothing about the query that a second file may differ in."""
    if headers.get("ETag"):
        return f"{headers['ETag']} {size}"
    if headers.get("Last-Modified"):
        return f"{headers['Last-Modified']} {urlsplit(address).query} {size}"
    return None


def _get(address: str, headers: dict[str, str]) -> Any:
    import urllib3

    timeout = urllib3.Timeout(connect=settings.CONNECT, read=settings.TIMEOUT)
    return _pool(_proxy(address)).request(
        "GET", address, headers=headers, timeout=timeout, retries=False, redirect=False, preload_content=False
    )


def _proxy(address: str) -> str | None:
    """The proxy that the environment names for an address; none to this machine."""
    parts = urlsplit(address)
    if on_loopback(address) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


@lru_cache
def _pool(proxy: str | None) -> Any:
    """Connections, with the certificates that the system trusts; safe to share between threads."""
    import urllib3

    options = {"maxsize": _CONNECTIONS, "ssl_context": ssl.create_default_context()}
    if proxy is None:
        return urllib3.PoolManager(**options)
    user = urlsplit(proxy)
    name = f"{user.username}:{user.password or ''}" if user.username else None
    return urllib3.ProxyManager(
        proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=name) if name else None, **options
    )


def _refuse_unsafe(address: str, before: str = "") -> str:
    """``address``; raises `InputError` for one that may not be named, nor redirected to from ``before``."""
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise InputError(show(address), "a user name or password stands in the address", "take it out")
    if parts.scheme != "https" and not (parts.scheme == "http" and on_loopback(address)):
        raise InputError(show(address), "not encrypted", "use https:// (http:// is for loopback only)")
    if before and on_loopback(address) and not on_loopback(before):
        raise InputError(show(before), "redirected to this machine itself", "correct the address")
    return address


@contextmanager
def _http_errors(shown: str) -> Iterator[None]:
    """Turn urllib3's errors, whose texts may hold the address, into `InputError`."""
    from urllib3 import exceptions

    try:
        yield
    except exceptions.NameResolutionError:
        raise TransientError(shown, "no such host", "correct the address, or check the network") from None
    except (exceptions.SSLError, ssl.SSLError) as error:
        raise _tls(shown, error) from None
    except exceptions.ReadTimeoutError:
        raise silent(shown) from None
    except exceptions.ProtocolError:
        raise TransientError(shown, "the connection broke off", "run again") from None
    except (exceptions.TimeoutError, exceptions.NewConnectionError, exceptions.ProxyError, ConnectionError):
        remedy = "check the address and the network, then run again"
        raise TransientError(shown, "unreachable server", remedy) from None
    except (exceptions.HTTPError, ValueError):
        raise InputError(shown, "not an address, or not a web server's answer", "correct the address") from None


def _tls(shown: str, error: Exception) -> InputError:
    reasons = (error, *error.args)
    if any(isinstance(reason, ssl.SSLCertVerificationError) for reason in reasons):
        return InputError(shown, "the server's certificate is not trusted", "check the address and the system's clock")
    return TransientError(shown, "no TLS connection", "check the address and the network, then run again")
