"""The TypeScript of the documentation, run as it is printed: it has no types of its own, so Node.js runs it plainly."""

import os
import subprocess

import pytest

from tests.api import quickstart
from tests.clients.door import Door
from tests.clients.environments import NotInstalled, node_client
from tests.customers import api

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_typescript_of_the_documentation_runs_as_printed(door: Door, language: str) -> None:
    try:
        node, folder = node_client()
    except NotInstalled as missing:
        pytest.skip(f"CLIENT NOT TRIED: {missing}")
    key = door.new_key()
    with api(door.site, key) as client:
        models = {one["id"] for one in client.get("/models").json()["data"]}
    printed = quickstart.program(quickstart.blocks(door.site.url, language), "typescript", models=models)
    program = folder / f"quickstart-{language}.mjs"
    program.write_text(printed)

    env = os.environ | {"WAGMI_API_KEY": key}
    done = subprocess.run([node, str(program)], env=env, cwd=folder, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert f"{door.site.url}/v1" in printed and "import OpenAI" in printed
