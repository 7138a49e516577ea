"""A llama.cpp server for embeddings as a plain child process, away from the one that writes.

Run as ``python -m siteproject.stack.embeddings_server``; every setting comes from the environment, so that no key ever
shows in a list of processes. Weights that are not there yet are made first, out of the package that carries them. A
process of its own, because llama.cpp ends its whole process over a model and a mode that do not go together.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from siteproject.stack.embedding_weights import convert, packaged
from siteproject.stack.embeddings import WEIGHTS_REFUSED, WEIGHTS_SHA256
from siteproject.stack.errors import StackError
from siteproject.stack.llama_server import sha256_of  # which makes waiting threads sleep, too

# The most one text can take, twice the most that is sent: the network's own end, and room for a list's next one.
BATCH_TOKENS = 512


def main() -> int:
    """Serve ``EMBED_WEIGHTS`` until SIGTERM or SIGINT.

    Exit status 1: it could not listen or load; 3: the weights, or what they are made of, are not the pinned ones, or
    cannot be written.
    """
    env = os.environ
    weights = Path(env["EMBED_WEIGHTS"])
    if not weights.exists() or sha256_of(weights) != WEIGHTS_SHA256:
        try:
            convert(packaged(), weights)
        except (StackError, OSError) as error:
            print(f"weights refused: {error}", file=sys.stderr, flush=True)
            return WEIGHTS_REFUSED
        # Begun anew under the same process number: what making them took of memory is not the server's to keep.
        os.execv(sys.executable, [sys.executable, "-m", "siteproject.stack.embeddings_server"])

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    import xllamacpp  # after OMP_WAIT_POLICY, and only once the weights are known to be the right ones

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {env["EMBED_ALIAS"]}
    params.embedding = True
    params.hostnames = ["127.0.0.1"]
    params.port = int(env["EMBED_PORT"])
    params.api_keys = [env["EMBED_KEY"]]
    params.n_parallel = 1
    params.n_ctx = params.n_batch = params.n_ubatch = BATCH_TOKENS
    # One thread: a second one would take the core that the small model writes with (docs/embeddings.md).
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(env.get("EMBED_THREADS", "1"))
    params.endpoint_slots = params.endpoint_props = params.ui = False
    params.cache_ram_mib = 0
    # A line for each text otherwise.
    params.verbosity = int(env.get("EMBED_VERBOSITY", "1"))

    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        # The library has said why above; most often the port has been taken since it was chosen.
        print(f"the embedding server cannot serve {weights.name} on port {params.port}", file=sys.stderr, flush=True)
        return 1
    print(f"serving {weights.name} on {server.listening_address}", flush=True)
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
