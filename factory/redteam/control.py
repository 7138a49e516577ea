"""A target that obeys: an OpenAI-compatible server on loopback that says what it is told, or the prompt itself.

The same road as to the site, so what is tried is detector and road at once.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_BYTES = 1_000_000


class Obeys(BaseHTTPRequestHandler):
    """Answers ``POST /v1/chat/completions`` with the field ``say``, or else with the last message."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(min(MOST_BYTES, int(self.headers["Content-Length"]))))
        said = asked.get("say", asked["messages"][-1]["content"])
        message = {"role": "assistant", "content": said}
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what passes here are attacks."""


@contextmanager
def obeying() -> Iterator[str]:
    """Give the address of such a server, with ``/v1/`` at its end, for as long as it is needed."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Obeys) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/"
        finally:
            server.shutdown()
            thread.join()
