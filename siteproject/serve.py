"""The web server: uvicorn, which tells running answers before it stops.

Run as ``python -m siteproject.serve``. On SIGTERM it refuses new questions, lets running answers
finish for ``CHAT_DRAIN_S``, ends the others with an error event that says when to ask again, and
only then closes the connections.
"""

import asyncio
import os
import resource
import signal
import socket
import sys

import uvicorn

from siteproject.startup import set_up


class Server(uvicorn.Server):
    """uvicorn's server with our drain in front of its shutdown."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        from chat import running
        from inference.api import calls

        await asyncio.gather(running.drain(), calls.drain())
        await super().shutdown(sockets=sockets)


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one: a common default of 1,024 is fewer than our sockets."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit status 0 for both."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
    set_up()
    from django.conf import settings

    # Grounding runs in threads; with the default of 5 ms they keep the loop from saying "I am at it" for as long.
    sys.setswitchinterval(0.0005)

    from siteproject.http import PatientEnough

    allow_many_files()
    config = uvicorn.Config(
        "siteproject.asgi:application",
        host=settings.BIND,
        port=settings.PORT,
        loop="uvloop",
        http=PatientEnough,
        ws="websockets-sansio",
        lifespan="on",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=30,
        limit_concurrency=2000,
        backlog=1024,
        ws_max_size=320 * 1024,
        # Compression costs 33 KiB for each socket and 8 us for each token (measured); our events are short.
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=30,
    )
    # uvicorn raises the signal again once it is done; these make that a plain exit instead of a death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    Server(config).run()


if __name__ == "__main__":
    main()
