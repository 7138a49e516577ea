"""llm, the command line: a program around it, because a start of it takes a second. Models come from its own file."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from click.testing import CliRunner
from llm.cli import cli
from steps import (
    BASE,
    BREAK,
    ENDLESS,
    KEY,
    LATE,
    LIMITED_KEY,
    NONE,
    REAL,
    SAY,
    SCRIPTED,
    SPENT_KEY,
    Facts,
    left,
    main,
    raised,
    step,
    timed,
)

# What docs/clients.md tells a reader to write; JSON is YAML.
FOLDER = Path(os.environ["LLM_USER_PATH"])
NAMED = [
    {"model_id": f"my-{name}", "model_name": name, "api_base": BASE, "api_key_name": "wagmi", **more}
    for name, more in (
        (REAL, {}),
        (SCRIPTED, {}),
        (NONE, {}),
        (SCRIPTED, {"model_id": "my-completion", "completion": True}),
        (SCRIPTED, {"model_id": "my-tools", "supports_tools": True}),
    )
]
WAITED_S = 1.2
(FOLDER / "extra-openai-models.yaml").write_text(json.dumps(NAMED))


class Refused(Exception):
    """What the command said when it did not succeed."""


def llm(*arguments: str) -> str:
    """Run the command and return what it printed. Raises Refused."""
    done = CliRunner().invoke(cli, list(arguments))
    if done.exit_code:
        raise Refused(done.output.strip())
    return done.output


def ask(text: str, *more: str, model: str = SCRIPTED, key: str = KEY) -> str:
    return llm("prompt", text, "-m", f"my-{model}", "--key", key, *more)


@step
def models() -> Facts:
    return {"ids": [name for name in (REAL, SCRIPTED) if f"my-{name}" in llm("models", "list")]}


@step
def chat() -> Facts:
    text = ask(SAY, "--no-stream").rstrip("\n")
    used = json.loads(llm("logs", "list", "-n", "1", "--json"))[0]
    return {"text": text, "usage": [used["input_tokens"], used["output_tokens"]]}


@step
def real() -> Facts:
    return {"text": ask("Which licence?", "-o", "max_tokens", "8", model=REAL)}


@step
def completion() -> Facts:
    return {"text": ask(SAY, model="completion").rstrip("\n")}


@step
def stream() -> Facts:
    return {"text": ask(SAY).rstrip("\n")}


@step
def usage() -> Facts:
    """It asks every stream for its usage."""
    ask(SAY)
    used = json.loads(llm("logs", "list", "-n", "1", "--json"))[0]
    return {"usage": [used["input_tokens"], used["output_tokens"]]}


@step
def unauthorized() -> Facts:
    return {"text": ask(SAY, key="wag_wrong")}


@step
def missing() -> Facts:
    return {"text": ask(SAY, model=NONE)}


@step
def spent() -> Facts:
    return {"text": ask(SAY, key=SPENT_KEY)}


@step
def tools() -> Facts:
    return {"text": ask(SAY, "-T", "llm_version", model="tools")}


@step
def limited() -> Facts:
    """At the limit of the minute: its client waits as it is told, so a call that had to wait was over the limit."""
    let_in, waited = -1, 0.0
    while waited < WAITED_S:
        let_in += 1
        waited = timed(lambda: refused(model=NONE, key=LIMITED_KEY))[1]
    found, waited = timed(lambda: ask(SAY, key=LIMITED_KEY))
    # The last of them was let in too, once it had waited.
    return {"let_in": let_in + 1, "text": found.rstrip("\n"), "waited": waited}


def refused(**more: str) -> None:
    with suppress(Refused):
        ask(SAY, **more)


@step
def busy() -> Facts:
    return {"text": ask(SAY)}


@step
def late() -> Facts:
    return {"text": ask(LATE).rstrip("\n")}


@step
def broken() -> Facts:
    try:
        return {"pieces": ask(BREAK)}
    except Refused as error:
        return raised(error) | {"pieces": str(error).partition("Error")[0]}


@step
def abort() -> Facts:
    """A reader presses Ctrl-C after three words."""
    command = [sys.executable, "-m", "llm", "prompt", ENDLESS, "-m", f"my-{SCRIPTED}", "--key", KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        read = process.stdout.read(9)
        process.send_signal(signal.SIGINT)
        facts = left(read.count(b"on"))
        process.wait(10)
    return facts


main()
