"""A page with every fault the visits look for, served on loopback: what they call well must mean something."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="fr">
<head>
<meta charset="utf-8">
<title>Une page</title>
<style>
  .wide { inline-size: 2000px }
  .blind:focus-visible { outline: none }
  .pale { color: #ddd; background: #eee }
</style>
</head>
<body>
<main>
<h1>Une page</h1>
<p class="late">Tout ceci bouge.</p>
<p>Skip to the content</p>
<p class="pale">Presque invisible.</p>
<div class="wide">Trop large.</div>
<p><a class="blind" href="/">Sans marque</a> <a href="/" tabindex="3">Au début</a></p>
<p><a class="trap" href="/">Le piège</a> <a class="beyond" href="/">Jamais atteint</a></p>
<p class="empty"></p>
<img src="http://127.0.0.2:9/elsewhere.png" alt="" width="1" height="1">
</main>
<script>
  localStorage.setItem("kept", "yes");
  console.error("something is wrong");
  fetch("/figures").catch(() => null);
  document.querySelector(".trap").addEventListener("keydown", (event) => event.key === "Tab" && event.preventDefault());
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.querySelector(".late").style.marginBlockStart = "200px";
  }));
</script>
</body>
</html>
"""
POLICY = "default-src * 'unsafe-inline'; connect-src 'none'; frame-src 'none'"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Set-Cookie", "visitor=1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def faulty_page() -> Iterator[str]:
    """Serve the page until the end of the context and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
