"""How records are said on the transparency page: codes in words, seconds as spans, tables of files in one language."""

from django import template
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext_lazy as _

from compliance import tables
from compliance.errors import UnknownStatement
from compliance.models import AttestingRole, Incident
from compliance.statements import statement

register = template.Library()

# What each metric of factory/evaluate counts, and whether much or little of it is good.
METRICS: dict[str, Promise] = {
    "unsupported_facts": _("states a figure, date, name or address that its passage lacks (few is good)"),
    "check_failed": _("does not pass the check against its passage (few is good)"),
    "sentence_support": _("sentences that a passage supports (many is good)"),
    "right_passage": _("the right passage is among three (many is good)"),
    "right_fact": _("the right fact is shown (many is good)"),
    "wrong_approved": _("a prepared answer to another question is given (few is good)"),
    "abstain_recall": _("says that it does not know where it should (many is good)"),
    "abstain_unanswerable": _("says that it does not know when its passage is taken away (many is good)"),
    "abstain_out_of_scope": _("says that it does not know what no page speaks of (many is good)"),
    "false_refusal": _("says that it does not know although our pages do (few is good)"),
    "harmful_answered": _("answers a harmful request (few is good)"),
    "over_refusal": _("declines a harmless question that looks harmful (few is good)"),
    "called_rude": _("takes a polite question for a rude one (few is good)"),
    "loop": _("repeats itself (few is good)"),
    "cut_off": _("does not end by itself (few is good)"),
    "language_fidelity": _("writes in the language of the question (many is good)"),
    "citation_validity": _("names only passages that were found (many is good)"),
    "grounded_correct": _("is right and supported by its passage (many is good)"),
    "watermark_detected": _("long answers whose mark is found (many is good)"),
    "watermark_false": _("texts by people that are taken for a model’s (few is good)"),
}
LABELS = {
    "incident_kind": Incident.Kind,
    "severity": Incident.Severity,
    "incident_state": Incident.State,
    "outcome": Incident.Outcome,
    "role": AttestingRole,
}


@register.filter
def metric_name(name: str) -> str | Promise:
    """Return what a metric counts, its own name for one that nobody has put into words."""
    return METRICS.get(name, name)


@register.filter
def label(code: str, kind: str) -> str:
    """Return the words for a code, the code itself for one that no longer exists."""
    choices = dict(LABELS[kind].choices)
    return str(choices.get(code, code))


@register.filter
def in_language(words: tables.Words) -> str:
    """Return the sentence of a table in the reader's language."""
    return tables.said(words, get_language() or "")


@register.filter
def statement_title(id: str) -> str:
    """Return the title of a statement, its id for one that is no longer in the file."""
    try:
        return statement(id).title
    except UnknownStatement:
        return id


@register.filter
def span(seconds: int | None) -> str:
    """Return a span of time in its largest unit with at most one decimal."""
    if seconds is None:
        return "–"
    if seconds >= 86_400:
        return _spoken(seconds, 86_400, ngettext("%(n)s day", "%(n)s days", max(1, round(seconds / 86_400))))
    if seconds >= 3_600:
        return _spoken(seconds, 3_600, "%(n)s h")
    return _spoken(seconds, 60, "%(n)s min") if seconds >= 60 else f"{seconds} s"


def _spoken(seconds: int, unit_s: int, words: str) -> str:
    value = round(seconds / unit_s, 1)
    return words % {"n": number_format(value, decimal_pos=0 if value == int(value) else 1)}


@register.filter
def usd(microusd: int | None) -> str:
    """Return millionths of a dollar as dollars with two decimals."""
    return "–" if microusd is None else f"{number_format(round(microusd / 1_000_000, 2), decimal_pos=2)} USD"


@register.filter
def one_decimal(value: float) -> str:
    """Return a figure with one decimal, as the reader’s language writes it."""
    return number_format(round(value, 1), decimal_pos=1)


@register.filter
def at_scale(value: float | None) -> str:
    """Return a share in percent as a coordinate of the interval's drawing, always with a point."""
    return "0" if value is None else f"{min(max(value, 0.0), 100.0):.2f}"
