"""Pictures that stand for a post where somebody shares its address: drawn by Pillow when static files are collected.

A card's name holds a digest of everything on it, so it is drawn once and again when a word changes. It is set in the
serif of the pages (FreeType reads the woff2) and knows no word of the interface: dates and topics come with their post.
"""

import hashlib
import logging
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from django.templatetags.static import static
from django.utils import translation
from django.utils.formats import date_format
from PIL import Image, ImageColor, ImageDraw, ImageFont

from content.documents import Document
from content.library import languages
from content.site import posts, topic_name

logger = logging.getLogger(__name__)

WIDTH, HEIGHT = 1200, 630
PREFIX = "cards/"

# Raise it when the drawing changes.
FORM = 1

# Some 50 ms each: a first start may not wait for more. manage.py drawcards draws the rest.
MOST_AT_A_START = 30

# The tokens of static/css/tokens.css by day.
PAPER, INK, INK_SOFT, LINE, FLAME = "#f2f4f1", "#14191b", "#4d5759", "#c6ccc6", "#ff8b4a"
MARGIN = 88
SHADES = 24  # between two colours, for the edges of letters
MEASURED_AT = 100  # lengths are measured at one size: opening the font costs more than drawing with it

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Card:
    """The words on a card, and the name of its picture among the static files. The site's own has a title alone."""

    name: str
    title: str
    date: str = ""
    topics: str = ""


class Unwritable(Exception):
    """The font has no letter for something in a title."""


def site_card() -> Card:
    """Return the card of everything that is no post."""
    return Card(_named("site", settings.SITE_NAME), settings.SITE_NAME)


def post_card(post: Document) -> Card:
    """Return the card of a post in its language."""
    with translation.override(post.language):
        date = date_format(post.meta.published, "j F Y")
    topics = " · ".join(topic_name(topic, post.language) for topic in post.meta.topics)
    name = _named(f"{post.slug}-{post.language}", settings.SITE_NAME, post.meta.title, date, topics)
    return Card(name, post.meta.title, date, topics)


def cards() -> list[Card]:
    """Return every card there should be: the site's, then those of the newest posts first."""
    every = [post for code in languages() for post in posts(code)]
    every.sort(key=lambda post: post.meta.published, reverse=True)
    return [site_card(), *(post_card(post) for post in every)]


def shared_card(document: Document | None) -> tuple[Card, str] | None:
    """Return the card that stands for a page, and its path; the site's where its own was not collected, or None."""
    own = [post_card(document)] if document and document.kind == "posts" else []
    for card in [*own, site_card()]:
        try:
            return card, static(card.name)
        except ValueError:
            continue  # the manifest of collected files does not have it: it is new, or nothing was collected
    return None


def folder() -> Path:
    """Return the folder of what can be made again; the cards stand in it under their names."""
    return Path(settings.CACHE_DIR)


def draw_missing(*, most: int | None = None) -> tuple[int, int]:
    """Draw the cards that are not there yet, at most ``most``; forget those nobody asks for. Return drawn and left."""
    wanted = cards()
    for path in folder().glob(f"{PREFIX}*.png"):
        if f"{PREFIX}{path.name}" not in {card.name for card in wanted}:
            path.unlink(missing_ok=True)
    missing = [card for card in wanted if not place(card).exists()]
    drawn = sum(keep(card) for card in missing[:most])
    return drawn, len(missing[most:] if most is not None else [])


def place(card: Card) -> Path:
    return folder() / card.name


def keep(card: Card) -> bool:
    """Draw a card into its place, whole or not at all. Return whether it can be drawn."""
    try:
        picture = draw(card)
    except Unwritable as problem:
        logger.warning("no card for %s: %s", card.name, problem)
        return False
    except OSError as error:
        logger.warning("no cards: %s", error)  # a Pillow without FreeType, or without brotli for the font
        return False
    place(card).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place(card).parent, suffix=".new", delete=False) as file:
        picture.save(file, "PNG")
    Path(file.name).chmod(0o644)
    Path(file.name).replace(place(card))
    return True


