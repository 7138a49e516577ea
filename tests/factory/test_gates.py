"""The gate for the AI Act, opened and closed: what machines can show, then what two people vouch for."""

import datetime
import json
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.models import User
from compliance import attestations, evidence, gates, literacy
from compliance.models import Attestation
from compliance.statements import statements
from factory import dataset, release
from inference import registry
from siteproject.stack.llama import WEIGHTS_SHA256

# What rests on runs against a model server: tests of their own have those.
RUNS = {"behaviour", "evaluation", "red-team"}
SHA = "ab" * 32
EVALUATION: dict[str, Any] = {
    "suite_sha256": SHA, "thresholds_sha256": SHA, "model": "wagmi-small", "weights_sha256": WEIGHTS_SHA256,
    "rung": "small", "language": "en", "n": 300, "metrics": [], "raw_sha256": SHA,
}  # fmt: skip
RED_TEAM: dict[str, Any] = {
    "tool": "own", "version": "1", "probes": [], "attempts": 1, "hits": 0, "positive_control": {},
    "thresholds_sha256": SHA,
}  # fmt: skip


@pytest.fixture
def registered(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default model, as the stack registers it."""
    monkeypatch.setitem(settings.LLM_CPU, "url", "http://127.0.0.1:9")
    monkeypatch.setitem(settings.LLM_CPU, "weights_sha256", WEIGHTS_SHA256)
    monkeypatch.setattr(settings, "LLM_CPU_PID_FILE", "llama.pid")
    registry.sync()


def closed() -> dict[str, str]:
    """Return what keeps the gate closed, but for the runs, with the reason."""
    found = {each.id: f"{each.state}: {each.reason}" for each in gates.run("ai-act") if each.state != "pass"}
    return {id: reason for id, reason in found.items() if id not in RUNS}


def unattested() -> set[str]:
    """Return the statements whose checks keep the gate closed."""
    return {each.id for each in statements() if attestations.outcome(each).state != "pass"}


def sign_everything(*people: User) -> None:
    """Let people sign each statement, in the roles that it asks for."""
    for each in statements():
        roles = each.roles or ("responsible",) * each.people
        for who, role in zip(people, roles, strict=False):
            attestations.attest(each.id, person=who, name=f"{who.email.partition('@')[0].title()} Example", role=role)


def test_the_gate_opens_when_two_people_have_attested_and_closes_when_one_takes_it_back(
    registered: None, dana: User
) -> None:
    erin = User.objects.create_user("erin@example.org", is_staff=True)
    fresh = closed()
    dataset.record(dataset.build())
    evidence.record("evaluation", EVALUATION)
    evidence.record("red_team", RED_TEAM)
    literacy.hold(held_on=datetime.date(2026, 11, 20), audience="everybody", content_version="2026-11", attendance=2,
                  owner="Dana Example", by=dana)  # fmt: skip
    release.record("2026.11")

    only_people = closed()
    sign_everything(dana)
    one_person = unattested()
    Attestation.objects.all().delete()
    sign_everything(dana, erin)
    opened = closed()
    row = Attestation.objects.filter(statement="impact-assessment").first()
    assert row
    attestations.withdraw(row, by=dana, reason="no_longer_true")

    named = {f"attested-{each.id}" for each in statements()}
    assert named < set(fresh)
    assert {reason.partition(":")[0] for reason in fresh.values()} == {"not_run"}, fresh
    assert set(only_people) == named
    assert one_person == {each.id for each in statements() if each.people == 2}
    assert opened == {}
    assert unattested() == {"impact-assessment"}


def test_every_check_that_rests_on_a_record_names_it(registered: None) -> None:
    written, _new = release.record("2026.11")
    said = StringIO()

    with pytest.raises(SystemExit):
        call_command("gate", "ai-act", "--json", stdout=said)

    found = json.loads(said.getvalue())
    assert list(found) == ["gate", "result", "note", "checks"]
    assert {tuple(check) for check in found["checks"]} == {("id", "result", "reason", "record")}
    records = {check["id"]: check["record"] for check in found["checks"]}
    assert {records[id] for id in records if id.startswith("artifact-")} == {written.number}
    assert records["model-family"] in written.body["models"]


def test_what_the_reference_asks_to_be_proven_is_a_check_of_the_gate() -> None:
    ids = {each.id for each in gates._gates.values() if "ai-act" in each.tags}

    assert {"ai-notice", "watermark", "training-set", "evaluation", "red-team", "processors", "gap-analysis",
            "model-family", "runtime", "artifact-weights", "artifact-dataset", "artifact-prompt", "artifact-index",
            "artifact-code", "artifact-locks", "artifact-thresholds", "chains-intact"} <= ids  # fmt: skip


def test_a_release_is_looked_at_while_it_is_up_and_its_pages_on_request() -> None:
    ids = {each.id for each in gates._gates.values() if "release" in each.tags}

    assert {"health", "chat-rounds", "page-audit"} <= ids
    assert [each.id for each in gates.optional()] == ["page-audit"]
