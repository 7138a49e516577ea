"""One bounded HTTP call with the standard library alone: the dead man's switch has to stay small.

``http.client`` follows no redirect and reads no proxy variable, which is what is wanted here.
"""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inference.drivers.base import CALL_S, MAX_BYTES, DriverError


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is the decoded JSON object, empty for anything else."""

    status: int
    body: dict[str, Any]

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class TookTooLong(DriverError):
    """It was sent, and no answer came in time: what happened there is not known."""


def call(method: str, url: str, *, token: str, body: dict[str, Any] | None = None, timeout_s: float = CALL_S) -> Answer:
    """Return what ``url`` answers within ``timeout_s``, whatever the status. Raises DriverError, TookTooLong."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    ends = time.monotonic() + timeout_s
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            return Answer(response.status, _decoded(_read(response, connection, ends)))
        finally:
            connection.close()
    except TimeoutError as error:
        raise TookTooLong("timeout") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DriverError("no_connection") from error


def _read(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, ends: float) -> bytes:
    """Read at most ``MAX_BYTES``; a body that dribbles is given up when the time of the whole call is."""
    found = b""
    while len(found) < MAX_BYTES:
        left_s = ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left_s)
        block = response.read1(MAX_BYTES - len(found))
        if not block:
            break
        found += block
    return found


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
