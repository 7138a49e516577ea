"""curl: the client that everybody has, and the only one that shows the bytes."""

import json
import shutil
import subprocess

import pytest

from tests.clients.door import Door

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(not shutil.which("curl"), reason="CLIENT NOT TRIED: no curl on this machine"),
]
ASKED = {"model": "wagmi-slow", "messages": [{"role": "user", "content": "say it"}]}


def curl(door: Door, path: str, *arguments: str, key: str, **body: object) -> subprocess.CompletedProcess[str]:
    """Run curl as the documentation prints it."""
    command = ["curl", "--silent", "--show-error", f"{door.site.url}/v1{path}", "-H", f"Authorization: Bearer {key}"]
    if body:
        command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)


def test_curl_lists_asks_and_streams(door: Door) -> None:
    key = door.new_key()

    listed = json.loads(curl(door, "/models", key=key).stdout)
    whole = json.loads(curl(door, "/chat/completions", key=key, **ASKED).stdout)
    stream = curl(door, "/chat/completions", "--no-buffer", key=key, **ASKED, stream=True).stdout

    assert "wagmi-small" in [one["id"] for one in listed["data"]]
    assert whole["choices"][0]["message"]["content"] == "the Apache licence, version two"
    assert stream.startswith(": ") and stream.endswith("data: [DONE]\n\n")


def test_curl_ends_with_a_status_of_its_own_and_the_sentence_when_it_is_asked_to_fail(door: Door) -> None:
    done = curl(door, "/chat/completions", "--fail-with-body", key="wag_wrong", **ASKED)

    assert done.returncode == 22 and json.loads(done.stdout)["error"]["code"] == "invalid_api_key"


def test_curl_waits_as_long_as_it_is_told_and_asks_again(door: Door) -> None:
    key, none = door.limited_key, ASKED | {"model": "wagmi-none"}
    while "model_not_found" in curl(door, "/chat/completions", key=key, **none).stdout:
        continue

    before = door.refusals()
    done = curl(door, "/chat/completions", "--retry", "2", key=key, **ASKED)

    assert '"finish_reason":"stop"' in done.stdout
    assert (door.refusals() - before)[429, "rate_limit_exceeded"] >= 1