class CardFinder(BaseFinder):
    """Finds the cards for ``collectstatic``, which draws the newest that are missing on its way."""

    def find(self, path: str, find_all: bool = False, **_kwargs: Any) -> Any:
        # The development server asks for one file at a time, and for none of ours most of the time.
        card = next((card for card in cards() if card.name == path), None) if path.startswith(PREFIX) else None
        found = [str(place(card))] if card and (place(card).exists() or keep(card)) else []
        return found if find_all or not found else found[0]

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        _drawn, left = draw_missing(most=MOST_AT_A_START)
        if left:
            logger.warning("%d cards are not drawn yet: manage.py drawcards, then manage.py collectstatic", left)
        storage = FileSystemStorage(location=folder())
        for card in cards():
            if place(card).exists():
                yield card.name, storage


# --- drawing ---


def draw(card: Card) -> Image.Image:
    """Return the picture of a card. Raises Unwritable, and OSError where the font cannot be opened."""
    for text in (settings.SITE_NAME, card.title, card.date, card.topics):
        _check_letters(text)
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(picture)
    _draw_scale(pen)
    if card.date:
        _draw_post(picture, pen, card)
    else:
        _draw_site(picture, pen, card)
    return picture.quantize(palette=_palette(), dither=Image.Dither.NONE)


def lamp(size: int, *, ground: str | None = None, share: float = 1.0) -> Image.Image:
    """Return the burning pilot light of ``static/icons/favicon.svg``, ``share`` of a square that is ``size`` wide.

    With a ``ground`` the square is filled; else it is transparent around the lamp.
    """
    fine = 8 if size < 200 else 4
    whole = size * fine
    picture = Image.new("RGBA", (whole, whole), ground or "#00000000")
    pen = ImageDraw.Draw(picture)
    unit, edge = whole * share / 32, whole * (1 - share) / 2

    def at(points: Sequence[Point]) -> list[Point]:
        return [(edge + x * unit, edge + y * unit) for x, y in points]

    pen.ellipse([*at([(0, 0)])[0], *at([(32, 32)])[0]], fill=INK)
    pen.polygon(at(_FLAME), fill=FLAME)
    pen.polygon(at(_WICK), fill=INK)
    return picture.resize((size, size), Image.Resampling.LANCZOS)


def _draw_post(picture: Image.Image, pen: ImageDraw.ImageDraw, card: Card) -> None:
    mark = lamp(52)
    picture.paste(mark, (MARGIN, 76), mark)
    pen.text((MARGIN + 70, 102), settings.SITE_NAME, font=_font(34, 500), fill=INK, anchor="lm")
    size, lines = _set(card.title, width=WIDTH - 2 * MARGIN - 90, height=300)
    leading = round(size * 1.12)
    # The title hangs in the optical middle between the name and the rule.
    top = 176 + (308 - leading * len(lines)) // 2
    for number, line in enumerate(lines):
        pen.text((MARGIN - size * 0.04, top + number * leading), line, font=_font(size, 600), fill=INK)
    pen.line([(MARGIN, 520), (WIDTH - MARGIN - 60, 520)], fill=INK, width=3)
    pen.text((MARGIN, 560), card.date, font=_font(28, 500), fill=INK, anchor="lm")
    room = WIDTH - 2 * MARGIN - 60 - pen.textlength(card.date, font=_font(28, 500)) - 60
    if pen.textlength(card.topics, font=_font(28, 400)) <= room:
        pen.text((WIDTH - MARGIN - 60, 560), card.topics, font=_font(28, 400), fill=INK_SOFT, anchor="rm")


def _draw_site(picture: Image.Image, pen: ImageDraw.ImageDraw, card: Card) -> None:
    mark = lamp(176)
    picture.paste(mark, (MARGIN, 116), mark)
    size, lines = _set(card.title, width=WIDTH - 2 * MARGIN - 90, height=190, largest=176)
    for number, line in enumerate(lines):
        top = 316 + (200 - round(size * 1.12) * len(lines)) // 2 + number * round(size * 1.12)
        pen.text((MARGIN - size * 0.04, top), line, font=_font(size, 600), fill=INK)
    pen.line([(MARGIN, 540), (WIDTH - MARGIN - 60, 540)], fill=INK, width=3)


def _draw_scale(pen: ImageDraw.ImageDraw) -> None:
    """The scale of an instrument at the right edge, every fifth mark long."""
    for number, y in enumerate(range(75, HEIGHT - 74, 12)):
        whole = number % 5 == 0
        pen.line([(WIDTH - MARGIN - (18 if whole else 0), y), (WIDTH - MARGIN + 14, y)], INK if whole else LINE, 2)


