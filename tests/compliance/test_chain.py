"""Chains: nobody forks, edits or cuts them unseen."""

import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from compliance import audit, chain, evidence
from compliance.chain import Break, Head
from compliance.errors import NotAHead, NotForTheLog
from compliance.models import AuditEntry, ChainedRecord, ConsentEvent, EvidenceRecord
from tests.compliance.conftest import Edit

AUDIT, EVIDENCE = "compliance_auditentry", "compliance_evidencerecord"
TABLES = ("compliance_consentevent", AUDIT, EVIDENCE)


@pytest.mark.django_db(transaction=True)
def test_eight_parallel_writers_make_one_chain() -> None:
    start = threading.Barrier(8)
    problems: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            start.wait()
            for number in range(25):
                with transaction.atomic():
                    evidence.record("test", {"writer": writer, "number": number})
                    audit.record("test.written", actor=audit.SYSTEM, object_kind="writer", object_id=writer)
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()

    assert not problems
    for model in (AuditEntry, EvidenceRecord):
        reading = chain.read(model)
        assert reading.broken is None
        assert reading.head.number == 200
        assert model.objects.values("previous_sha256").distinct().count() == 200


def test_a_writer_that_gives_up_leaves_no_gap(records: None) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit.record("test.undone", actor=audit.SYSTEM, object_kind="thing")
        raise ZeroDivisionError

    audit.record("test.done", actor=audit.SYSTEM, object_kind="thing")

    assert chain.head(AuditEntry).number == 6
    assert chain.first_break(AuditEntry) is None


def test_a_record_read_back_has_the_digest_it_was_written_with(db: None) -> None:
    body = {"z": 1, "ä": "naïve “œuvre” 😀\\", "a": {"2": [True, None, 10**30, -1], "10": "\t", "": []}}

    written = evidence.record("test", body)

    read = EvidenceRecord.objects.get(pk=written.pk)
    assert read.body == body
    assert chain.digest(read) == written.sha256


@pytest.mark.parametrize("value", [1.5, b"bytes", object(), {1: "a number as a name"}, [1.0]])
def test_what_could_read_back_differently_is_refused(db: None, value: Any) -> None:
    with pytest.raises(TypeError):
        evidence.record("test", {"value": value})

    assert not EvidenceRecord.objects.exists()


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("actor = %s", "systen"),
        ("action = %s", "test.thing-Changed"),
        ("object_id = %s", "3"),
        ("at = at + %s * interval '1 microsecond'", 1),
        ("changes = jsonb_set(changes, '{after,limit}', %s::jsonb)", "4"),
        ("changes = jsonb_set(changes, '{after,limit}', %s::jsonb)", "3.5"),
        ("changes = jsonb_set(changes, '{before,name}', %s::jsonb)", '"etè"'),
        ("sha256 = %s", "0" * 64),
    ],
)
def test_one_altered_value_is_found_and_its_record_named(records: None, edit: Edit, change: str, value: object) -> None:
    edit(AUDIT, "UPDATE {table} SET " + change + " WHERE number = 3", value)

    assert chain.first_break(AuditEntry) == Break(3, "was changed")


def test_a_record_whose_digest_was_made_to_fit_shows_at_the_next_one(records: None, edit: Edit) -> None:
    edit(AUDIT, "UPDATE {table} SET actor = 'operator' WHERE number = 3")
    forged = chain.digest(AuditEntry.objects.get(number=3))
    edit(AUDIT, "UPDATE {table} SET sha256 = %s WHERE number = 3", forged)

    assert chain.first_break(AuditEntry) == Break(4, "does not follow the one before")


def test_a_removed_record_is_found(records: None, edit: Edit) -> None:
    edit(AUDIT, "DELETE FROM {table} WHERE number = 2")

    assert chain.first_break(AuditEntry) == Break(2, "is missing")


