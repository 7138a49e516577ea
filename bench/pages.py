"""Public pages: an exported page from the application beside nginx, the same page from Django, and the export itself.

Servers are compared by the CPU time they spend on one request, which is what one worker can do in a second and does
not change with what else the machine is busy with. Both send the same compressed bytes over kept-alive connections.
"""

import asyncio
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.callers import run
from bench.figures import median_interval, within
from bench.report import Result, run_program
from bench.stage import bench_site
from siteproject.stack.probe import free_port, http_status
from tests.live import Site, wait_for

CONNECTIONS = 16
REQUESTS = 16_000
UNCACHED_REQUESTS = 320
PAIRS = 7
PHASE_S = 60.0
PAGE = "/"
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log alert;
events {{ worker_connections 1024; }}
http {{
    types {{ text/html html; }}
    access_log off;
    gzip_static on;
    sendfile on;
    keepalive_requests 1000000;
    open_file_cache max=1000;
    client_body_temp_path {folder}/a;
    proxy_temp_path {folder}/b;
    fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d;
    scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:{port}; root {out}; }}
}}
"""


def measure() -> list[Result]:
    """Export the site, serve it by the application and by nginx, and ask both in turn."""
    with tempfile.TemporaryDirectory(prefix="wagmi-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        out = folder / "out"
        with bench_site({"SITE_EXPORT_DIR": str(out)}, model=False) as site:
            results = _exports(site, out)
            wait_for(lambda: "x-request-id" not in httpx.get(site.url).headers, 20)
            return results + _served(site, folder, out)


def _exports(site: Site, out: Path) -> list[Result]:
    taken = []
    for _ in range(2):
        began = time.monotonic()
        said = site.manage("export_site", str(out), "--as-collected")
        taken.append(time.monotonic() - began)
    files = int(said.split()[0])
    return [
        Result("export of the whole site", taken[0], "s", note=f"{files} files, compressed; start of Python included"),
        Result("  once more, nothing changed", taken[1], "s"),
    ]


def _served(site: Site, folder: Path, out: Path) -> list[Result]:
    web, port = site.processes["web"].pid, int(site.env["PORT"])
    plain = _request(port)
    results, exported_us = [], []
    if shutil.which("nginx"):
        with _nginx(folder, out) as (nginx, nginx_port):
            pairs = []
            for number in within(range(PAIRS), PHASE_S):
                sides = [(web, port, plain), (nginx, nginx_port, _request(nginx_port))]
                cost = {pid: run(_cpu_us(pid, at, asked, REQUESTS)) for pid, at, asked in sides[:: 1 - number % 2 * 2]}
                pairs.append((cost[web], cost[nginx]))
        exported_us = [ours for ours, _theirs in pairs]
        shares = [theirs / ours for ours, theirs in pairs]
        theirs_us = statistics.median(theirs for _ours, theirs in pairs)
        results.append(
            Result(
                "exported page by the application, share of nginx",
                statistics.median(shares),
                "x",
                0.2,
                at_most=False,
                interval=median_interval(shares),
                against=f"nginx {1e6 / theirs_us:,.0f} requests/s on one worker, {theirs_us:.0f} us CPU each",
                note=f"{len(shares)} pairs of {REQUESTS} requests",
            )
        )
    else:
        exported_us = [run(_cpu_us(web, port, plain, REQUESTS))]
        print("NO NGINX: the exported page is measured without its comparison.", file=sys.stderr)
    uncached_us = run(_cpu_us(web, port, _request(port, "Cookie: any=thing\r\n"), UNCACHED_REQUESTS))
    ours_us = statistics.median(exported_us)
    return [
        *results,
        Result("  requests/s that one process can serve", 1e6 / ours_us, "", note=f"{ours_us:.0f} us CPU each"),
        Result("the same page from Django, not exported", uncached_us / 1000, "ms CPU", note="read, rendered, packed"),
    ]


def _request(port: int, more: str = "") -> bytes:
    return f"GET {PAGE} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept-Encoding: gzip\r\n{more}\r\n".encode()


async def _cpu_us(pid: int, port: int, request: bytes, requests: int) -> float:
    """Return the CPU time that process ``pid`` spends on each of ``requests``, in microseconds."""
    process = psutil.Process(pid)
    await _ask(port, request, CONNECTIONS * 4)  # warm
    before = process.cpu_times()
    await _ask(port, request, requests)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 1e6 / requests


async def _ask(port: int, request: bytes, requests: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(_ask_over_one(port, request, requests // CONNECTIONS))


async def _ask_over_one(port: int, request: bytes, requests: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head[:200]
        length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()


@contextmanager
def _nginx(folder: Path, out: Path) -> Iterator[tuple[int, int]]:
    """Serve ``out`` with one worker. Yields the worker's pid and the port."""
    port = free_port()
    user = "user root;" if psutil.Process().uids().real == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, out=out, port=port, user=user))
    master = subprocess.Popen(["nginx", "-c", str(configuration)])
    try:
        wait_for(lambda: http_status("127.0.0.1", port, PAGE) == 200, 10)
        yield psutil.Process(master.pid).children()[0].pid, port
    finally:
        master.terminate()
        master.wait(10)


if __name__ == "__main__":
    sys.exit(run_program("pages", measure))