def _set(title: str, *, width: int, height: int, largest: int = 112) -> tuple[int, list[str]]:
    """Return the largest size at which ``title`` fits, and its lines, about equally long."""
    for size in range(largest, 32, -4):
        lines = _lines(title, width / size)
        if len(lines) * size * 1.12 <= height and max(map(_ems, lines)) * size <= width:
            break
    narrower = lines
    for step in range(1, 50):
        tried = _lines(title, width / size * (1 - step / 100))
        if len(tried) > len(lines) or max(map(_ems, tried)) > width / size:
            break
        narrower = tried
    return size, narrower


def _lines(title: str, ems: float) -> list[str]:
    lines: list[str] = []
    for word in title.split(" "):  # a no-break space holds
        if lines and _ems(f"{lines[-1]} {word}") <= ems:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _ems(text: str) -> float:
    """Return how wide a text of the title is, in units of its size."""
    return _font(MEASURED_AT, 600).getlength(text) / MEASURED_AT


@lru_cache(maxsize=1)
def _palette() -> Image.Image:
    """Return every shade that a card needs: paper to ink, and ink to the flame."""
    ramps = [(PAPER, INK), (PAPER, INK_SOFT), (INK, FLAME)]
    colours = [
        round(start + (end - start) * step / (SHADES - 1))
        for first, second in ramps
        for step in range(SHADES)
        for start, end in zip(ImageColor.getrgb(first), ImageColor.getrgb(second), strict=True)
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colours, *ImageColor.getrgb(LINE)])
    return palette


@lru_cache(maxsize=64)
def _font(size: int, weight: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(_font_file(), size)
    font.set_variation_by_axes([weight])
    return font


def _font_file() -> Path:
    return Path(settings.BASE_DIR) / "static" / "fonts" / "brygada-1918.woff2"


def _check_letters(text: str) -> None:
    font = _font(28, 400)
    nothing = bytes(font.getmask("\uffff"))
    missing = sorted({letter for letter in text if not letter.isspace() and bytes(font.getmask(letter)) == nothing})
    if missing:
        raise Unwritable(f"{_font_file().name} has no {' '.join(missing)}")


def _named(name: str, *words: str) -> str:
    """Return the name of a card that carries ``words``: another name when a word, the font or the drawing changes."""
    digest = hashlib.sha256("\0".join([str(FORM), _font_digest(), *words]).encode()).hexdigest()
    return f"{PREFIX}{name}-{digest[:8]}.png"


@lru_cache(maxsize=1)
def _font_digest() -> str:
    return hashlib.sha256(_font_file().read_bytes()).hexdigest()


def _curve(start: Point, first: Point, second: Point, end: Point) -> list[Point]:
    """Return points on a cubic Bézier curve."""

    def between(place: float, axis: int) -> float:
        back = 1 - place
        return (
            back**3 * start[axis]
            + 3 * back**2 * place * first[axis]
            + 3 * back * place**2 * second[axis]
            + place**3 * end[axis]
        )

    return [(between(step / 24, 0), between(step / 24, 1)) for step in range(25)]


def _bowl(centre: Point, radius: float) -> list[Point]:
    """Return points on the lower half of a circle, from right to left."""
    return [
        (centre[0] + radius * math.cos(step * math.pi / 24), centre[1] + radius * math.sin(step * math.pi / 24))
        for step in range(25)
    ]


# The two paths of favicon.svg in its own units.
_FLAME = (
    _curve((16, 5.2), (16.5, 8.9), (22.6, 12.1), (22.6, 17.8))
    + _bowl((16, 17.8), 6.6)
    + _curve((9.4, 17.8), (9.4, 15.1), (10.8, 13.5), (12.1, 11.8))
    + _curve((12.1, 11.8), (12.5, 13.3), (13.1, 14.0), (14.0, 14.4))
    + _curve((14.0, 14.4), (13.7, 11.1), (14.6, 7.9), (16, 5.2))
)
_WICK = (
    _curve((16, 16.4), (16.3, 17.9), (18.2, 18.8), (18.2, 20.9))
    + _bowl((16, 20.9), 2.2)
    + _curve((13.8, 20.9), (13.8, 18.8), (15.7, 17.9), (16, 16.4))
)
