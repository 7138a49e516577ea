"""The system check of the calibration: what would make every question an error is said before the site serves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from chat import grounding

Figures = dict[str, dict[str, Any]]


def said() -> list[str]:
    return [str(message.msg) for message in run_checks() if message.id == "chat.E001"]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], None]:
    """Return a function that puts a calibration in place of the committed one."""

    def put(calibrated: Any) -> None:
        path = tmp_path / "calibration.json"
        path.write_text(calibrated if isinstance(calibrated, str) else json.dumps(calibrated), encoding="utf-8")
        monkeypatch.setattr(grounding, "CALIBRATION", path)

    return put


def committed() -> Figures:
    found: Figures = json.loads(grounding.CALIBRATION.read_text(encoding="utf-8"))
    return found


def test_the_committed_calibration_is_whole() -> None:
    assert said() == []


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["answerable", "pages_answerable", "verified_score", "verified_margin"])
def test_a_missing_threshold_is_named_with_its_language(
    figures: Callable[[Any], None], language: str, name: str
) -> None:
    calibrated = committed()
    del calibrated[language][name]
    figures(calibrated)

    assert said() == [f"chat/calibration.json: {name} of {language} is missing."]


@pytest.mark.parametrize("value", ["0.3", None, True, -0.1, 1.5, [0.3]])
def test_a_threshold_that_is_no_share_is_named(figures: Callable[[Any], None], value: Any) -> None:
    calibrated = committed()
    calibrated["fr"]["answerable"] = value
    figures(calibrated)

    assert said() == ["chat/calibration.json: answerable of fr is no number from 0 to 1."]


@pytest.mark.parametrize(
    ("calibrated", "problem"),
    [
        ("{", "cannot be read (JSONDecodeError)."),
        ({}, "holds no language."),
        ([], "holds no language."),
    ],
)
def test_a_file_without_thresholds_is_named(figures: Callable[[Any], None], calibrated: Any, problem: str) -> None:
    figures(calibrated)

    assert said() == [f"chat/calibration.json: {problem}"]


def test_a_language_without_a_calibration_is_no_error(figures: Callable[[Any], None]) -> None:
    figures({"en": committed()["en"]})

    assert said() == []
