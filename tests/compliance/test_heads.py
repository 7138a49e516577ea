"""The daily check, the heads it publishes, and the command that reads the chains."""

import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from compliance import alarms, audit, chain, evidence, heads
from compliance.chain import Break, Head
from compliance.models import AuditEntry, EvidenceRecord
from compliance.tasks import check_chains
from tests.compliance.conftest import Edit

AUDIT, EVIDENCE = "compliance_auditentry", "compliance_evidencerecord"


def verify(*arguments: str) -> tuple[int, str]:
    """Run ``verify_chain``; return its exit status and what it said."""
    said = StringIO()
    try:
        call_command("verify_chain", *arguments, stdout=said, no_color=True)
    except SystemExit as ended:
        return int(str(ended.code)), said.getvalue()
    return 0, said.getvalue()


def move_back(edit: Edit, by: timedelta) -> None:
    """Let the newest check have been made earlier. Its digest no longer fits; these tests look at the date."""
    latest = evidence.latest(heads.KIND)
    assert latest
    edit(EVIDENCE, "UPDATE {table} SET at = at - %s WHERE number = %s", by, latest.number)


def test_the_first_check_of_a_day_records_both_heads(records: None) -> None:
    audited, evident = chain.head(AuditEntry), chain.head(EvidenceRecord)

    check_chains()

    latest = evidence.latest(heads.KIND)
    assert latest
    assert latest.body == {"audit": str(audited), "evidence": str(evident), "intact": True}


def test_further_checks_of_a_day_record_nothing(records: None) -> None:
    check_chains()
    check_chains()

    assert EvidenceRecord.objects.filter(kind=heads.KIND).count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_start_together_record_one_check() -> None:
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait()
            check_chains()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert EvidenceRecord.objects.filter(kind=heads.KIND).count() == 1


def test_the_next_day_is_checked_again(records: None, edit: Edit) -> None:
    check_chains()
    move_back(edit, timedelta(days=1))

    check_chains()

    assert EvidenceRecord.objects.filter(kind=heads.KIND).count() == 2


def test_a_break_is_recorded_and_an_alarm(records: None, edit: Edit) -> None:
    edit(AUDIT, "UPDATE {table} SET actor = 'operator' WHERE number = 4")

    check_chains()

    latest = evidence.latest(heads.KIND)
    assert latest
    assert latest.body["intact"] is False
    assert latest.body["broken"] == {"audit": {"number": 4, "reason": "was changed"}}
    assert [alarm.text for alarm in alarms.active() if alarm.id == "chains"] == [
        "In the chain “audit”, record 4 is missing or was changed: see docs/compliance.md."
    ]


def test_a_break_that_was_mended_is_no_alarm_after_a_new_check(records: None, edit: Edit) -> None:
    edit(AUDIT, "UPDATE {table} SET actor = 'operator' WHERE number = 4")
    check_chains()
    edit(AUDIT, "UPDATE {table} SET actor = 'system' WHERE number = 4")

    status, _said = verify("--record")

    assert status == 0
    assert not heads.chains_alarm()


def test_an_audit_log_cut_short_is_found_by_the_head_of_the_day_before(records: None, edit: Edit) -> None:
    check_chains()
    edit(AUDIT, "DELETE FROM {table} WHERE number = 5")

    found = heads.findings()

    assert found.broken == {"audit": Break(5, "is missing: a head that was kept is beyond the end")}


def test_an_audit_log_computed_anew_is_found_by_the_head_of_the_day_before(records: None, edit: Edit) -> None:
    check_chains()
    edit(AUDIT, "DELETE FROM {table} WHERE number = 5")
    audit.record("test.invented", actor=audit.SYSTEM, object_kind="thing")

    found = heads.findings()

    assert found.broken == {"audit": Break(5, "is not the one whose head was kept")}


def test_a_new_database_that_nobody_has_checked_is_no_alarm(db: None) -> None:
    assert not heads.chains_alarm()


