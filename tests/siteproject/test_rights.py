"""What a model may do beyond writing: nothing today, and nothing tomorrow without the records of its oversight."""

from pathlib import Path
from typing import Any

import pytest

from compliance import evidence
from compliance.gates import Failed, Passed
from inference import registry, rights
from inference.gates import rights_gate
from inference.models import Tier
from inference.registry import declared

GIVEN = 'allowed = ["large"]\nneeds = ["red_team", "oversight"]'


@pytest.fixture
def table(tmp_path: Path) -> rights.Rights:
    """A table in which somebody lets the large model search the web."""
    path = tmp_path / "rights.toml"
    before, here, after = rights.FILE.read_text().partition("[rights.search_web]")
    path.write_text(before + here + after.replace('allowed = []\nneeds = ["red_team", "oversight"]', GIVEN, 1))
    return rights.read(path)


@pytest.mark.django_db
def test_today_no_model_has_any_right_and_the_gate_passes() -> None:
    assert not any(rights.may(tier, right) for tier in Tier for right in rights.read().rights)
    assert isinstance(rights_gate(), Passed)


@pytest.mark.django_db
def test_a_tool_for_the_large_model_fails_until_its_oversight_is_on_record(table: rights.Rights) -> None:
    [problem] = rights.ungranted([], table=table)
    assert problem == "large: search_web is granted without a record of red_team, oversight"
    assert not rights.may("large", "search_web", table=table)

    about = {"tier": "large", "right": "search_web"}
    evidence.record("oversight", {**about, "measure": "each search is shown before it is sent"})
    assert rights.ungranted([], table=table) == ["large: search_web is granted without a record of red_team"]
    run = {"tool": "own", "version": "1", "probes": [], "attempts": 40, "hits": 0, "positive_control": True}
    evidence.record("red_team", {**run, **about, "thresholds_sha256": "0" * 64})

    assert rights.ungranted([], table=table) == []
    assert rights.may("large", "search_web", table=table)
    assert not rights.may("small", "search_web", table=table)


@pytest.mark.django_db
def test_a_capability_from_the_environment_without_its_right_is_not_given_and_closes_the_gate(settings: Any) -> None:
    settings.LLM_GPU = settings.LLM_GPU | {"url": "https://gpu.example.org", "capabilities": ["search_web", "fly"]}
    settings.LLM_GPU_DRIVER = "start_stop"

    [large] = [one for one in declared() if one.tier == Tier.LARGE]

    assert large.capabilities == ()
    assert rights_gate() == Failed(
        "large: search_web is declared and not granted; large: fly is declared and not granted"
    )


def test_a_right_that_would_rest_on_nothing_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "rights.toml"
    path.write_text(rights.FILE.read_text().replace('needs = ["evaluation", "oversight"]', "needs = []", 1))

    with pytest.raises(rights.TableError, match="answers_beyond_pages needs no record"):
        rights.read(path)


def test_a_table_that_is_broken_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rights.toml"
    path.write_text("no table")
    with pytest.raises(rights.TableError):
        rights.read(path)

    assert rights.granted("large", ["search_web"]) == ()
    assert registry.rights is rights
