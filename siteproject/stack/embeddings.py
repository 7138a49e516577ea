"""The embeddings' server as a part of the stack, and whether this machine has the memory for it."""

import os
from pathlib import Path

from siteproject.stack.children import Child, bare_environment, python_module
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part
from siteproject.stack.probe import free_port, http_status

ALIAS = "wagmi-embed"
# What siteproject.stack.embedding_weights makes; another file would give other vectors for the same text.
WEIGHTS = "all-minilm-l6-v2-f16.gguf"
WEIGHTS_SHA256 = "17ffeca92fd0b47f7014c48a49df25dc94fd7e3e8493e470bc5ef11a32acd78d"
WEIGHTS_REFUSED = 3
# The server itself takes 0.13 GiB (docs/embeddings.md); where less than this is free, the site needs it more.
MEMORY_NEEDED_GIB = 3.0
GIB = 2**30


class EmbeddingServer(Part):
    """A llama.cpp server for embeddings on loopback that asks for ``key``; the site does without it where it fails."""

    name = "embeddings"
    title = "Embedding server"
    needed = False
    hopeless = frozenset({WEIGHTS_REFUSED})

    def __init__(self, folder: Folder, *, key: str) -> None:
        super().__init__()
        self.key = key
        self.port = free_port()
        self.pid_file = folder.run / "embeddings.pid"
        self.log = folder.log / "embeddings.log"
        self.weights = folder.path / "cache" / WEIGHTS

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def addresses(self) -> dict[str, str]:
        """Return what the site's processes have to know; the key is a secret of its own."""
        return {
            "LLM_EMBED_URL": self.url,
            "LLM_EMBED_RUNTIME": "llamacpp",
            "LLM_EMBED_MODEL": ALIAS,
            "LLM_EMBED_WEIGHTS_SHA256": WEIGHTS_SHA256,
            "LLM_EMBED_PID_FILE": str(self.pid_file),
        }

    def start(self) -> None:
        """Start the server, which makes its weights the first time and checks them every time."""
        environment = bare_environment() | {
            "EMBED_WEIGHTS": str(self.weights),
            "EMBED_ALIAS": ALIAS,
            "EMBED_KEY": self.key,
            "EMBED_PORT": str(self.port),
        }
        self.child = Child(python_module("siteproject.stack.embeddings_server"), log=self.log, environment=environment)
        self.pid_file.write_text(f"{self.child.pid}\n")

    def stop(self, seconds: float = 5) -> None:
        """Stop it, and take its number back: another process may have that one next."""
        super().stop(seconds)
        self.pid_file.unlink(missing_ok=True)

    def ready(self) -> bool:
        """Say whether the weights are loaded: until then it answers 503, or nothing."""
        return self.pid is not None and http_status("127.0.0.1", self.port, "/health") == 200


def why_not(free_bytes: int) -> str:
    """Return in a sentence why this stack starts no server for embeddings; empty where it does.

    ``EMBEDDINGS`` is 1 or 0; where it is empty the memory decides that is free before anything has started.
    """
    wanted = os.environ.get("EMBEDDINGS", "").casefold()
    if wanted in ("0", "off", "false", "no"):
        return "EMBEDDINGS is off."
    if wanted or free_bytes >= MEMORY_NEEDED_GIB * GIB:
        return ""
    free = f"{free_bytes / GIB:.1f} GiB of memory are free"
    return f"{free}, {MEMORY_NEEDED_GIB:g} are asked for; EMBEDDINGS=1 starts it anyway."


def free_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that this machine, or the container with a limit around us, could still give out.

    Where the kernel does not say, there is enough.
    """
    found = [1 << 62]
    for line in _lines(proc / "meminfo"):
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    limit, used = (next(iter(_lines(cgroup / name)), "") for name in ("memory.max", "memory.current"))
    if limit.isdigit() and used.isdigit():
        # Files that were read count as used, and are the first to go.
        cached = [int(line.split()[1]) for line in _lines(cgroup / "memory.stat") if line.startswith("inactive_file ")]
        found.append(int(limit) - int(used) + sum(cached))
    return min(found)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
