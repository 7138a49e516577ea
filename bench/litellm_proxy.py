"""LiteLLM's proxy beside the site, with a master key and no database, from hash-locked packages of its own.

It is what people put in front of their model servers, so it is what ours is compared with. Nothing of the product
depends on it, and nothing of it is installed unless this program runs.
"""

import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.gateway_load import Target
from siteproject.stack.folder import ROOT
from siteproject.stack.probe import free_port

LOCKED = ROOT / "requirements" / "bench-gateway.txt"
INSTALLED = ROOT / "var" / "bench-gateway"
READY_S = 120.0


def installed() -> Path:
    """Return the folder of its environment, made now where it is not there."""
    stamp = INSTALLED / hashlib.sha256(LOCKED.read_bytes()).hexdigest()
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(INSTALLED)], check=True)
        command = [str(INSTALLED / "bin/pip"), "install", "-q", "--require-hashes", "-r", str(LOCKED)]
        subprocess.run(command, check=True)
        stamp.touch()
    return INSTALLED


@contextmanager
def running_proxy(upstream: str) -> Iterator[tuple[Target, int]]:
    """Run it in front of ``upstream``, a target and its pid. Raises RuntimeError where it does not start."""
    folder, port, key = installed(), free_port(), f"sk-{secrets.token_urlsafe(24)}"
    with tempfile.TemporaryDirectory(prefix="wagmi-bench-") as place:
        settings = {
            "model_list": [
                {
                    "model_name": "wagmi-small",
                    "litellm_params": {"model": "openai/scripted", "api_base": f"{upstream}/v1", "api_key": "none"},
                }
            ],
            "general_settings": {"master_key": key},
        }
        config = Path(place) / "config.json"
        config.write_text(json.dumps(settings))
        env = os.environ | {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DO_NOT_TRACK": "1"}
        env.pop("DATABASE_URL", None)
        env.pop("REDIS_URL", None)
        arguments = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
        process = subprocess.Popen(
            [str(folder / "bin/litellm"), *arguments],
            env=env,
            cwd=place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url)
            yield Target("LiteLLM", url, key, "wagmi-small"), process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            if httpx.get(f"{url}/health/liveliness", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("LiteLLM's proxy did not start")
