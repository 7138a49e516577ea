"""A site behind its edge: the real nginx with TLS, the real application, everything on loopback.

Names below ``.localhost`` mean this machine to browsers but not to every resolver, so requests go to 127.0.0.1
and say which host they mean.
"""

import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from siteproject.stack.folder import ROOT
from siteproject.stack.probe import free_port, http_status
from tests.live import READY_S, Site, running_site, wait_for

# Below one name, as a site's hosts are: for browsers they are the same site, and their cookies reach each other.
HOST = "site.wagmi.localhost"
NAMES = (HOST, "chat.wagmi.localhost", "api.wagmi.localhost")
RENDER = ROOT / "deploy/edge/render"


def restart_web(site: Site, **changes: str) -> None:
    """Start the web process anew in a changed environment."""
    site.stop()
    site.env.update(changes)
    site.start("web", "siteproject.serve")
    port = int(site.env["PORT"])
    wait_for(lambda: http_status("127.0.0.1", port, "/health") == 200, READY_S, site.log("web"))


@dataclass
class Edge:
    """The edge in front of a site. ``state`` is the folder of its logs."""

    site: Site
    state: Path
    env: dict[str, str]
    https_port: int
    http_port: int
    certificate: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.site.url

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def request(self, method: str, path: str, *, host: str = HOST, **options: Any) -> httpx.Response:
        """Ask the edge over TLS, its certificate checked."""
        with httpx.Client(verify=self.trust, timeout=60) as client:
            return client.send(self.build(client, method, path, host=host, **options))

    def build(self, client: httpx.Client, method: str, path: str, *, host: str = HOST, **options: Any) -> httpx.Request:
        headers = {"host": f"{host}:{self.https_port}", **options.pop("headers", {})}
        extensions = {"sni_hostname": host}
        address = f"https://127.0.0.1:{self.https_port}{path}"
        return client.build_request(method, address, headers=headers, extensions=extensions, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def socket(self, *, host: str = HOST, origin: str | None = None) -> ClientConnection:
        plain = socket.create_connection(("127.0.0.1", self.https_port))
        address = f"wss://{host}:{self.https_port}/ws/chat/"
        return connect(address, sock=plain, ssl=self.trust, server_hostname=host, origin=origin or self.url)  # type: ignore[arg-type]

    def start(self) -> None:
        configuration = self.state / "nginx.conf"
        configuration.write_text(render(self.env))
        self.process = subprocess.Popen(["nginx", "-c", str(configuration), "-g", "daemon off;"])
        wait_for(lambda: listens(self.https_port), 20, f"see {self.state}")

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def written(self) -> str:
        """Return everything nginx has written down."""
        return "".join(path.read_text() for path in sorted(self.state.glob("*.log")))


def render(env: dict[str, str]) -> str:
    """Return the configuration that deploy/edge/render writes."""
    done = subprocess.run([str(RENDER)], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Return a certificate for our names and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ",".join(f"DNS:{name}" for name in NAMES)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName={names}"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def environment(state: Path, export: Path, certificate: Path, key: Path, **changes: str) -> dict[str, str]:
    """Return what ``render`` needs to know."""
    user = {"EDGE_USER": "root"} if os.geteuid() == 0 else {}  # its worker reads a folder below /tmp of ours
    return {
        "PATH": os.environ["PATH"],
        "SITE_EXPORT_DIR": str(export),
        "EDGE_STATE_DIR": str(state),
        "EDGE_CERTIFICATE": str(certificate),
        "EDGE_CERTIFICATE_KEY": str(key),
        "EDGE_BIND": "127.0.0.1",
        **user,
        **changes,
    }


@contextmanager
def running_edge(folder: Path, *, apart: bool = False, **overrides: str) -> Iterator[Edge]:
    """Start a site, export it and put the edge in front of it; ``apart`` gives chat and API hosts of their own."""
    state, out = folder / "state", folder / "out"
    (state / "temp").mkdir(parents=True)
    certificate, key = self_signed(folder)
    https_port, http_port = free_port(), free_port()
    with running_site(model=False, **overrides) as site:
        names = NAMES if apart else (HOST, HOST, HOST)
        kinds = ("SITE_URL", "CHAT_URL", "API_URL")
        urls = {kind: f"https://{name}:{https_port}" for kind, name in zip(kinds, names, strict=True)}
        restart_web(site, TRUSTED_PROXY_COUNT="1", **urls)
        site.manage("export_site", str(out), "--as-collected")
        ports = {"EDGE_HTTPS_PORT": str(https_port), "EDGE_HTTP_PORT": str(http_port), "PORT": site.env["PORT"]}
        env = environment(state, out, certificate, key, **urls, **ports)
        edge = Edge(site, state, env, https_port, http_port, certificate)
        try:
            edge.start()
            yield edge
        finally:
            edge.stop()


def nginx_is_here() -> bool:
    return shutil.which("nginx") is not None and shutil.which("openssl") is not None
