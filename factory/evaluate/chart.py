"""A run as a drawing: each metric a dot on a line from 0 to 100 %, with its interval and its bound; under it a table.

All looks come from the classes of ``static/css/chart.css``, as those of ``content.charts``.
"""

from collections.abc import Sequence

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from content.charts import figure
from factory.evaluate.report import ReportRow, Row

WIDTH = 640
LEFT, RIGHT = 16, 560  # 0 and 100 %
TALL, TOP = 40, 28  # of a metric; above the first


def chart(run: ReportRow, *, name: str, title: str) -> SafeString:
    """Return the figure of a run. ``name`` is a slug, unique on the page."""
    if not run.metrics:
        return format_html('<p class="chart-nothing">{}</p>', _("%(title)s: nothing to draw yet.") % {"title": title})
    base = TOP + TALL * len(run.metrics)
    drawing = format_html(
        '<svg class="chart" viewBox="0 0 {width} {tall}" role="img" aria-labelledby="{name}-title {name}-desc">\n'
        '<title id="{name}-title">{title}</title>\n<desc id="{name}-desc">{said}</desc>\n{axis}\n{rows}</svg>',
        width=WIDTH,
        tall=base + 28,
        name=name,
        title=title,
        said=_summary(run.metrics),
        axis=_axis(base),
        rows=format_html_join(
            "\n", "{}", ((_drawn(row, TOP + TALL * place),) for place, row in enumerate(run.metrics))
        ),
    )
    return figure(title, drawing, _table(run.metrics, title))


def verdict(row: Row) -> str:
    """Return what came of a metric, in the reader's language."""
    said = {"pass": pgettext("evaluation", "met"), "fail": pgettext("evaluation", "missed")}
    return said.get(row.verdict, pgettext("evaluation", "reported only"))


def _drawn(row: Row, y: float) -> SafeString:
    line = y + 26
    low, middle, high = (_x(value) for value in (row.low, row.value, row.high))
    limit = (
        format_html('<path class="c-limit" d="M{} {} V{}"/>', _at(_x(row.bound)), _at(line - 9), _at(line + 9))
        if row.bound is not None
        else SafeString("")
    )
    return format_html(
        '<text class="c-word" x="{left}" y="{words}">{title}</text>{limit}'
        '<path class="c-middle" d="M{low} {line} H{high}"/>'
        '<rect class="c-series-1" x="{dot}" y="{top}" width="8" height="8"/>'
        '<text class="c-tick" x="{end}" y="{figure}" text-anchor="end">{value}</text>',
        left=LEFT,
        words=_at(y + 12),
        title=row.title,
        limit=limit,
        low=_at(low),
        line=_at(line),
        high=_at(high),
        dot=_at(middle - 4),
        top=_at(line - 4),
        end=WIDTH - 8,
        figure=_at(line + 4),
        value=_percent(row.value),
    )


def _axis(base: float) -> SafeString:
    return format_html_join(
        "\n",
        '<path class="c-grid" d="M{0} {1} V{2}"/><text class="c-tick" x="{0}" y="{3}" text-anchor="middle">{4}</text>',
        ((_at(_x(at)), TOP - 8, base, base + 18, _percent(at, decimals=0)) for at in (0, 25, 50, 75, 100)),
    )


def _table(rows: Sequence[Row], title: str) -> SafeString:
    heads = (
        pgettext("evaluation", "share"),
        pgettext("evaluation", "from"),
        pgettext("evaluation", "to"),
        pgettext("evaluation", "bound"),
        pgettext("evaluation", "counted"),
        pgettext("evaluation", "of"),
        pgettext("evaluation", "result"),
    )
    body = format_html_join(
        "\n",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (
                row.title,
                format_html_join(
                    "",
                    '<td class="number">{}</td>',
                    (
                        (each,)
                        for each in (
                            _percent(row.value),
                            _percent(row.low),
                            _percent(row.high),
                            _bound(row),
                            row.hits,
                            row.n,
                            verdict(row),
                        )
                    ),
                ),
            )
            for row in rows
        ),
    )
    return format_html(
        '<div class="chart-frame" role="group" tabindex="0" aria-label="{}"><table class="chart-table">'
        "<caption>{}</caption>\n<thead><tr><td></td>{}</tr></thead>\n<tbody>\n{}\n</tbody></table></div>",
        _("Table"),
        title,
        format_html_join("", '<th scope="col" class="number">{}</th>', ((head,) for head in heads)),
        body,
    )


def _summary(rows: Sequence[Row]) -> str:
    missed = [row.title for row in rows if row.verdict == "fail"]
    facts = {"count": len(rows), "missed": len(missed)}
    return _("%(count)d metrics, %(missed)d of them beyond their bound. The table holds every figure.") % facts


def _bound(row: Row) -> str:
    if row.bound is None:
        return "–"
    return f"{'≥' if row.better == 'high' else '≤'} {_percent(row.bound)}"


def _x(percent: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(max(percent, 0.0), 100.0) / 100


def _at(number: float) -> SafeString:
    """Return a coordinate: always with a point, whatever the reader's language writes."""
    return mark_safe(f"{number:.1f}")  # noqa: S308  # a number of ours


def _percent(value: float, *, decimals: int = 1) -> str:
    return f"{number_format(round(value, decimals), decimal_pos=decimals)}\u00a0%"
