"""The transparency page: everything from records, nothing hidden where there is none, readable while parts are away."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from compliance import chain, evidence, heads, incidents
from compliance.models import EvidenceRecord
from compliance.statements import statement as find
from inference.facts import live as live_facts
from inference.models import Hardware, Model, Tier
from siteproject.public import recorded, transparency

PAGE = "/live/en/transparency/"
SHA = "5" * 64
NOTHING = [
    "No model card is on record.",
    "No release is on record.",
    "No deletion is on record.",
    "No evaluation is on record.",
    "No run is on record.",
    "No flag was received in this time.",
    "No incident is on record.",
    "No attestation is on record.",
    "No run of a gate is on record.",
    "No check of the chains is on record.",
    "Nobody but the operator",
]


@pytest.fixture(autouse=True)
def read_afresh() -> Iterator[None]:
    """Let no test see what another one's process remembers."""
    for each in (transparency.kept, live_facts):
        each.forget()
    yield
    for each in (transparency.kept, live_facts):
        each.forget()


def put_on_record() -> None:
    """One record of each kind that the page shows."""
    Model.objects.create(
        public_id="wagmi-small", name="small", tier=Tier.SMALL, hardware=Hardware.CPU, languages=["en"],
        context_tokens=1024, max_output_tokens=200, weights_sha256=SHA,
    )  # fmt: skip
    base = {"name": "A base <b>model</b>", "licence": "Apache-2.0", "source": "https://example.org/base"}
    card = evidence.record("model", {
        "public_id": "wagmi-small", "weights_sha256": "6" * 64, "base": base, "parameters": 135_000_000,
        "training": {"compute_flop": "0", "ratio_ppm": "0"}, "digest": "checked", "tier": "small",
    })  # fmt: skip
    evidence.record("release", {"name": "2026.11", "artifacts": {"prompt": {"sha256": SHA}}, "models": [card.number]})
    metric = {"name": "loop", "value_ppm": 12_600, "low_ppm": 4_000, "high_ppm": 38_000, "threshold_ppm": 20_000}
    about = {"suite_sha256": SHA, "thresholds_sha256": SHA, "raw_sha256": SHA, "weights_sha256": SHA}
    for rung, value in (("small", 700_000), ("small", 12_600)):
        metrics = [metric | {"value_ppm": value, "verdict": "pass", "n": 80}]
        said = {"model": "wagmi-small", "rung": rung, "language": "en", "n": 301, "metrics": metrics}
        evidence.record("evaluation", about | said)
    probes = [{"id": "own.void", "attempts": 4, "hits": 0, "void": True}, {"id": "own.hit", "attempts": 6, "hits": 1}]
    run = {"tool": "own", "version": "1", "probes": probes, "attempts": 10, "hits": 1, "positive_control": {}}
    evidence.record("red_team", run | {"thresholds_sha256": SHA, "slice": "ci"})
    evidence.record("retention", {"deleted_messages": 7, "deleted_conversations": 2, "oldest_remaining_s": 180_000})
    evidence.record("retention", {"deleted_messages": 5, "deleted_conversations": 1, "oldest_remaining_s": None})
    attested(days=30, id="one", statement="classification")
    attested(days=-1, id="two", statement="prohibited-practices")
    attested(days=30, id="three", statement="literacy")
    evidence.record("attestation_withdrawn", {
        "attestation": "three", "statement": "literacy", "reason": "no_longer_true", "withdraws": f"1:{SHA}",
    })  # fmt: skip
    checks = [{"id": "weights", "result": "pass", "reason": ""}, {"id": "red-team", "result": "not_run", "reason": ""}]
    evidence.record("gate", {"gate": "ai-act", "result": "not_run", "note": "no certificate", "checks": checks})
    incident = incidents.open_incident(kind="outage", severity="low", source="staff", by="operator")
    type(incident).objects.update(summary_en="The chat was away.", summary_fr="La discussion était absente.")
    heads.check_now()


def attested(*, days: int, id: str, statement: str) -> None:
    """Write that somebody vouches for a statement about the newest release."""
    expires_on = (timezone.now() + datetime.timedelta(days=days)).date().isoformat()
    said = {"attestation": id, "statement": statement, "role": "reviewer", "person": id, "expires_on": expires_on}
    release = recorded.release()
    assert release
    signed = {"statement_sha256": find(statement).sha256, "signed_off": release.head}
    evidence.record("attestation", said | signed)


