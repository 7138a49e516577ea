"""What a release is made of, each with a sha256: whoever changes a byte of it has another release."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from chat.grounding import CALIBRATION
from compliance.chain import canonical
from content.library import languages
from content.passages import approved_pairs, passages
from factory import model_facts
from factory.evaluate import bounds
from factory.evaluate.records import prompt_sha256

# Where the code of a checkout or an image is. Tests, docs and what is built from these are not served.
CODE = (
    "accounts", "billing", "bin", "chat", "compliance", "content", "factory", "inference", "locale", "siteproject",
    "static", "templates", "manage.py", "pyproject.toml",
)  # fmt: skip
BUILT = (".pyc", ".mo")
SMALL, EMBEDDING = "SmolLM2-135M-Instruct", "all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One digest. ``parts`` are the digests it was made from, by name, where there is more than one file."""

    sha256: str
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the artifacts are. ``weights`` and ``embedding`` are None where no package of ours carries them."""

    root: Path
    weights: Path | None
    embedding: Path | None
    dataset: Path
    thresholds: Path
    calibration: Path


def here() -> Places:
    """Return the places of this checkout and this machine."""
    packaged = {each.name: each.path() for each in model_facts.known().values()}
    ours = not settings.LLM_CPU["url"] or bool(settings.LLM_CPU_PID_FILE)
    return Places(
        root=Path(settings.BASE_DIR),
        weights=packaged.get(SMALL) if ours else None,  # somebody else's server has its own file
        embedding=packaged.get(EMBEDDING),
        dataset=Path(settings.FACTORY_DIR) / "training.jsonl",
        thresholds=bounds.FILE,
        calibration=CALIBRATION,
    )


def found(places: Places) -> dict[str, Artifact]:
    """Return every artifact that is there, by name."""
    return {name: artifact for name, look in ARTIFACTS.items() if (artifact := look(places))}


def git_commit(root: Path) -> str:
    """Return the commit that is checked out, read from git's own files; empty where there is no repository."""
    git = root / ".git"
    try:
        if git.is_file():  # a further working tree: its folder is elsewhere
            git = (root / git.read_text().partition("gitdir:")[2].strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head[5:]
        common = (git / "commondir").read_text().strip() if (git / "commondir").exists() else ""
        for folder in (git, (git / common).resolve()):
            if (folder / name).exists():
                return (folder / name).read_text().strip()
            packed = folder / "packed-refs"
            for line in packed.read_text().splitlines() if packed.exists() else []:
                if line.endswith(f" {name}"):
                    return line.partition(" ")[0]
    except OSError:
        return ""
    return ""


def _weights(places: Places) -> Artifact | None:
    return _file(places.weights)


def _embedding(places: Places) -> Artifact | None:
    return _file(places.embedding)


def _dataset(places: Places) -> Artifact | None:
    return _file(places.dataset)


def _thresholds(places: Places) -> Artifact | None:
    return _file(places.thresholds)


def _calibration(places: Places) -> Artifact | None:
    return _file(places.calibration)


def _prompt(places: Places) -> Artifact:
    return Artifact(prompt_sha256())


def _locks(places: Places) -> Artifact | None:
    files = sorted((places.root / "requirements").glob("*.txt"))
    return _sum({path.name: _sha256(path) for path in files})


def _index(places: Places) -> Artifact:
    """Digest what answers may be quoted from, in each language: passages with their phrasings, and approved pairs."""
    parts = {}
    for language in languages():
        texts = [
            [each.id, each.title, each.heading, each.url, each.text, [*each.phrasings]] for each in passages(language)
        ]
        pairs = [[[*each.questions], each.answer, each.passage] for each in approved_pairs(language)]
        parts[language] = hashlib.sha256(canonical([texts, pairs])).hexdigest()
    return Artifact(_over(parts), parts)


def _code(places: Places) -> Artifact | None:
    """Digest the source, summed up for each folder at the root."""
    parts = {}
    for name in CODE:
        files = {path.relative_to(places.root).as_posix(): _sha256(path) for path in _sources(places.root / name)}
        if files:
            parts[name] = _over(files)
    return _sum(parts)


ARTIFACTS: dict[str, Callable[[Places], Artifact | None]] = {
    "weights": _weights,
    "embedding-weights": _embedding,
    "dataset": _dataset,
    "prompt": _prompt,
    "index": _index,
    "thresholds": _thresholds,
    "calibration": _calibration,
    "locks": _locks,
    "code": _code,
}


def _sources(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        linked = [name for name in folders if (Path(folder) / name).is_symlink()]  # the walk does not go there
        for name in sorted([*files, *linked]):
            path = Path(folder) / name
            if not name.startswith(".") and path.suffix not in BUILT:
                yield path


def _file(path: Path | None) -> Artifact | None:
    return Artifact(_sha256(path)) if path and path.is_file() else None


def _sum(parts: dict[str, str]) -> Artifact | None:
    return Artifact(_over(parts), parts) if parts else None


def _over(parts: dict[str, str]) -> str:
    return hashlib.sha256("".join(_lines(parts)).encode()).hexdigest()


def _lines(parts: dict[str, str]) -> Iterable[str]:
    return (f"{digest}  {name}\n" for name, digest in sorted(parts.items()))


def _sha256(path: Path) -> str:
    if path.is_symlink() and not path.is_file():  # to a folder, or to nothing: where it leads is what can be held
        return hashlib.sha256(os.fsencode(path.readlink())).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
