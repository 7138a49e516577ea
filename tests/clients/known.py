"""The clients that are tried: how each program is run, what it can do, and what its own words for a refusal are."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.environments import node_client, python_with

PROGRAMS = Path(__file__).parent / "programs"
REFUSALS = ("tools", "unauthorized", "missing", "spent")
STEPS = (
    "models",
    "chat",
    "real",
    "completion",
    "stream",
    "usage",
    "embeddings",
    *REFUSALS,
    "limited",
    "late",
    "timeout",
    "broken",
    "broken_whole",
    "abort",
)
BUSY = "busy"  # taken by itself: it needs a full queue


@dataclass(frozen=True)
class Client:
    """``lacks`` are the steps that the client itself has no way to take. ``errors`` are its classes by step; empty for
    a command line, which has only a sentence. ``attempts`` are its requests when it may ask again once.
    """

    name: str
    program: str
    environment: str = ""
    lacks: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 2
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> list[str]:
        return [step for step in STEPS if step not in self.lacks]

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Return how to run its program, and its environment. Raises NotInstalled."""
        program = PROGRAMS / self.program
        if self.environment == "node":
            node, folder = node_client()
            # Node.js looks for a package from where the program is.
            return [node, shutil.copy(program, folder)], dict(self.env)
        python = python_with(self.environment) if self.environment else sys.executable
        return [python, str(program)], dict(self.env)


OPENAI = {
    "tools": "openai.BadRequestError",
    "unauthorized": "openai.AuthenticationError",
    "missing": "openai.NotFoundError",
    "spent": "openai.APIStatusError",
    "limited": "openai.RateLimitError",
    "timeout": "openai.APITimeoutError",
    "broken": "openai.APIError",
    "broken_whole": "openai.InternalServerError",
}
NODE = OPENAI | {"spent": "openai.APIError", "timeout": "openai.APIConnectionTimeoutError"}
LANGCHAIN = OPENAI | {
    "tools": "langchain_openai.OpenAIInvalidRequestError",
    "unauthorized": "langchain_openai.OpenAIAuthenticationError",
    "missing": "langchain_openai.OpenAIModelNotFoundError",
    "limited": "langchain_openai.OpenAIRateLimitError",
    "timeout": "langchain_openai.OpenAITimeoutError",
    "broken_whole": "langchain_openai.OpenAIAPIError",
}
ASYNC = ("models", "chat", "stream", "missing", "broken", "abort")

# Of the development environment: the plain run tries these, too.
PLAIN = [
    Client("openai-python", "openai_python.py", errors=OPENAI),
    Client(
        "openai-python-async",
        "openai_python_async.py",
        errors=OPENAI,
        lacks=tuple(step for step in STEPS if step not in ASYNC),
    ),
]
APART = [
    Client("openai-node", "openai_node.mjs", "node", errors=NODE),
    Client("langchain", "langchain_openai_chat.py", "langchain", errors=LANGCHAIN, lacks=("models", "completion")),
    Client(
        "llama-index-openai",
        "llama_index_openai.py",
        "llamaindex",
        errors=OPENAI,
        lacks=("models", "completion"),
        env={"LLAMA_CLASS": "OpenAI"},
    ),
    Client(
        "llama-index-openai-like",
        "llama_index_openai.py",
        "llamaindex",
        errors=OPENAI,
        lacks=("models",),
        env={"LLAMA_CLASS": "OpenAILike"},
    ),
    # Its own embedding models are OpenAI's, and how often it asks again cannot be set.
    Client("llm", "llm_cli.py", "llm", attempts=3, lacks=("embeddings", "timeout", "broken_whole")),
]
