"""What can be wrong with documents as a whole: each thing that is, in one line that names file and line.

``manage.py check`` and ``manage.py checkcontent`` print these; a site with one of them does not start.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import Resolver404, resolve
from django.utils import translation
from PIL import Image

from content.bodies import Excerpt, is_diagram
from content.documents import KINDS, SHARED_FIELDS, Document
from content.errors import ContentError
from content.library import Library, address, languages, pictures
from content.markdown import DIAGRAM

# Fewer miss too many of the words a visitor may use, more dilute what a section is about.
PHRASINGS_A_SECTION = range(4, 9)
MAX_PHRASING_LETTERS = 120
MAX_PICTURE_BYTES = 300_000


def errors(library: Library) -> list[ContentError]:
    """Return all that is wrong, by file and line. Reads every body."""
    found = list(library.errors)
    for check in CHECKS:
        found.extend(check(library))
    unfinished = {document.file for document in library.documents if _unfinished(document)}
    return sorted(
        (error for error in found if error.file not in unfinished), key=lambda error: (error.file, error.line)
    )


def gaps(library: Library) -> list[tuple[str, str, list[str]]]:
    """Return (kind, slug, missing languages) of every document that does not exist in every language."""
    have: dict[tuple[str, str], set[str]] = {}
    for document in library.documents:
        have.setdefault((document.kind, document.slug), set()).add(document.language)
    return [
        (kind, slug, [code for code in languages() if code not in found])
        for (kind, slug), found in sorted(have.items())
        if found != set(languages())
    ]


def same_question(text: str) -> str:
    """Return ``text`` so that one question typed two ways is equal: no capitals, no double spaces, no question mark."""
    return " ".join(text.casefold().split()).rstrip(" ?")


def _unfinished(document: Document) -> bool:
    """Return whether a document is the draft of a translation that nobody is promised: it may be in any state."""
    return not document.published and document.language not in settings.COMPLETE_LANGUAGES


def _bodies(library: Library) -> Iterator[ContentError]:
    for document in library.documents:
        for line, problem in library.body(document).problems:
            yield ContentError(document.file, line, problem)


def _questions(library: Library) -> Iterator[ContentError]:
    """Yield what is wrong with approved pairs: no such section, or a phrasing that two of them claim."""
    owners: dict[tuple[str, str], str] = {}
    for document in library.documents:
        anchors = library.body(document).anchors
        for number, question in enumerate(getattr(document.meta, "questions", ())):
            path = f"questions[{number}]"
            if question.section not in anchors:
                problem = f"{path}.section: no section {question.section}; there are {', '.join(sorted(anchors))}"
                yield ContentError(document.file, document.lines[f"{path}.section"], problem)
            for index, ask in enumerate(question.ask):
                owner = owners.setdefault((document.language, same_question(ask)), f"{document.file} {path}")
                if owner != f"{document.file} {path}":
                    here = f"{path}.ask[{index}]"
                    yield ContentError(document.file, document.lines[here], f"{here}: also asked in {owner}")


def _phrasings(library: Library) -> Iterator[ContentError]:
    """Yield what is wrong with visitors' phrasings: no such section, too few or many, or one that leads to two."""
    owners: dict[tuple[str, str], tuple[str, str]] = {}
    for document in library.documents:
        anchors = library.body(document).anchors
        for slug, phrasings in document.meta.search.items():
            path = f"search.{slug}"
            if slug not in anchors:
                problem = f"{path}: no section {slug}; there are {', '.join(sorted(anchors))}"
                yield ContentError(document.file, document.lines[path], problem)
            elif len(phrasings) not in PHRASINGS_A_SECTION:
                few, many = PHRASINGS_A_SECTION[0], PHRASINGS_A_SECTION[-1]
                problem = f"{path}: {len(phrasings)} phrasings, a section has {few} to {many}"
                yield ContentError(document.file, document.lines[path], problem)
            for at, phrasing in enumerate(phrasings):
                here = f"{path}[{at}]"
                line = document.lines[here]
                file, first = owners.setdefault((document.language, same_question(phrasing)), (document.file, here))
                if file != document.file:
                    yield ContentError(document.file, line, f"{here}: also leads to {file}")
                elif first != here:
                    yield ContentError(document.file, line, f"{here}: stands at {first} already")
                if not 1 <= len(phrasing) <= MAX_PHRASING_LETTERS or "\n" in phrasing:
                    problem = f"{here}: expected one line of 1 to {MAX_PHRASING_LETTERS} letters"
                    yield ContentError(document.file, line, problem)


