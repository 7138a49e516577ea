"""The site needs no network but the machine's own: proven where there is no other."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from siteproject.stack.folder import ROOT

pytestmark = pytest.mark.slow
ALONE = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "--map-current-user", "--keep-caps", "-n"]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What a whole site did in a network namespace with loopback only."""
    try:
        allowed = subprocess.run([*ALONE, "true"], capture_output=True, text=True, timeout=10, check=False)
    except OSError as error:
        pytest.skip(f"NOT PROVEN HERE: this machine has no unshare ({error})")
    if allowed.returncode:
        pytest.skip(f"NOT PROVEN HERE: this machine allows no network namespaces: {allowed.stderr.strip()}")
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.offline_site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_stage_has_no_way_out(found: dict[str, Any]) -> None:
    assert found["interfaces"] == ["lo"]
    assert found["outside"] is False


def test_the_whole_site_answers_without_a_network(found: dict[str, Any]) -> None:
    assert found["en"]["end"] == found["fr"]["end"] == "done"
    assert found["en"]["rung"] == "small" and found["en"]["text"].endswith(".")
    assert found["fr"]["rung"] in ("quoted", "verified") and "Apache" in found["fr"]["text"]
    assert set(found["pages"].values()) == {200}
