"""Whether anything that could be a Ray cluster answers at an address, found out in seconds.

Ray itself waits two minutes for one that does not, and then ends the process.
"""

from __future__ import annotations

import socket

from stages.errors import InputError

PATIENCE = 10.0  # seconds
_REMEDY = "give the address of a running cluster's head (`ray status`), or use evaluation.engine: local"
# What an HTTP/2 client begins with, RFC 9113, section 3.4, and an empty SETTINGS frame, section 6.5.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4


def require_answer(address: str, place: str) -> None:
    """Raise `InputError` naming ``place`` unless a gRPC server answers at ``address``.

    That is HOST:PORT or ray://HOST:PORT; `auto` and `local` are left to Ray, which looks at this machine alone.
    """
    if address in ("auto", "local"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(place, f"no address of a Ray cluster: `{address}`", "write HOST:PORT, or `auto`")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(_PREFACE)
            said = connection.recv(9)  # a server begins with its own SETTINGS; with TLS, an alert is an answer too
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        raise InputError(place, f"no Ray cluster answers at {address} ({reason})", _REMEDY) from None
    if not (said[3:4] == bytes((_SETTINGS,)) or said[:1] == b"\x15"):
        raise InputError(place, f"what answers at {address} is no Ray cluster", _REMEDY)
