"""Programs of our own that stand beside the site for the length of a run."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from siteproject.stack.folder import ROOT
from siteproject.stack.probe import port_is_free

READY_S = 20.0


@contextmanager
def running_module(name: str, port: int, *arguments: object) -> Iterator[int]:
    """Run ``python -m name port …`` until the end of the context and give its pid; ready when its port is taken.

    Raises RuntimeError where it ends by itself or takes too long.
    """
    command = [sys.executable, "-m", name, str(port), *(str(argument) for argument in arguments)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ.copy())
    try:
        deadline = time.monotonic() + READY_S
        while port_is_free("127.0.0.1", port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start")
            time.sleep(0.02)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
