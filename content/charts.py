"""Charts drawn on the server: an SVG that follows the scheme, and under it a table that holds every figure.

All looks come from the classes of ``static/css/chart.css``; the page that shows a chart links that sheet.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

WIDTH = 640
LEFT, RIGHT, TOP, BASE = 56, 624, 32, 208  # the field inside the axes
LABELS = 8  # as many words as fit under the field
KINDS = 5  # fills that can be told apart without colour: chart.css and _patterns


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    *,
    name: str,
    title: str,
    column: str,
    unit: str = "",
    limit: float | None = None,
    decimals: int = 0,
) -> SafeString:
    """Return a figure with one bar for each label.

    ``name`` is a slug, unique on the page, ``column`` says what the values are, in a word; ``limit`` draws a dashed
    line. Values are 0 or more.
    """
    return stacked_bars(labels, {column: values}, name=name, title=title, unit=unit, limit=limit, decimals=decimals)


def stacked_bars(
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    name: str,
    title: str,
    unit: str = "",
    limit: float | None = None,
    decimals: int = 0,
) -> SafeString:
    """Return a figure with one bar for each label, cut into up to five series, the first at the bottom."""
    if len(series) > KINDS:
        raise ValueError(f"at most {KINDS} series can be told apart")
    if not labels:
        return _nothing(title)
    totals = [math.fsum(parts) for parts in zip(*series.values(), strict=True)]
    top = _ceiling(max([*totals, limit or 0.0]))
    pitch = (RIGHT - LEFT) / len(labels)
    drawn = []
    for place, parts in enumerate(zip(*series.values(), strict=True)):
        below = 0.0
        for kind, value in enumerate(parts, start=1):
            if value > 0:
                low, high = _height(below, top), _height(below + value, top)
                drawn.append((LEFT + pitch * (place + 0.1), high, pitch * 0.8, low - high, name, kind))
            below += value
    shapes = format_html_join(
        "\n",
        '<rect class="c-series-{5}" x="{0}" y="{1}" width="{2}" height="{3}" fill="url(#{4}-{5})"/>',
        ((*(_at(number) for number in each[:4]), *each[4:]) for each in drawn),
    )
    middles = [LEFT + pitch * (place + 0.5) for place in range(len(labels))]
    legend = _legend(name, list(series)) if len(series) > 1 else SafeString("")
    field = [_axes(labels, middles, top=top, unit=unit), shapes, _limit(limit, top, decimals), legend]
    columns = dict(series) if len(series) == 1 else {**series, _("together"): totals}
    said = _summary(labels, totals, unit=unit, decimals=decimals)
    tall = BASE + 40 + (24 * math.ceil(len(series) / 3) if len(series) > 1 else 0)
    drawing = _svg([_patterns(name, len(series)), *field], name=name, title=title, said=said, tall=tall)
    return figure(title, drawing, _table(labels, columns, title=title, unit=unit, decimals=decimals))


def quantile_band(
    labels: Sequence[str],
    low: Sequence[float],
    middle: Sequence[float],
    high: Sequence[float],
    *,
    name: str,
    title: str,
    columns: tuple[str, str, str],
    unit: str = "",
    limit: float | None = None,
    decimals: int = 0,
) -> SafeString:
    """Return a figure with a line through the middle values and a band from the low to the high ones.

    ``columns`` says what the three are, as in ("p5", "median", "p95").
    """
    if not labels:
        return _nothing(title)
    top = _ceiling(max([*high, limit or 0.0]))
    pitch = (RIGHT - LEFT) / len(labels)
    middles = [LEFT + pitch * (place + 0.5) for place in range(len(labels))]
    upper = _points(middles, high, top)
    lower = _points(middles[::-1], low[::-1], top)
    band = format_html('<path class="c-band" d="M{} L{} Z"/>', upper, lower)
    line = format_html('<path class="c-middle" d="M{}"/>', _points(middles, middle, top))
    said = _summary(labels, middle, unit=unit, decimals=decimals)
    field = [_axes(labels, middles, top=top, unit=unit), band, line, _limit(limit, top, decimals)]
    drawing = _svg(field, name=name, title=title, said=said, tall=BASE + 40)
    table = _table(
        labels, dict(zip(columns, (low, middle, high), strict=True)), title=title, unit=unit, decimals=decimals
    )
    return figure(title, drawing, table)


def standalone(chart: str) -> str:
    """Return the drawing of a figure as an SVG file with its looks inside, for a browser to open."""
    found = re.search(r"<svg.*</svg>", chart, re.DOTALL)
    if not found:
        raise ValueError("no drawing in this figure")
    folder = Path(settings.BASE_DIR) / "static" / "css"
    looks = "\n".join((folder / f"{sheet}.css").read_text() for sheet in ("tokens", "chart"))
    # A file has no page around it that would give it paper.
    looks += "\n:root { background: var(--paper); font-family: var(--voice); }"
    head, body = found[0].split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style><![CDATA[\n{looks}\n]]></style>{body}\n'


def _svg(parts: Sequence[str], *, name: str, title: str, said: str, tall: int) -> SafeString:
    return format_html(
        '<svg class="chart" viewBox="0 0 {width} {tall}" role="img" aria-labelledby="{name}-title {name}-desc">\n'
        '<title id="{name}-title">{title}</title>\n<desc id="{name}-desc">{said}</desc>\n{parts}</svg>',
        width=WIDTH,
        tall=tall,
        name=name,
        title=title,
        said=said,
        parts=format_html_join("", "{}\n", ((part,) for part in parts if part)),
    )


def figure(title: str, drawing: SafeString, table: SafeString) -> SafeString:
    """Return a drawing under its title, with its figures as a table behind one press."""
    return format_html(
        '<figure class="chart-figure">\n<figcaption>{}</figcaption>\n'
        '<div class="chart-frame" role="group" tabindex="0" aria-label="{}">{}</div>\n'
        '<details class="chart-details"><summary>{}</summary>\n{}</details>\n</figure>',
        title,
        _("Chart"),
        drawing,
        _("The figures as a table"),
        table,
    )


def _nothing(title: str) -> SafeString:
    return format_html('<p class="chart-nothing">{}</p>', _("%(title)s: nothing to draw yet.") % {"title": title})


def _table(
    labels: Sequence[str], columns: Mapping[str, Sequence[float]], *, title: str, unit: str, decimals: int
) -> SafeString:
    heads = format_html_join("", '<th scope="col" class="number">{}</th>', ((column,) for column in columns))
    rows = format_html_join(
        "\n",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (
                label,
                format_html_join("", '<td class="number">{}</td>', ((_figures(value, decimals),) for value in values)),
            )
            for label, *values in zip(labels, *columns.values(), strict=True)
        ),
    )
    return format_html(
        '<div class="chart-frame" role="group" tabindex="0" aria-label="{}"><table class="chart-table">'
        "<caption>{}</caption>\n<thead><tr><td></td>{}</tr></thead>\n"
        "<tbody>\n{}\n</tbody></table></div>",
        _("Table"),
        _with_unit(title, unit),
        heads,
        rows,
    )


def _summary(labels: Sequence[str], values: Sequence[float], *, unit: str, decimals: int) -> str:
    """Say in a sentence what the eye takes from the drawing first."""
    place = max(range(len(values)), key=lambda index: values[index])
    facts = {
        "first": labels[0],
        "last": labels[-1],
        "most": _with_unit(_figures(values[place], decimals), unit),
        "where": labels[place],
    }
    return _("From %(first)s to %(last)s. Highest: %(most)s, at %(where)s. The table holds every figure.") % facts


def _axes(labels: Sequence[str], middles: Sequence[float], *, top: float, unit: str) -> SafeString:
    steps = [top * step / 4 for step in range(5)]
    places = max(0, 1 - math.floor(math.log10(top / 4))) if top / 4 != round(top / 4) else 0
    lines = format_html_join(
        "\n",
        '<path class="c-grid" d="M{} {} H{}"/><text class="c-tick" x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (LEFT, _at(_height(step, top)), RIGHT, LEFT - 8, _at(_height(step, top) + 4), _figures(step, places))
            for step in steps
        ),
    )
    every = math.ceil(len(labels) / LABELS)
    words = format_html_join(
        "\n",
        '<text class="c-tick" x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (_at(x), BASE + 20, label)
            for place, (x, label) in enumerate(zip(middles, labels, strict=True))
            if place % every == 0
        ),
    )
    head = format_html('<text class="c-tick" x="{}" y="{}">{}</text>', 8, TOP - 16, unit) if unit else SafeString("")
    return format_html("{}\n{}\n{}", lines, words, head)


def _limit(limit: float | None, top: float, decimals: int) -> SafeString:
    if limit is None:
        return SafeString("")
    y = _height(limit, top)
    said = _("limit %(figure)s") % {"figure": _figures(limit, decimals)}
    return format_html(
        '<path class="c-limit" d="M{} {} H{}"/><text class="c-tick" x="{}" y="{}" text-anchor="end">{}</text>',
        LEFT,
        _at(y),
        RIGHT,
        RIGHT,
        _at(y - 6),
        said,
    )


def _legend(name: str, words: Sequence[str]) -> SafeString:
    """Return a row of three entries for each three series, each with its fill."""
    return format_html_join(
        "\n",
        '<rect class="c-series-{kind}" x="{x}" y="{y}" width="14" height="14" fill="url(#{name}-{kind})"/>'
        '<text class="c-word" x="{after}" y="{line}">{word}</text>',
        (
            {
                "kind": place + 1,
                "x": LEFT + 192 * (place % 3),
                "y": BASE + 40 + 24 * (place // 3),
                "after": LEFT + 192 * (place % 3) + 22,
                "line": BASE + 52 + 24 * (place // 3),
                "name": name,
                "word": word,
            }
            for place, word in enumerate(words)
        ),
    )


def _patterns(name: str, count: int) -> SafeString:
    """Return the hatched and the dotted fill; the sheet sets the plain ones over the attribute."""
    marks = {2: "M0 6 L6 0 M-1 1 L1 -1 M5 7 L7 5", 4: "M3 2.9 V3.1"}
    return format_html_join(
        "\n",
        '<pattern id="{}-{}" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<path class="c-mark-{}" d="{}"/></pattern>',
        ((name, kind, kind, path) for kind, path in marks.items() if kind <= count),
    )


def _points(across: Sequence[float], values: Sequence[float], top: float) -> str:
    return " L".join(f"{_at(x)} {_at(_height(value, top))}" for x, value in zip(across, values, strict=True))


def _ceiling(most: float) -> float:
    """Return the end of the axis: the next of 1, 2, 4, 8 times a power of ten, so that its quarters are round."""
    if most <= 0:
        return 4.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 8, 10, 20) if step * power >= most)


def _height(value: float, top: float) -> float:
    return BASE - (BASE - TOP) * min(max(value, 0.0), top) / top


def _at(number: float) -> SafeString:
    """Return a coordinate: always with a point, whatever the reader's language writes."""
    return mark_safe(f"{number:.1f}")  # noqa: S308  # a number of ours


def _figures(value: float, decimals: int) -> str:
    return number_format(round(value, decimals), decimal_pos=decimals, force_grouping=True)


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit})" if unit else words
