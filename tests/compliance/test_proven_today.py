"""The checks that the apps register: what they prove, and that they notice when it is no longer so."""

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from chat.gates import notice_gate, problems_of
from compliance import gates
from compliance.gates import Failed, NotRun, Passed
from compliance.heads import chains_gate
from content.gates import content_gate
from inference.gates import watermark_gate
from inference.models import Hardware, Model, Tier
from siteproject.gates import migrations_gate, system_checks_gate, weights_gate
from tests.compliance.conftest import Edit

NOTICE = '<p id="ai-notice">You are talking to an AI.</p>'
BOX = '<textarea name="question" aria-describedby="ai-notice"></textarea>'

PROVEN = {"ai-notice", "chains-intact", "watermark", "weights"}
NOT_YET = {"artifact-weights", "attested-classification", "evaluation", "red-team", "training-set"}


def test_the_gate_for_the_ai_act_says_what_is_proven_and_what_is_not(records: None) -> None:
    Model.objects.create(public_id="wagmi-small", name="small", tier=Tier.SMALL, hardware=Hardware.CPU,
                         languages=["en"], context_tokens=1024, max_output_tokens=200)  # fmt: skip

    results = gates.run("ai-act")

    by_state = {state: {each.id for each in results if each.state == state} for state in ("pass", "fail", "not_run")}
    assert by_state["pass"] >= PROVEN
    assert by_state["not_run"] >= NOT_YET
    assert not gates.passed(results)


def test_the_gate_of_a_release_looks_at_content_migrations_translations_and_settings() -> None:
    ids = {each.id for each in gates._gates.values() if "release" in each.tags}

    assert {"content-sound", "migrations", "translations", "system-checks"} <= ids


def test_every_chat_page_passes(db: None) -> None:
    assert notice_gate() == Passed("/chat/, /live/en/chat/, /fr/chat/, /live/fr/chat/")


def test_the_pages_are_looked_at_as_a_visitor_gets_them(db: None, client: Client) -> None:
    for path in ("/chat/", "/fr/chat/"):
        assert not problems_of(client.get(path).content.decode())


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        (BOX, "no notice before the question field"),
        (BOX + NOTICE, "no notice before the question field"),
        ('<p id="ai-notice"> </p>' + BOX, "no notice before the question field"),
        (NOTICE, "no question field"),
        (NOTICE + '<textarea name="question"></textarea>', "the question field is not described by the notice"),
        ('<p id="ai-notice" hidden>You are talking to an AI.</p>' + BOX, "the notice is hidden"),
        (f"<details><summary>About</summary>{NOTICE}</details>{BOX}", "the notice is hidden"),
        (f"<template>{NOTICE}</template>{BOX}", "the notice is hidden"),
        ('<div aria-hidden="true"><div>' + NOTICE + "</div></div>" + BOX, "the notice is hidden"),
        (
            '<p id="ai-notice">You are talking to an AI. <button>Close</button></p>' + BOX,
            "the notice holds a control, so it may be dismissed",
        ),
    ],
)
def test_a_page_that_does_not_say_so_in_time_is_found(html: str, problem: str) -> None:
    assert problem in problems_of(f"<html><body><br>{html}</body></html>")


def test_a_page_that_says_so_has_no_problem() -> None:
    assert problems_of(f'<ul><li>one<li>two</ul><div hidden>more</div><form>{NOTICE}<img src="x">{BOX}</form>') == []


def test_a_model_that_may_write_long_answers_unmarked_fails(db: None) -> None:
    assert isinstance(watermark_gate(), NotRun)

    Model.objects.create(public_id="wagmi-large", name="large", tier=Tier.LARGE, hardware=Hardware.CPU,
                         languages=["en"], context_tokens=4096, max_output_tokens=800)  # fmt: skip

    assert watermark_gate() == Failed("wagmi-large may write 800")


def test_a_broken_chain_fails(records: None, edit: Edit) -> None:
    edit("compliance_auditentry", "UPDATE {table} SET actor = 'operator' WHERE number = 2")

    assert chains_gate() == Failed("audit: record 2 was changed")


def test_weights_that_are_not_the_pinned_ones_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(weights_gate(), Passed)

    monkeypatch.setattr("siteproject.gates.WEIGHTS_SHA256", "0" * 64)

    assert isinstance(weights_gate(), Failed)


def test_weights_on_a_server_of_somebody_else_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.LLM_CPU, "url", "http://192.0.2.1:8080")

    assert isinstance(weights_gate(), NotRun)


def test_a_document_that_is_not_sound_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pages" / "broken").mkdir(parents=True)
    (tmp_path / "pages" / "broken" / "en.md").write_text("no front matter")
    monkeypatch.setattr(settings, "CONTENT_DIR", tmp_path)

    assert isinstance(content_gate(), Failed)


def test_migrations_are_complete_and_settings_for_loopback_are_no_deployment(db: None) -> None:
    assert isinstance(migrations_gate(), Passed)

    deployment = system_checks_gate()

    assert isinstance(deployment, Failed)
    assert "security.W" in deployment.reason
