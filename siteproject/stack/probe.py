"""Questions to a server that cost the supervisor no library: a status line, a ping, a free port."""

import errno
import random
import socket
from pathlib import Path


def http_status(host: str, port: int, path: str) -> int | None:
    """Return the status of ``GET path``, or None when nobody answers within a second."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            words = connection.recv(64).split(maxsplit=2)
    except OSError:
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def redis_answers(path: Path) -> bool:
    """Say whether the Redis on a unix socket answers a PING within a second."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def port_is_free(host: str, port: int) -> bool:
    """Say whether a server could listen there now. Raises OSError for an address this machine does not have."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # As servers do it: connections of a server that just stopped are no reason to refuse.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(preferred: int | None = None) -> int:
    """Return a free loopback port, the preferred one if it is free.

    Chosen below 32768, where the kernel takes ports for outgoing connections: none of those can take it before
    the server does.
    """
    if preferred and port_is_free("127.0.0.1", preferred):
        return preferred
    while True:
        port = random.randrange(18000, 28000)
        if port_is_free("127.0.0.1", port):
            return port
