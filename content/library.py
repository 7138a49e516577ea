"""Everything under the content folder, read once and again when a file changes, with all that is wrong in it.

The front matters are read at once: lists and addresses need them. The bodies are read when somebody needs them, or
all together by ``read_bodies``, and are kept in ``var/cache`` by the digest of their file.
"""

import contextlib
import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
from django.conf import settings

from content.bodies import FORM, Body, read_body
from content.documents import KINDS, Document, read_document, read_yaml
from content.errors import ContentError
from content.values import values_digest

logger = logging.getLogger(__name__)

Synonym = Annotated[str, msgspec.Meta(pattern=r"^[^\W_]+$")]
SynonymGroup = Annotated[list[Synonym], msgspec.Meta(min_length=2)]
PICTURES = (".avif", ".jpg", ".png", ".webp")


class KeptBodies(msgspec.Struct):
    """The file under ``var/cache``: bodies by the digest of their document, made with these values."""

    form: int
    values: str
    bodies: dict[str, Body]


@dataclass(eq=False)
class Library:
    """Everything under one content folder. ``errors`` are those of names and front matters."""

    root: Path
    documents: tuple[Document, ...] = ()
    synonyms: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    topics: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # slug to language to name
    errors: tuple[ContentError, ...] = ()
    _bodies: dict[str, Body] = field(default_factory=dict)
    _loading: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def by_address(self) -> Mapping[tuple[str, str, str], Document]:
        """The published documents by kind, slug and language."""
        return {(each.kind, each.slug, each.language): each for each in self.documents if each.published}

    def published(self, kind: str, language: str) -> list[Document]:
        """Return the published documents of a kind in a language, by slug."""
        return [each for each in self.by_address.values() if each.kind == kind and each.language == language]

    def find(self, kind: str, slug: str, language: str) -> Document | None:
        """Return a published document."""
        return self.by_address.get((kind, slug, language))

    def languages_of(self, document: Document) -> list[str]:
        """Return the languages in which the document is published, in the site's order."""
        return [code for code in languages() if self.find(document.kind, document.slug, code)]

    def body(self, document: Document) -> Body:
        """Return what the text of ``document`` holds, from memory, from ``var/cache``, or read now."""
        self._load()
        found = self._bodies.get(document.digest)
        if found is None:
            found = self._bodies[document.digest] = read_body(document)
        return found

    def unread(self) -> int:
        """Return how many bodies would have to be parsed."""
        self._load()
        return sum(document.digest not in self._bodies for document in self.documents)

    def read_bodies(self) -> None:
        """Read every body there is and keep what was parsed for the next start."""
        if self.unread() == 0:
            return
        for document in self.documents:
            self.body(document)
        wanted = {document.digest: self._bodies[document.digest] for document in self.documents}
        _keep(cache_file(self.root), KeptBodies(FORM, values_digest(), wanted))

    def take_over(self, older: "Library") -> None:
        """Keep what was parsed, and the last sound text of a file that somebody is editing and that has an error."""
        broken = {error.file for error in self.errors}
        folder = self.root.name
        self.topics = older.topics if f"{folder}/topics.yaml" in broken else self.topics
        kept = {code: words for code, words in older.synonyms.items() if f"{folder}/synonyms/{code}.yaml" in broken}
        self.synonyms = {**self.synonyms, **kept}
        self.documents += tuple(each for each in older.documents if each.file in broken)
        self._bodies |= {each.digest: body for each in self.documents if (body := older._bodies.get(each.digest))}

    def _load(self) -> None:
        """Take over what an earlier process kept, once."""
        with self._loading:
            if self._bodies:
                return
            with contextlib.suppress(OSError, msgspec.DecodeError):
                kept = msgspec.msgpack.decode(cache_file(self.root).read_bytes(), type=KeptBodies)
                if kept.form == FORM and kept.values == values_digest():
                    self._bodies |= kept.bodies


@dataclass(slots=True)
class _Shelf:
    """What was read last, and how the files looked then. Replaced whole, so readers in other threads see old or new."""

    stamp: tuple[tuple[str, int, int], ...]
    digest: str
    library: Library
    looked_at: float


_shelves: dict[Path, _Shelf] = {}
_reading = threading.Lock()


def languages() -> tuple[str, ...]:
    return tuple(code for code, _name in settings.LANGUAGES)


def library(*, root: Path | None = None) -> Library:
    """Return everything under ``root`` (the site's own folder) with its errors; never raises for what was written."""
    return _shelf(root or settings.CONTENT_DIR).library