@pytest.mark.django_db(transaction=True)
def test_a_fresh_site_says_of_each_part_that_nothing_is_on_record(client: Client) -> None:
    response = client.get(PAGE)

    html = response.content.decode()
    assert response.status_code == 200
    assert [words for words in NOTHING if words not in html] == []
    assert "This part cannot be read" not in html
    assert response.headers["Cache-Control"] == "public, max-age=60"
    assert not response.cookies


@pytest.mark.django_db(transaction=True)
def test_what_is_on_record_is_shown_with_its_number_and_given_out_as_json(client: Client) -> None:
    put_on_record()

    said = client.get("/api/transparency").json()["records"]
    html, french = (client.get(f"/live/{language}/transparency/").content.decode() for language in ("en", "fr"))

    [card] = said["models"]
    assert (card["registered"]["enabled"], card["registered"]["same_weights"]) == (True, False)
    assert "A base &lt;b&gt;model&lt;/b&gt;" in html and "The registry holds other weights" in html
    [run] = said["evaluations"]
    assert (run["metrics"][0]["value_ppm"], run["metrics"][0]["n"], run["record"]) == (12_600, 80, 4)
    assert "1.3%" in html and "1,3" in french and "record 4" in html
    [attempts] = said["red_team"]
    assert (attempts["hits"], attempts["void"], attempts["name"]) == (1, 1, "ci")
    retention = said["retention"]
    assert (retention["deleted_messages"], retention["all_messages"], retention["all_conversations"]) == (5, 12, 3)
    states = {row["statement"]: row["state"] for row in said["attestations"]}
    assert states == {"classification": "valid", "prohibited-practices": "expired", "literacy": "withdrawn"}
    # Two people must vouch for the classification, one did.
    assert {"classification", "prohibited-practices", "literacy"} <= set(said["unattested"])
    [gate] = said["gates"]
    assert (gate["result"], gate["blocking"]) == ("not_run", ["red-team"])
    assert "The chat was away." in html and "La discussion était absente." in french
    assert said["head"]["evidence"] in html and said["head"]["intact"] is True
    assert said["flags"]["days"] == 90 and said["flags"]["upheld_share"] is None
    assert [words for words in NOTHING[:5] if words in html] == []


@pytest.mark.django_db
def test_what_was_signed_for_an_earlier_release_counts_for_nobody(client: Client) -> None:
    for name in ("2026.11", "2026.12"):
        evidence.record("release", {"name": name, "artifacts": {}, "models": []}, release=name)
        attested(days=30, id=f"the same person for {name}", statement="classification")

    rows = recorded.attestations(timezone.now().date())

    assert sorted(row.state for row in rows) == ["superseded", "valid"]
    assert "classification" in recorded.unattested(rows)


@pytest.mark.django_db(transaction=True)
def test_one_part_that_cannot_be_read_leaves_the_others(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # The table that another version of the software left behind.
    monkeypatch.setattr(transparency.figures, "figures", broken)

    html = client.get(PAGE).content.decode()

    assert html.count("This part cannot be read at this moment.") == 1
    assert "No evaluation is on record." in html


def broken(*_args: Any, **_kwargs: Any) -> Any:
    raise OperationalError("gone")


def test_without_a_database_what_is_in_files_is_readable_and_nobody_keeps_that_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "release", broken)

    page, machines = client.get(PAGE), client.get("/api/transparency")

    html = page.content.decode()
    assert (page.status_code, machines.status_code) == (200, 503)
    assert page.headers["Cache-Control"] == machines.headers["Cache-Control"] == "no-store"
    assert "None of them is lost" in html and "Nobody but the operator" in html
    assert "1.1.2" in html and "authority for data protection" in html
    assert machines.json()["records"] is None and machines.json()["gap_analysis"]


@pytest.mark.django_db(transaction=True)
def test_the_last_records_stand_while_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_record()
    client.get(PAGE)
    transparency.kept._read_at = -transparency.KEPT_S  # a minute later
    monkeypatch.setattr(recorded, "release", broken)

    html = client.get(PAGE).content.decode()

    assert "these are the last records that were read" in html
    assert "The chat was away." in html


@pytest.mark.django_db
def test_a_record_of_another_shape_is_left_out() -> None:
    put_on_record()

    chain.append(EvidenceRecord, kind="evaluation", release="", body={"old": True})
    chain.append(EvidenceRecord, kind="gate", release="", body={"gate": "old", "passed": False})

    assert len(recorded.evaluations()) == 1
    assert [row.gate for row in recorded.gates()] == ["ai-act"]
