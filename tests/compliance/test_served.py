"""What a release proves while it is up: on the live site all of it, on a server that is not well what is wrong."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compliance.gates import Failed, NotRun, Outcome, Passed
from siteproject.served_gates import health_outcome, pages_outcome, rounds_outcome
from siteproject.stack.probe import free_port
from tests.live import Site

DONE = {"type": "done", "rung": "small", "receipt": {"request_id": "one"}, "seal": "sealed"}
Looks = Callable[[str], Outcome]


@contextmanager
def answering(body: str, *, status: int = 200, kind: str = "text/html") -> Iterator[str]:
    """Serve one answer to everything on loopback, and yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Set-Cookie", "tracked=1")
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("look", [health_outcome, rounds_outcome, pages_outcome])
def test_where_nobody_listens_nothing_was_looked_at(look: Looks) -> None:
    assert isinstance(look(f"http://127.0.0.1:{free_port()}"), NotRun)


@pytest.mark.parametrize(("body", "status"), [('{"status":"ok","version":"1"}', 200), ('{"status":"ok"}', 503)])
def test_a_site_that_says_more_or_less_than_that_it_is_well_fails(body: str, status: int) -> None:
    with answering(body, status=status) as url:
        assert isinstance(health_outcome(url), Failed)


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        (DONE | {"type": "error"}, "en: it ends with error"),
        (DONE | {"receipt": {}}, "en: without a receipt"),
        (DONE | {"seal": ""}, "en: without a seal"),
        (DONE | {"rung": "none"}, "en: on rung none, which is none that answers"),
        (DONE, "unanswerable: on rung small, although no page answers it"),
        (None, "en: it ends with nothing"),
    ],
)
def test_a_round_that_ends_otherwise_is_named(last: dict[str, object] | None, problem: str) -> None:
    events = [{"type": "status", "stage": "grounding"}, *([last] if last else [])]
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events if last) + ": waiting\n\n"

    with answering(stream, kind="text/event-stream") as url:
        found = rounds_outcome(url)

    assert isinstance(found, Failed)
    assert problem in found.reason


def test_a_chat_that_refuses_fails() -> None:
    with answering("{}", status=429) as url:
        found = rounds_outcome(url)

    assert found == Failed("en: status 429; fr: status 429; unanswerable: status 429")


def test_a_page_that_owes_its_reader_something_is_named() -> None:
    with answering("<html lang='xx'><p style='color:red' onclick='x()'>Hello<script>1</script></p>") as url:
        found = pages_outcome(url)

    assert isinstance(found, Failed)
    for problem in ("/: sets a cookie", "is marked as xx", "has no title", "has no description",
                    "has 0 first headings"):  # fmt: skip
        assert problem in found.reason


def test_the_live_site_passes_all_of_it(live_site: Site) -> None:
    health, found, pages = (look(live_site.url) for look in (health_outcome, rounds_outcome, pages_outcome))

    assert isinstance(health, Passed), health
    assert isinstance(found, Passed), found
    assert "unanswerable none" in found.reason
    assert isinstance(pages, Passed), pages
