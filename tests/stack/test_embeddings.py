"""The embeddings' server: weights made out of their package, vectors as the original network gives them, and a stack
that can do without."""

import json
import math
import mmap
import shutil
import struct
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

from siteproject.stack.embedding_weights import convert, packaged
from siteproject.stack.embeddings import ALIAS, GIB, WEIGHTS_SHA256, EmbeddingServer, free_memory, why_not
from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder
from siteproject.stack.llama_server import sha256_of
from tests.stack.conftest import Stack

SENTENCE = "The town hall of a small town opens at nine."
SECRET_WORDS = "nobody-may-read-this"
# A stack that starts nothing else, because the environment names it all.
ALONE = {
    "EMBEDDINGS": "1",
    "DATABASE_URL": "postgresql://nowhere.invalid/site",
    "REDIS_URL": "redis://127.0.0.1:9",
    "LLM_GPU_DRIVER": "none",
}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingServer]:
    """A server on a folder in which an earlier start has left half a file."""
    path = Path(tempfile.mkdtemp(prefix="wagmi-embeddings-"))
    folder = Folder(path)
    folder.make()
    part = EmbeddingServer(folder, key="k" * 40)
    part.weights.parent.mkdir()
    part.weights.write_bytes(b"GGUF, half of it")
    with part.running():
        yield part
    shutil.rmtree(path, ignore_errors=True)