def content_digest(*, root: Path | None = None) -> str:
    """Return a sha256 over every file's path and bytes and over the values that texts quote.

    Files are looked at again after ``CONTENT_RECHECK_S``, and read again only when a size or time has changed.
    """
    digest = _shelf(root or settings.CONTENT_DIR).digest
    return hashlib.sha256(f"{digest}{values_digest()}".encode()).hexdigest()


def address(document: Document, anchor: str = "") -> str:
    """Return the path of a document's page; the first language of the site has no prefix."""
    prefix = "/" if document.language == languages()[0] else f"/{document.language}/"
    return f"{prefix}{KINDS[document.kind].prefix}{document.slug}/" + (f"#{anchor}" if anchor else "")


def pictures(root: Path) -> Iterator[Path]:
    """Yield the pictures beside the documents, by path. What a link leads to is nobody's picture."""
    for kind in KINDS:
        yield from sorted(path for path in (root / kind).glob("*/*") if path.suffix in PICTURES and _is_ours(path))


def cache_file(root: Path) -> Path:
    """Return where the bodies of ``root`` are kept: one file for each folder of content."""
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
    return Path(settings.CACHE_DIR) / f"content-{name}.msgpack"


def _keep(path: Path, bodies: KeptBodies) -> None:
    """Write the file whole or not at all; a disk that refuses costs the next start its time and nothing else."""
    half = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(msgspec.msgpack.encode(bodies))
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        logger.warning("content not kept for the next start: %s", error)


def _shelf(root: Path) -> _Shelf:
    shelf = _shelves.get(root)
    if shelf and time.monotonic() - shelf.looked_at < settings.CONTENT_RECHECK_S:
        return shelf
    with _reading:
        try:
            return _look(root)
        except OSError as error:
            # A file that went while it was read, a folder that is being replaced: what was there before still stands.
            if shelf is None:
                raise
            logger.warning("content not looked at (%s), what was read before stands", type(error).__name__)
            shelf.looked_at = time.monotonic()
            return shelf


def _look(root: Path) -> _Shelf:
    files = _files(root)
    if not files and root in _shelves:
        raise FileNotFoundError(root)
    stamp = tuple((str(path), (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files)
    shelf = _shelves.get(root)
    if shelf is None or shelf.stamp != stamp:
        digest = hashlib.sha256()
        for path in files:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
        found = _read([path for path in files if path.suffix not in PICTURES], root)
        if shelf:
            found.take_over(shelf.library)
            for error in found.errors:
                logger.error("content not taken over: %s", error)
        shelf = _Shelf(stamp, digest.hexdigest(), found, time.monotonic())
    shelf.looked_at = time.monotonic()
    _shelves[root] = shelf
    return shelf


def _files(root: Path) -> list[Path]:
    found = [path for kind in KINDS for path in (root / kind).glob("*/*")]
    found += [*(root / "synonyms").glob("*"), root / "topics.yaml"]
    return sorted(path for path in found if _is_ours(path))


def _is_ours(path: Path) -> bool:
    """Return whether a file was put there by an author: no link to elsewhere, nothing that an editor left behind."""
    return path.is_file() and not path.is_symlink() and not path.name.startswith(".") and not path.name.endswith("~")


def _read(files: list[Path], root: Path) -> Library:
    documents: list[Document] = []
    groups: dict[str, tuple[tuple[str, ...], ...]] = {}
    topics: dict[str, dict[str, str]] = {}
    errors: list[ContentError] = []
    for path in files:
        name = path.relative_to(root.parent).as_posix()
        try:
            if path.name == "topics.yaml":
                topics, _lines = read_yaml(path.read_text(encoding="utf-8"), dict[str, dict[str, str]], file=name)
                continue
            _check_name(path, name)
            if path.suffix == ".yaml":
                found, _lines = read_yaml(path.read_text(encoding="utf-8"), list[SynonymGroup], file=name)
                groups[path.stem] = tuple(tuple(group) for group in found)
            else:
                documents.append(read_document(path, kind=path.parent.parent.name, root=root))
        except ContentError as error:
            errors.append(error)
        except UnicodeDecodeError as error:
            errors.append(ContentError(name, 1, f"not UTF-8 at byte {error.start}"))
    return Library(root, tuple(documents), groups, topics, tuple(errors))


def _check_name(path: Path, name: str) -> None:
    suffix = ".yaml" if path.parent.name == "synonyms" else ".md"
    if path.suffix != suffix or path.stem not in languages():
        expected = ", ".join(f"{language}{suffix}" for language in languages())
        raise ContentError(name, 1, f"expected one of {expected}")