def test_a_chain_cut_short_is_found_with_a_head_that_was_kept(records: None, edit: Edit) -> None:
    kept = chain.head(AuditEntry)

    edit(AUDIT, "DELETE FROM {table} WHERE number = 5")

    assert chain.first_break(AuditEntry) is None
    assert chain.first_break(AuditEntry, kept=kept) == Break(5, "is missing: a head that was kept is beyond the end")


def test_a_chain_computed_anew_is_found_with_a_head_that_was_kept(records: None, edit: Edit) -> None:
    kept = chain.head(AuditEntry)

    edit(AUDIT, "DELETE FROM {table} WHERE number >= 4")
    for number in (4, 5):
        audit.record("test.invented", actor=audit.SYSTEM, object_kind="thing", object_id=number)

    assert chain.first_break(AuditEntry) is None
    assert chain.first_break(AuditEntry, kept=kept) == Break(5, "is not the one whose head was kept")


def test_records_added_after_a_head_was_kept_are_no_break(records: None) -> None:
    kept = chain.head(AuditEntry)

    audit.record("test.later", actor=audit.SYSTEM, object_kind="thing")

    assert chain.first_break(AuditEntry, kept=kept) is None


def test_a_head_reads_back_from_its_text() -> None:
    head = Head(12, "ab" * 32)

    assert Head.parse(f" {head}\n") == head


@pytest.mark.parametrize("text", ["", "12", "12:abc", f"-1:{'a' * 64}", f"1:{'g' * 64}", f"01:{'a' * 64}"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(NotAHead):
        Head.parse(text)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_to_change_or_remove_a_record(db: None, table: str, verb: str) -> None:
    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER no_truncate")  # off for the tests' own clean-up
            cursor.execute(verb.format(table))


@pytest.mark.parametrize("model", [AuditEntry, EvidenceRecord, ConsentEvent])
def test_the_orm_cannot_delete_a_record(records: None, model: type[ChainedRecord]) -> None:
    with pytest.raises(DatabaseError, match="never changed or removed"), transaction.atomic():
        model._default_manager.all()._raw_delete("default")


@pytest.mark.parametrize(
    "value",
    [
        "alice@example.org",
        "192.0.2.7",
        "from 192.0.2.7",
        "[2001:db8::1]",
        "192.0.2.0/24",
        "two\nlines",
        "x" * 81,
        "hidden\u2028line",
        1.5,
        ["list"],
        {"text": "nested"},
    ],
)
def test_the_audit_log_refuses_text_and_addresses(db: None, value: Any) -> None:
    with pytest.raises(NotForTheLog):
        audit.record("test.thing", actor=audit.SYSTEM, object_kind="thing", after={"value": value})

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"actor": "alice@example.org"},
        {"object_id": "alice@example.org"},
        {"object_id": "192.0.2.7"},
        {"object_kind": "a whole sentence"},
        {"after": {"alice@example.org": 1}},
    ],
)
def test_who_and_which_are_one_word_and_no_address(db: None, fields: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"actor": audit.SYSTEM, "object_kind": "thing"}
    with pytest.raises(NotForTheLog):
        audit.record("test.thing", **(usual | fields))


@pytest.mark.parametrize("value", ["5.2.19", "wagmi-large", "12:30", "Europe/Paris", 10, True, None, "limits raised"])
def test_short_values_are_recorded(db: None, value: Any) -> None:
    entry = audit.record("test.thing", actor=audit.SYSTEM, object_kind="thing", after={"value": value})

    assert AuditEntry.objects.get(pk=entry.pk).changes == {"after": {"value": value}}


def test_evidence_refuses_a_mail_address_however_deep(db: None) -> None:
    with pytest.raises(NotForTheLog):
        evidence.record("test", {"approvals": [{"person": "alice@example.org"}]})


def test_a_salted_digest_says_nothing_without_its_salt() -> None:
    ours, theirs = audit.salted("salt", "alice@example.org"), audit.salted("other", "alice@example.org")

    assert ours != theirs
    assert ours == audit.salted("salt", "alice@example.org")
    assert "alice" not in ours