def test_a_database_of_yesterday_that_nobody_has_checked_is_an_alarm(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET applied = applied - interval '27 hours' WHERE app = 'compliance'")

    assert heads.chains_alarm() == [
        "The chains of records have not been checked for more than a day: the worker may be away."
    ]


@pytest.mark.parametrize(("hours", "alarming"), [(25, False), (27, True)])
def test_a_check_older_than_26_hours_is_an_alarm(db: None, edit: Edit, hours: int, alarming: bool) -> None:
    check_chains()
    move_back(edit, timedelta(hours=hours))

    assert bool(heads.chains_alarm()) is alarming


def test_the_heads_of_the_last_30_days_are_public_and_may_be_cached(records: None, edit: Edit, client: Client) -> None:
    for days in (40, 29, 1):
        heads.check_now()
        move_back(edit, timedelta(days=days))
    newest = heads.check_now()

    response = client.get("/api/evidence/heads")

    found: list[dict[str, Any]] = response.json()
    today = timezone.now()
    assert [head["day"] for head in found] == [f"{today - timedelta(days=days):%Y-%m-%d}" for days in (0, 1, 29)]
    assert found[0]["record"] == f"{newest.number}:{newest.sha256}"
    assert found[0]["audit"] == newest.body["audit"]
    assert set(found[0]) == {"day", "at", "audit", "evidence", "intact", "record"}
    assert response["Cache-Control"] == "public, max-age=300"
    assert not response.cookies


def test_the_heads_are_read_only(db: None, client: Client) -> None:
    assert client.post("/api/evidence/heads").status_code == 405


def test_verify_chain_says_counts_and_heads(records: None) -> None:
    status, said = verify()

    assert status == 0
    assert f"audit: 5 records, intact, head {chain.head(AuditEntry)}" in said
    assert f"evidence: 3 records, intact, head {chain.head(EvidenceRecord)}" in said


def test_verify_chain_names_the_first_broken_record_and_fails(records: None, edit: Edit) -> None:
    edit(EVIDENCE, """UPDATE {table} SET body = jsonb_set(body, '{count}', '7') WHERE number >= 2""")

    status, said = verify()

    assert status == 1
    assert "evidence: BROKEN: record 2 was changed" in said
    assert "audit: 5 records, intact" in said


def test_verify_chain_reads_one_chain_on_request(records: None, edit: Edit) -> None:
    edit(EVIDENCE, "UPDATE {table} SET kind = 'other' WHERE number = 2")

    assert verify("--chain", "audit")[0] == 0
    assert verify("--chain", "evidence")[0] == 1


def test_verify_chain_compares_a_head_that_somebody_kept(records: None) -> None:
    kept = chain.head(AuditEntry)
    audit.record("test.later", actor=audit.SYSTEM, object_kind="thing")

    status, said = verify("--head", str(kept))

    assert status == 0
    assert f"audit: 6 records, intact, head {chain.head(AuditEntry)}, compared with {kept}" in said
    assert "evidence" not in said


@pytest.mark.parametrize("arguments", [[], ["--chain", "audit"]])
def test_verify_chain_refuses_a_head_that_no_chain_holds(records: None, arguments: list[str]) -> None:
    status, _said = verify("--head", str(Head(5, "ab" * 32)), *arguments)

    assert status == 1


def test_verify_chain_wants_a_head_that_is_one(records: None) -> None:
    with pytest.raises(CommandError, match="N:DIGEST"):
        verify("--head", "five")


def test_a_finding_that_somebody_changed_is_named_and_breaks_nothing_else(
    records: None, edit: Edit, client: Client
) -> None:
    check_chains()
    edit(EVIDENCE, """UPDATE {table} SET body = '{"intact": true}' WHERE kind = 'chain_head'""")

    assert verify() == (1, verify()[1])
    assert "evidence: BROKEN: record 4 was changed" in verify()[1]
    assert client.get("/api/evidence/heads").status_code == 200


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_sentence_of_a_break_can_be_said_in_every_language(records: None, edit: Edit, language: str) -> None:
    edit(AUDIT, "UPDATE {table} SET actor = 'operator' WHERE number = 4")
    check_chains()

    with translation.override(language):
        [text] = heads.chains_alarm()

    assert "audit" in text
    assert "4" in text
