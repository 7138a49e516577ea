"""What the documentation prints works as it stands: copied from the page, run against the site that shows it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.quickstart import Block, blocks, program
from tests.customers import api, new_key
from tests.live import Site


@pytest.fixture(scope="module")
def key(live_site: Site) -> str:
    return new_key(live_site)


@pytest.fixture(scope="module")
def printed(live_site: Site) -> list[Block]:
    return blocks(live_site.url)


def run(*command: str, key: str) -> str:
    env = {"PATH": os.environ["PATH"], "WAGMI_API_KEY": key}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_python_as_printed_runs_to_its_end(live_site: Site, key: str, printed: list[Block], tmp_path: Path) -> None:
    with api(live_site, key) as client:
        models = {model["id"] for model in client.get("/models").json()["data"]}
    script = tmp_path / "quickstart.py"
    script.write_text(program(printed, "python", models=models), encoding="utf-8")

    said = run(sys.executable, "-I", str(script), key=key)

    assert " tokens\n" in said and "cpu 0.0" in said and " USD\n" in said and "model_not_found model " in said
    assert said.splitlines()[-1].startswith("chatcmpl-")


def test_curl_as_printed_is_answered(key: str, printed: list[Block]) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl on this machine: apt-get install curl")
    commands = [block.code for block in printed if "curl" in block.code]

    answers = [run("bash", "-c", command, key=key) for command in commands]

    assert len(answers) == 2
    assert '"object":"chat.completion"' in answers[0] and '"id":"wagmi-small"' in answers[1]


def test_both_languages_print_the_same_code(live_site: Site, printed: list[Block]) -> None:
    assert blocks(live_site.url, "fr") == printed
    assert {block.language for block in printed} == {"bash", "python", "typescript"}
    assert all(f"{live_site.url}/v1" in block.code for block in printed if "baseURL" in block.code)
