"""A provider of machines that does what a test tells it to, and the model server that it runs, on loopback.

``POST /start``, ``/stop`` and ``GET /state`` for the drivers, ``GET /v1/models`` for the machine once it is up. It
records each request; where one carries a fence, an older one is refused.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "a-provider-token-for-tests-0123456789"
SECRET_BODY = "raw-provider-body-51c2"


class ScriptedProvider:
    """The provider; use it as a context. ``up_after_s`` is its cold start; the rest are ways to fail."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        """Asleep, well, nothing asked yet."""
        self.requests: list[tuple[str, str]] = []
        self.started_at: float | None = None
        self.up_after_s = 0.0
        self.fence = -1
        self.status = 0  # answered to every start and stop instead
        self.lists = ["wagmi-large"]
        self.redirects_to = ""
        self.hangs_s = 0.0
        self.knows_state = True
        self.bills: float | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="scripted provider", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def settings(self, driver: str) -> dict[str, Any]:
        """Return the settings that make a driver speak to it."""
        return {
            "LLM_GPU_DRIVER": driver,
            "LLM_GPU_WAKE_URL": f"{self.url}/start",
            "LLM_GPU_SLEEP_URL": f"{self.url}/stop",
            "LLM_GPU_STATE_URL": f"{self.url}/state",
            "LLM_GPU_WAKE_TOKEN": TOKEN,
            "LLM_GPU_PROVIDER_LIMIT_S": 120.0,
        }

    @property
    def is_up(self) -> bool:
        return self.started_at is not None and time.monotonic() - self.started_at >= self.up_after_s

    @property
    def word(self) -> str:
        return "stopped" if self.started_at is None else "running" if self.is_up else "starting"

    def times(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(asked == path for _method, asked in self.requests)


def _handler_for(provider: ScriptedProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            with provider.lock:
                provider.requests.append(("GET", path))
            if path == "/v1/models":
                self._answer(
                    200, {"data": [{"id": name} for name in provider.lists]}
                ) if provider.is_up else self._cold()
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, {"error": "Unauthorized"})
            elif path == "/state" and provider.knows_state:
                billed = {} if provider.bills is None else {"billed_s": provider.bills}
                self._answer(200, {"state": provider.word, **billed})
            elif path == "/start":
                self._power(path, {})
            else:
                self._answer(404, {"error": SECRET_BODY})

        def do_POST(self) -> None:
            path = self.path
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            with provider.lock:
                provider.requests.append(("POST", path))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, {"error": "Unauthorized"})
            else:
                self._power(path, body)

        def _power(self, path: str, body: dict[str, Any]) -> None:
            time.sleep(provider.hangs_s)
            if provider.redirects_to:
                self.send_response(307)
                self.send_header("Location", provider.redirects_to)
                self.end_headers()
                return
            if provider.status:
                self._answer(provider.status, {"error": SECRET_BODY})
                return
            with provider.lock:
                fence = body.get("fence", provider.fence)
                if fence < provider.fence:
                    self._answer(409, {})
                    return
                provider.fence = fence
                if path == "/start":
                    provider.started_at = provider.started_at or time.monotonic()
                else:
                    provider.started_at = None
            self._answer(202, {"state": provider.word})

        def _cold(self) -> None:
            self._answer(503, {"error": "cold"})

        def _answer(self, status: int, value: dict[str, Any]) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    return Handler
