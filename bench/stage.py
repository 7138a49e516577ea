"""The stage of every program: a whole site for this run, and questions whose rung and passage are known."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from bench.answers import cases, index_without
from chat import prompts
from chat.grounding import Grounded, ground
from inference.backends.base import Request
from inference.backends.llamacpp import LlamaCpp
from siteproject.stack.folder import Folder
from siteproject.stack.llama import ALIAS, LlamaServer
from tests.live import Site, running_site

SECRETS = ("SECRET_KEY", "SEAL_KEY", "PRIVACY_PEPPER", "API_KEY_PEPPER")

# One address plays every visitor here, so the limits per address are lifted; nothing else differs from a plain start.
# Warming is off, so that each program decides which passages the model server has read.
LIFTED = {
    "CHAT_RATE_LIMIT": "1000000/15m",
    "CHAT_SOCKETS_PER_ADDRESS": "5000",
    "CHAT_SOCKET_FIRST_S": "600",
    "CHAT_SOCKET_IDLE_S": "600",
    "LLM_CPU_CACHE_MIB": "0",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the committed set as our pages answer it."""

    text: str
    found: Grounded

    @property
    def passage(self) -> str:
        return self.found.sources[0].passage.id

    def request(self) -> Request:
        """Return the prompt that the pipeline makes of it, with a random line of its own."""
        best = self.found.sources[0]
        return prompts.prompt(
            name=settings.SITE_NAME,
            passages=[best.passage],
            best_sentence=best.best_sentence,
            question=self.text,
            history=(),
            max_tokens=settings.LLM_CPU["max_output_tokens"],
        )

    def body(self) -> bytes:
        """Return the request as our own client sends it, for asking a server directly."""
        return LlamaCpp("", "", ALIAS)._body(self.request())


def bench_site(
    overrides: Mapping[str, str] | None = None, *, model: bool = True, durable: bool = False
) -> AbstractContextManager[Site]:
    """Start a site of its own for a program, with secrets of its own and the limits per address lifted."""
    chosen = {name: secrets.token_urlsafe(40) for name in SECRETS} | LIFTED | dict(overrides or {})
    return running_site(model=model, worker=False, durable=durable, **chosen)


@contextmanager
def second_model_server() -> Iterator[LlamaServer]:
    """Start another model server with the same settings, so that a prompt new to the site's is new there as well."""
    path = Path(tempfile.mkdtemp(prefix="wagmi-bench-"))
    folder = Folder(path)
    folder.make()
    try:
        with LlamaServer(folder, key=secrets.token_urlsafe(20)).running() as server:
            yield server
    finally:
        shutil.rmtree(path, ignore_errors=True)


def written_questions() -> list[Question]:
    """Return questions that the small model answers, each on another passage; always the same ones."""
    by_passage: dict[str, Question] = {}
    for question in _questions():
        found = question.found
        if found.answerable and found.verified is None and not found.contact:
            by_passage.setdefault(question.passage, question)
    return list(by_passage.values())


def verified_questions() -> list[Question]:
    """Return questions that get an approved answer without a model."""
    return [question for question in _questions() if question.found.verified is not None]


def _questions() -> Iterator[Question]:
    index = index_without("en", None)
    for case in cases("en"):
        if case.before is None:
            yield Question(case.question, ground(case.question, language="en", index=index))
