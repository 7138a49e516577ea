"""The markup of every page before a validator of its own, where Node.js is present."""

from pathlib import Path

import pytest

from bench.node_tools import NodeMissing, validate
from tests.audit.markup import Page
from tests.audit.test_markup import tell

# On top of its recommendations: the doctype may be small and lines may end in spaces; a heading of a template is filled
# by script; the buttons of suggested questions share the name of the field that they stand in for.
CONFIG = Path(__file__).parent / "htmlvalidate.json"

pytestmark = pytest.mark.audit


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<!doctype html><html lang="en"><head><title>x</title></head><p>x<ul></ul></p>')

    assert "close-order" in {found.split(": ")[1] for found in checked(tmp_path)}


def test_every_page_is_valid_html(public: dict[str, Page], tmp_path: Path) -> None:
    for path, page in public.items():
        name = path.strip("/").replace("/", "_") or "home"
        (tmp_path / f"{name}.html").write_text(page.html, encoding="utf-8")

    tell({"validator": checked(tmp_path)})


def checked(folder: Path) -> list[str]:
    try:
        return validate(folder, CONFIG)
    except NodeMissing as missing:
        pytest.skip(f"HTML NOT VALIDATED: {missing}")
