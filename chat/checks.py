"""Start-up check of the calibration: without a threshold every question of its language would end in an error."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from chat import grounding

HINT = "Write chat/calibration.json with python -m bench.answers --calibrate, or take the committed one."


@register
def check_calibration(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E001: chat/calibration.json cannot be read, or a language in it lacks a threshold between 0 and 1."""
    return [Error(f"chat/calibration.json: {problem}", hint=HINT, id="chat.E001") for problem in _problems()]


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
