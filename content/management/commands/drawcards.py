"""Draws the pictures that stand for posts where their addresses are shared."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from content.cards import INK, draw_missing, lamp


class Command(BaseCommand):
    help = "Draw the cards that are missing under var/cache/cards; collectstatic serves them. What is there stays."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--icons", action="store_true", help="draw static/icons/icon-*.png, too")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        drawn, _left = draw_missing()
        self.stdout.write(f"{drawn} drawn")
        if options["icons"]:
            _draw_icons(Path(settings.BASE_DIR) / "static" / "icons")


def _draw_icons(folder: Path) -> None:
    """A maskable icon may be cut to a circle of 80 % of its width; ours stands within that."""
    for size in (192, 512):
        lamp(size).quantize(64).save(folder / f"icon-{size}.png", optimize=True)
    masked = lamp(512, ground=INK, share=0.92).convert("RGB")
    masked.quantize(64).save(folder / "icon-maskable-512.png", optimize=True)
