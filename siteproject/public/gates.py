"""What the operator's own files prove: who else handles data, and where we stand against the Code of Practice."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils import timezone

from compliance.gates import Failed, Outcome, Passed, gate
from compliance.tables import TableError
from siteproject.public import practice, processors


@gate("processors", tags={"release", "ai-act"}, title="every machine that gets data is listed with who runs it")
def processors_gate() -> Outcome:
    """Hold every host of the settings against the list. The reason names settings, not what is in them."""
    try:
        missing = processors.unlisted()
    except TableError as error:
        return Failed(str(error))
    if missing:
        return Failed(f"not listed: {_settings(missing)}")
    return Passed(f"{len(processors.outbound())} settings lead to {len(processors.listed().processor)} processors")


@gate("gap-analysis", tags={"release", "ai-act"}, title="each measure of the Code of Practice is answered this year")
def gap_gate() -> Outcome:
    """Read the committed analysis."""
    try:
        found = practice.read()
    except TableError as error:
        return Failed(str(error))
    problem = practice.problem(found, today=timezone.now().date())
    return Failed(problem) if problem else Passed(f"{len(found.measure)} measures, {found.version}")


@register()
def check_processors(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E020: the list of processors cannot be read. W021: a setting sends data to a host that is not on it."""
    hint = "docs/transparency.md shows what the file named by PROCESSORS_FILE has to say."
    try:
        missing = processors.unlisted()
    except TableError as error:
        return [Error(str(error), hint=hint, id="siteproject.E020")]
    if settings.DEBUG or not missing:
        return []
    return [Warning(f"{_settings(missing)}: the host is on no list of processors.", hint=hint, id="siteproject.W021")]


def _settings(missing: Sequence[processors.Outbound]) -> str:
    return ", ".join(each.setting for each in missing)