def _translations(library: Library) -> Iterator[ContentError]:
    """Yield a missing language that the site promises, and what two languages of one document disagree about."""
    for kind, slug, missing in gaps(library):
        for code in missing:
            file = f"{library.root.name}/{kind}/{slug}/{code}.md"
            # A file that is there and could not be read has its own line.
            broken = any(error.file == file for error in library.errors)
            if code in settings.COMPLETE_LANGUAGES and not broken:
                yield ContentError(file, 1, "missing: every language is needed")
    first: dict[tuple[str, str], Document] = {}
    for document in library.documents:
        if document.language not in settings.COMPLETE_LANGUAGES:
            continue  # a translation that is still being made
        other = first.setdefault((document.kind, document.slug), document)
        for name in SHARED_FIELDS:
            ours, theirs = getattr(document.meta, name, None), getattr(other.meta, name, None)
            if ours != theirs:
                problem = f"{name}: {_shown(ours)} here and {_shown(theirs)} in {Path(other.file).name}"
                yield ContentError(document.file, document.lines[name], problem)


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _topics(library: Library) -> Iterator[ContentError]:
    file = f"{library.root.name}/topics.yaml"
    for document in library.documents:
        for at, topic in enumerate(document.meta.topics):
            if topic not in library.topics:
                problem = f"topics[{at}]: no topic {topic}; there are {', '.join(library.topics) or 'none'}"
                yield ContentError(document.file, document.lines[f"topics[{at}]"], problem)
    for topic, names in library.topics.items():
        for code in settings.COMPLETE_LANGUAGES:
            if not names.get(code):
                yield ContentError(file, 1, f"{topic}: no name in {code}")


def _addresses(library: Library) -> Iterator[ContentError]:
    """Yield a document whose address belongs to something else, such as a page named ``blog``."""
    for document in library.documents:
        expected = KINDS[document.kind].view
        found = page_at(address(document), document.language)
        if found != expected:
            yield ContentError(document.file, 1, f"the address {address(document)} is taken by {found}")


def _links(library: Library) -> Iterator[ContentError]:
    for document in library.documents:
        for link in library.body(document).links:
            problem = _broken(library, document, link.target)
            if problem:
                yield ContentError(document.file, link.line, f"link to {link.target}: {problem}")


def _broken(library: Library, document: Document, target: str) -> str | None:
    """Return why a link leads nowhere, or None."""
    parts = urlsplit(target)
    if parts.scheme:
        return None if parts.scheme in ("https", "mailto") else "expected https"
    if parts.netloc or (parts.path and not parts.path.startswith("/")):
        return "expected a path from the root, such as /blog/"
    destination = linked_document(library, document, parts.path)
    if parts.path and destination is None:
        name = page_at(parts.path, languages()[0])
        if name is None or name in [kind.view for kind in KINDS.values()]:
            return "there is no such page, or it is a draft"
        return None
    if parts.fragment and destination and parts.fragment not in library.body(destination).anchors:
        return f"no heading {parts.fragment}; there are {', '.join(library.body(destination).anchors)}"
    return None


def linked_document(library: Library, document: Document, path: str) -> Document | None:
    """Return the published document that ``path`` (without a language) names, in the language of ``document``.

    An empty path is the document itself; one that is not translated is found in the first language.
    """
    if not path:
        return document
    for code in (document.language, languages()[0]):
        for kind in KINDS:
            slug = path.removeprefix(f"/{KINDS[kind].prefix}").strip("/")
            found = library.find(kind, slug, code)
            if found and path == f"/{KINDS[kind].prefix}{slug}/":
                return found
    return None


def page_at(path: str, language: str) -> str | None:
    """Return the name of what answers at ``path``, whose prefix is that of ``language``; None for nothing."""
    try:
        with translation.override(language):
            return resolve(path).view_name or "a page of the application"
    except Resolver404:
        return None


def _pictures(library: Library) -> Iterator[ContentError]:
    for path in pictures(library.root):
        size = path.stat().st_size
        if size > MAX_PICTURE_BYTES:
            file = path.relative_to(library.root.parent).as_posix()
            yield ContentError(file, 1, f"{size / 1e6:.1f} MB, a picture has at most {MAX_PICTURE_BYTES / 1e6:.1f} MB")
        elif not _is_picture(path):
            yield ContentError(path.relative_to(library.root.parent).as_posix(), 1, "not a picture")
    found = set(pictures(library.root))
    for document in library.documents:
        folder = library.root / document.kind / document.slug
        for picture in library.body(document).pictures:
            if is_diagram(picture.target):
                name = picture.target.removeprefix(DIAGRAM)
                try:
                    get_template(f"diagrams/{name}.svg")
                except TemplateDoesNotExist:
                    yield ContentError(document.file, picture.line, f"no diagram {name} in templates/diagrams")
            elif folder / picture.target not in found:
                problem = f"no picture {picture.target} beside the text"
                yield ContentError(document.file, picture.line, problem)


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as opened:
            opened.verify()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _excerpts(library: Library) -> Iterator[ContentError]:
    for document in library.documents:
        for excerpt in library.body(document).excerpts:
            missing = first_line_not_in(excerpt, (settings.BASE_DIR / excerpt.path).resolve())
            if missing is not None:
                yield ContentError(document.file, excerpt.line, f"{excerpt.path} has no line {missing!r} there")


def first_line_not_in(excerpt: Excerpt, path: Path) -> str | None:
    """Return the first line of the excerpt that the file does not have, in this order; ``...`` skips lines."""
    if not path.is_relative_to(settings.BASE_DIR) or not path.is_file():
        return "at all: there is no such file in this repository"
    rows = iter([row.strip() for row in path.read_text(encoding="utf-8", errors="replace").splitlines()])
    for line in filter(None, (row.strip() for row in excerpt.code.splitlines())):
        if line.strip("# ") not in ("...", "…") and line not in rows:
            return line
    return None


CHECKS: tuple[Callable[[Library], Iterator[ContentError]], ...] = (
    _bodies,
    _questions,
    _phrasings,
    _translations,
    _topics,
    _addresses,
    _links,
    _pictures,
    _excerpts,
)