def ask(server: EmbeddingServer, path: str, body: object, key: str = "k" * 40) -> Any:
    request = urllib.request.Request(
        f"{server.url}{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_weights_are_made_once_and_are_the_pinned_ones(server: EmbeddingServer) -> None:
    assert sha256_of(server.weights) == WEIGHTS_SHA256
    assert [path.name for path in server.weights.parent.iterdir()] == [server.weights.name]


def test_vectors_are_those_of_the_original_network(server: EmbeddingServer) -> None:
    """Computed here from the original weights, as BERT is defined (Devlin and others, 2018), in double precision."""
    tokens = ask(server, "/tokenize", {"content": SENTENCE, "add_special": True})["tokens"]
    vector = ask(server, "/v1/embeddings", {"model": ALIAS, "input": [SENTENCE]})["data"][0]["embedding"]

    pieces = (packaged() / "vocab.txt").read_text("utf-8").split("\n")
    words = [pieces[token] for token in tokens]
    assert words == ["[CLS]", *SENTENCE.lower().removesuffix(".").split(), ".", "[SEP]"]
    assert float(numpy.dot(vector, original(tokens))) > 0.99999


def test_it_asks_for_its_key_logs_no_text_and_stays_small(server: EmbeddingServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(server, "/v1/embeddings", {"model": ALIAS, "input": "x"}, key="wrong")
    ask(server, "/v1/embeddings", {"model": ALIAS, "input": [f"{SECRET_WORDS} {'word ' * 240}"]})

    assert SECRET_WORDS not in server.log.read_text()
    assert "word" not in server.log.read_text()
    rollup = Path(f"/proc/{server.pid}/smaps_rollup").read_text()
    pss_kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss_kib < 200 * 1024, pss_kib


def test_a_package_with_other_contents_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "model.safetensors").symlink_to(packaged() / "model.safetensors")
    (source / "vocab.txt").write_text("[PAD]\nmalice\n")

    with pytest.raises(StackError, match=r"vocab\.txt has sha256"):
        convert(source, tmp_path / "cache" / "weights.gguf")

    assert not list(tmp_path.rglob("weights*"))


def test_memory_is_what_the_kernel_and_the_container_leave(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    8388608 kB\n")
    assert free_memory(proc=tmp_path, cgroup=tmp_path / "none") == 8 * GIB
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text(f"{3 * GIB}\n")
    assert free_memory(proc=tmp_path, cgroup=tmp_path) == 8 * GIB
    (tmp_path / "memory.max").write_text(f"{4 * GIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon 7\ninactive_file {GIB}\n")
    assert free_memory(proc=tmp_path, cgroup=tmp_path) == 2 * GIB


@pytest.mark.parametrize(
    ("wanted", "free_gib", "reason"),
    [("", 4, ""), ("", 2, "2.0 GiB of memory are free"), ("1", 1, ""), ("0", 64, "EMBEDDINGS is off")],
)
def test_memory_decides_where_nobody_has(
    monkeypatch: pytest.MonkeyPatch, wanted: str, free_gib: int, reason: str
) -> None:
    monkeypatch.setenv("EMBEDDINGS", wanted)

    found = why_not(free_gib * GIB)

    assert found.startswith(reason) and bool(found) == bool(reason)


def test_the_stack_starts_it_and_says_where_it_is(stack: Stack) -> None:
    stack.up(**ALONE)
    stack.wait_for(lambda: "Embedding server" in stack.said(), 30)
    values = stack.values()

    request = urllib.request.Request(
        f"{values['LLM_EMBED_URL']}/v1/models", headers={"Authorization": f"Bearer {values['LLM_EMBED_KEY']}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert ALIAS.encode() in answer.read()
    assert values["LLM_EMBED_WEIGHTS_SHA256"] == WEIGHTS_SHA256
    assert int(Path(values["LLM_EMBED_PID_FILE"]).read_text()) == stack.pid_of("embeddings_server")


def test_the_stack_runs_without_it_where_it_cannot_be(stack: Stack) -> None:
    stack.folder.make()
    (stack.folder.path / "cache").write_text("a file where a folder has to be")
    stack.up(**ALONE)
    stack.wait_for(lambda: "The site runs without it" in stack.said(), 30)

    assert "Ready" in stack.said()
    assert stack.process is not None and stack.process.poll() is None


def original(tokens: list[int]) -> "numpy.ndarray[Any, Any]":
    """Return the vector of a text: BERT's encoder, the mean of its tokens, of length one."""
    weight = weights()
    found = weight["embeddings.word_embeddings.weight"][tokens]
    found = found + weight["embeddings.position_embeddings.weight"][: len(tokens)]
    found = found + weight["embeddings.token_type_embeddings.weight"][0]
    found = normalised(found, weight, "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(found, weight, f"{name}.attention.self.{kind}").reshape(len(tokens), 12, 32).swapaxes(0, 1)
            for kind in ("query", "key", "value")
        )
        scores = numpy.exp(query @ key.swapaxes(1, 2) / math.sqrt(32))
        attended = (scores / scores.sum(-1, keepdims=True) @ value).swapaxes(0, 1).reshape(len(tokens), 384)
        attended = linear(attended, weight, f"{name}.attention.output.dense")
        found = normalised(found + attended, weight, f"{name}.attention.output.LayerNorm")
        inner = linear(found, weight, f"{name}.intermediate.dense")
        inner = inner * (1 + numpy.vectorize(math.erf)(inner / math.sqrt(2))) / 2
        found = normalised(found + linear(inner, weight, f"{name}.output.dense"), weight, f"{name}.output.LayerNorm")
    mean = found.mean(0)
    return mean / numpy.linalg.norm(mean)


def linear(inputs: Any, weight: dict[str, Any], name: str) -> Any:
    return inputs @ weight[f"{name}.weight"].T + weight[f"{name}.bias"]


def normalised(inputs: Any, weight: dict[str, Any], name: str) -> Any:
    centred = inputs - inputs.mean(-1, keepdims=True)
    scaled = centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weight[f"{name}.weight"] + weight[f"{name}.bias"]


def weights() -> dict[str, Any]:
    with (packaged() / "model.safetensors").open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    (length,) = struct.unpack_from("<Q", data)
    table = json.loads(data[8 : 8 + length])
    return {
        name: numpy.frombuffer(data, "<f4", math.prod(entry["shape"]), 8 + length + entry["data_offsets"][0])
        .reshape(entry["shape"])
        .astype("f8")
        for name, entry in table.items()
        if entry.get("dtype") == "F32"
    }
