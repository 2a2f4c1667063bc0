"""Opens files behind `https://` (`http://` on loopback only); every failure is one line with its remedy.

Nothing that could hold a credential is printed: neither the query of an address (presigned addresses sign there)
nor a user name in it.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from stages.errors import InputError

TIMEOUT = 20  # seconds for a connection, and for silence on one


class TransientError(InputError):
    """A failure that may pass: worth another attempt."""


@dataclass(frozen=True)
class Remote:
    """A remote file, open for reading once.

    ``version`` changes whenever the file does (its ETag, or what else the server says); None: the server says nothing.
    """

    version: str | None
    size: int | None
    stream: BinaryIO


def show(address: str) -> str:
    """An address without its query, fragment, user name and password."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if "://" in address else address


@contextmanager
def open_http(address: str) -> Iterator[Remote]:
    """Open ``address`` for reading; raises `InputError`."""
    _refuse_unsafe(address)
    request = urllib.request.Request(address, headers={"User-Agent": "skyward"})
    handlers = [_Redirects(), *([urllib.request.ProxyHandler({})] if on_loopback(address) else [])]
    with _http_errors(show(address)), urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT) as answer:
        size = answer.headers.get("Content-Length")
        yield Remote(_http_version(answer.headers, address), int(size) if size else None, answer)


def _http_version(headers: Any, address: str) -> str | None:
    """The ETag; else the date, which says nothing about the query that a second file may differ in."""
    if headers.get("ETag"):
        return f"{headers['ETag']} {headers.get('Content-Length')}"
    if headers.get("Last-Modified"):
        return f"{headers['Last-Modified']} {headers.get('Content-Length')} {urlsplit(address).query}"
    return None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but to no place that could not have been named itself."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _refuse_unsafe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_unsafe(address: str) -> None:
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise InputError(show(address), "a user name or password stands in the address", "take it out")
    if parts.scheme != "https" and not (parts.scheme == "http" and on_loopback(address)):
        raise InputError(show(address), "not encrypted", "use https:// (http:// is for loopback only)")


def on_loopback(address: str) -> bool:
    """Whether an address's host is this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _http_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise by_status(
            shown, error.code, str(error.code), "check the address: a signed one may have expired"
        ) from None
    except urllib.error.URLError as error:
        raise _by_reason(shown, error.reason) from None
    except (http.client.HTTPException, ValueError) as error:
        if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
            raise _by_reason(shown, error) from None
        raise InputError(shown, "not an address, or not a web server's answer", "correct the address") from None
    except (TimeoutError, ConnectionError, ssl.SSLError) as error:
        raise _by_reason(shown, error) from None


def _by_reason(shown: str, reason: object) -> InputError:
    if isinstance(reason, socket.gaierror):
        return TransientError(shown, "no such host", "correct the address, or check the network")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return InputError(shown, "the server's certificate is not trusted", "check the address and the system's clock")
    if isinstance(reason, http.client.HTTPException):
        return TransientError(shown, "the connection broke off", "run again")
    return TransientError(shown, "unreachable server", "check the address and the network, then run again")


def by_status(shown: str, status: int, code: str, keys: str) -> InputError:
    """The error for an HTTP status; ``keys`` is the remedy where access is refused."""
    if status in (401, 403):
        return InputError(shown, f"forbidden ({code})", keys)
    if status in (404, 410):
        return InputError(shown, f"missing ({code})", "correct the address")
    if status == 429 or status >= 500:
        return TransientError(shown, f"the server fails ({code})", "try again later")
    return InputError(shown, f"the server refuses ({code})", "check the address")
