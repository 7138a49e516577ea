"""A llama.cpp server as a plain child process.

Run as ``python -m siteproject.stack.llama_server``; every setting comes from the environment,
so that no key ever shows in a list of processes. Weights are checked against their pinned
sha256 before a byte of them is loaded.
"""

import hashlib
import os
import signal
import sys
import threading
from pathlib import Path

# llama.cpp's threads spin while they wait; beside a busy neighbour that costs two orders of
# magnitude (measured: 1 token/s instead of 124). Read when the library loads, so set before it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

F16, Q8_0 = 1, 8  # ggml's numbers for the types of the key/value cache


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in blocks so that weights need no memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Serve ``LLAMA_WEIGHTS`` until SIGTERM or SIGINT.

    Exit status 1: it could not listen or load; 3: the weights are not the pinned ones.
    """
    env = os.environ
    weights = Path(env["LLAMA_WEIGHTS"])
    expected = env.get("LLAMA_WEIGHTS_SHA256", "")
    if expected and (found := sha256_of(weights)) != expected:
        print(f"weights refused: {weights.name} has sha256 {found}, expected {expected}", file=sys.stderr, flush=True)
        return 3

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    import xllamacpp  # after OMP_WAIT_POLICY, and only once the weights are known to be the right ones

    slots = int(env.get("LLAMA_SLOTS", "4"))
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {env.get("LLAMA_ALIAS", weights.stem)}
    params.hostnames = ["127.0.0.1"]
    params.port = int(env["LLAMA_PORT"])
    params.api_keys = [env["LLAMA_KEY"]]
    params.n_parallel = slots
    params.n_ctx = int(env.get("LLAMA_CONTEXT", "4096"))
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    params.cache_ram_mib = int(env.get("LLAMA_CACHE_MIB", "200"))
    # One thread generates (it is bound by memory), all of them read prompts: reference figures in docs/performance.md.
    params.cpuparams.n_threads = int(env.get("LLAMA_THREADS", "1"))
    params.cpuparams_batch.n_threads = int(env.get("LLAMA_THREADS_BATCH", str(os.cpu_count() or 1)))
    params.endpoint_slots = env.get("LLAMA_SLOTS_ENDPOINT", "") == "1"
    params.endpoint_props = False
    params.ui = False
    params.verbosity = int(env.get("LLAMA_VERBOSITY", "1"))

    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        # The library has said why above; most often the port has been taken since it was chosen.
        print(f"the model server cannot serve {weights.name} on port {params.port}", file=sys.stderr, flush=True)
        return 1
    print(f"serving {weights.name} on {server.listening_address}", flush=True)
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
