"""Ollama's server, through its OpenAI-style door.

Quirks handled: models are listed with a tag, ``name:latest`` for ``name``; an error may be a bare sentence; a field
``reasoning`` comes beside the text. The size of its context cannot be set in a request, and a longer prompt is cut
without a word: set ``OLLAMA_CONTEXT_LENGTH`` there to what ``LLM_*_CONTEXT`` says here.
"""

from inference.backends.openai import OpenAICompatible

LATEST = ":latest"


class Ollama(OpenAICompatible):
    """A client of one Ollama server."""

    def _is_ours(self, name: str) -> bool:
        return name.removesuffix(LATEST) == self._model.removesuffix(LATEST)
