"""Pictures beside documents, served as static files under ``content/<kind>/<slug>/<name>``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

from content.library import library, pictures

PREFIX = "content/"


class PictureFinder(BaseFinder):
    """Finds the pictures of published documents; a draft's are not the public's yet."""

    def find(self, path: str, find_all: bool = False, **_kwargs: Any) -> Any:
        found = [str(place) for place in _public() if path == f"{PREFIX}{_name(place)}"]
        return found if find_all or not found else found[0]

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        storage = FileSystemStorage(location=settings.CONTENT_DIR)
        storage.prefix = PREFIX.rstrip("/")  # type: ignore[attr-defined]  # collectstatic reads it
        for path in _public():
            yield _name(path), storage


def _public() -> Iterator[Path]:
    """Yield the pictures in the folders of published documents."""
    folders = {(each.kind, each.slug) for each in library().by_address.values()}
    for path in pictures(settings.CONTENT_DIR):
        if (path.parent.parent.name, path.parent.name) in folders:
            yield path


def _name(path: Path) -> str:
    return path.relative_to(settings.CONTENT_DIR).as_posix()
