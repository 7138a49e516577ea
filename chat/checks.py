"""Start-up checks of what answers and promises rest on.

Without a threshold every question of its language would end in an error; with a period out of its bounds, sentences
that readers are shown would be untrue.
"""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from chat import grounding

# The least and the most that is promised: texts of a flag for 30 days at most, corrections everywhere within 60 s.
BOUNDS = {
    "FLAG_RETENTION_DAYS": (1, 30),
    "FLAG_DECIDED_KEPT_HOURS": (1, 30 * 24),
    "FLAG_LOCK_S": (1, 24 * 3600),
    "CONTACT_RETENTION_DAYS": (1, 10 * 366),
    "CORRECTIONS_RENEW_S": (0, 50),
}
HINT = "Write chat/calibration.json with python -m bench.answers --calibrate, or take the committed one."


@register
def check_calibration(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E001: chat/calibration.json cannot be read, or a language in it lacks a threshold between 0 and 1."""
    return [Error(f"chat/calibration.json: {problem}", hint=HINT, id="chat.E001") for problem in _problems()]


@register
def check_periods(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E002: a period of flags, corrections or messages is not what people are told."""
    return [
        Error(f"{name} is {value}.", hint=f"Set it to {least} to {most}.", id="chat.E002")
        for name, (least, most) in BOUNDS.items()
        if not least <= (value := getattr(settings, name)) <= most
    ]


def _problems() -> list[str]:
    try:
        calibrated = json.loads(grounding.CALIBRATION.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [f"cannot be read ({type(error).__name__})."]
    if not isinstance(calibrated, dict) or not calibrated:
        return ["holds no language."]
    # A language that is not in the file is answered by the strictest thresholds of the others.
    return [
        f"{field.name} of {language} {what}."
        for language, figures in calibrated.items()
        for field in fields(grounding.Thresholds)
        if (what := _problem(figures, field.name))
    ]


def _problem(figures: Any, name: str) -> str | None:
    if not isinstance(figures, dict) or name not in figures:
        return "is missing"
    value = figures[name]
    # True and False are numbers to Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return "is no number from 0 to 1"
    return None
