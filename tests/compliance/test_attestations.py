"""Attestations: a named person signs a statement about a release; the gate opens with it and closes without it."""

import datetime
import tomllib
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from accounts.models import User
from compliance import attestations, chain, evidence, gates, literacy
from compliance.errors import AlreadyAttested, NothingToSign, RoleNotAsked, UnknownStatement
from compliance.gates import Failed, NotRun, Passed
from compliance.models import Attestation, AuditEntry, EvidenceRecord
from compliance.statements import STATEMENTS, Statement, statement, statements

ONE, TWO, ROLES = "licences", "classification", "sample-review"


def release(name: str = "2026.11") -> EvidenceRecord:
    return evidence.record("release", {"name": name, "artifacts": {}, "models": []}, release=name)


def sign(id: str, person: User, role: str = "responsible") -> Attestation:
    return attestations.attest(id, person=person, name=f"{person.email.partition('@')[0].title()} Example", role=role)


def state(id: str, **when: Any) -> str:
    return attestations.outcome(statement(id), **when).state


def evaluated(phase: str) -> EvidenceRecord:
    """Write the beginning or the end of an evaluation."""
    return evidence.record("evaluation", {"suite_sha256": "a" * 64, "thresholds_sha256": "b" * 64,
                           "model": "wagmi-small", "weights_sha256": "", "rung": "small", "language": "en", "n": 1,
                           "metrics": [], "raw_sha256": "", "phase": phase})  # fmt: skip


@pytest.fixture
def erin(db: None) -> User:
    """A second member of staff."""
    return User.objects.create_user("erin@example.org", is_staff=True)


def test_nothing_is_signed_before_there_is_a_release(dana: User) -> None:
    with pytest.raises(NothingToSign):
        sign(ONE, dana)

    assert state(ONE) == "not_run"


def test_what_is_signed_is_the_statement_and_the_newest_release(dana: User) -> None:
    record = release()

    row = sign(ONE, dana)

    said = evidence.latest("attestation")
    assert said
    assert row.evidence == f"{said.number}:{said.sha256}"
    assert said.release == "2026.11"
    assert said.body == {
        "attestation": str(row.public_id),
        "statement": ONE,
        "statement_sha256": statement(ONE).sha256,
        "role": "responsible",
        "person": said.body["person"],
        "signed_off": f"{record.number}:{record.sha256}",
        "expires_on": f"{timezone.now() + datetime.timedelta(days=365):%Y-%m-%d}",
    }
    assert attestations.outcome(statement(ONE)).record == said.number


def test_no_record_and_no_log_holds_the_name(dana: User) -> None:
    release()

    row = sign(ONE, dana)
    attestations.withdraw(row, by=dana, reason="no_longer_true")

    said = f"{list(EvidenceRecord.objects.values_list('body'))}{list(AuditEntry.objects.values_list('changes'))}"
    assert row.name == "Dana Example"
    assert "Dana" not in said
    assert str(dana.public_id) not in f"{list(EvidenceRecord.objects.values_list('body'))}"
    assert chain.first_break(EvidenceRecord) is None


def test_a_statement_that_asks_for_two_needs_two_different_people(dana: User, erin: User) -> None:
    release()
    sign(TWO, dana)
    with pytest.raises(AlreadyAttested):
        sign(TWO, dana, role="legal")
    alone = state(TWO)

    sign(TWO, erin)

    assert (alone, state(TWO)) == ("not_run", "pass")


def test_each_role_that_is_asked_for_is_somebody_else(dana: User, erin: User) -> None:
    release()
    evaluated("ended")
    with pytest.raises(RoleNotAsked):
        sign(ROLES, dana, role="responsible")
    sign(ROLES, dana, role="reviewer")
    two_reviewers = sign(ROLES, erin, role="reviewer")
    without_trainer = state(ROLES)

    attestations.withdraw(two_reviewers, by=erin, reason="made_in_error")
    sign(ROLES, erin, role="trainer")

    assert (without_trainer, state(ROLES)) == ("not_run", "pass")


def test_answers_are_read_after_the_evaluation_that_they_come_from(dana: User, erin: User) -> None:
    release()
    evaluated("begun")
    sign(ROLES, dana, role="reviewer")
    sign(ROLES, erin, role="trainer")
    only_begun = attestations.outcome(statement(ROLES))

    newest = evaluated("ended")
    Attestation.objects.all().delete()
    sign(ROLES, dana, role="reviewer")
    sign(ROLES, erin, role="trainer")
    read = state(ROLES)
    newest = evaluated("ended")

    assert only_begun == NotRun("it rests on evidence of the kind evaluation, and none is on record")
    assert read == "pass"
    assert attestations.outcome(statement(ROLES)) == NotRun(
        "it was signed before the evaluation that is on record now", record=newest.number
    )


def test_one_name_on_two_accounts_is_one_person(dana: User, erin: User) -> None:
    release()
    for person, name in ((dana, "Dana Example"), (erin, "  dana  example ")):
        attestations.attest(TWO, person=person, name=name, role="responsible")

    assert attestations.outcome(statement(TWO)) == NotRun("1 attested it, asked for: 2 people")


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"expires_at": timezone.now() + datetime.timedelta(days=9999)}, "is not what the evidence says of it"),
        ({"role": "legal"}, "is not what the evidence says of it"),
        ({"name": "Somebody Else"}, "is not what the evidence says of it"),
        ({"evidence": f"1:{'0' * 64}"}, "is not in the evidence"),
    ],
)
def test_a_row_that_the_evidence_does_not_hold_counts_for_nothing(
    dana: User, forged: dict[str, Any], said: str
) -> None:
    release()
    sign(ONE, dana)

    Attestation.objects.update(**forged)

    found = attestations.outcome(statement(ONE))
    assert isinstance(found, Failed)
    assert said in found.reason


def test_what_was_withdrawn_stays_so_whatever_the_table_says(dana: User) -> None:
    release()
    attestations.withdraw(sign(ONE, dana), by=dana, reason="no_longer_true")

    Attestation.objects.update(withdrawn_at=None, withdrawal_reason="")

    found = attestations.outcome(statement(ONE))
    assert isinstance(found, Failed)
    assert "was withdrawn in record" in found.reason


@pytest.mark.parametrize(
    ("lapse", "said"),
    [
        (lambda row, by: attestations.withdraw(row, by=by, reason="no_longer_true"), "was withdrawn on"),
        (lambda row, by: release("2026.12"), "is of the release"),
        (lambda row, by: Attestation.objects.update(statement_sha256="c" * 64), "is of other words"),
        (lambda row, by: Attestation.objects.update(expires_at=timezone.now()), "expired on"),
    ],
)
def test_an_attestation_lapses(dana: User, lapse: Callable[[Attestation, User], object], said: str) -> None:
    release()
    row = sign(ONE, dana)
    assert state(ONE) == "pass"

    lapse(row, dana)

    found = attestations.outcome(statement(ONE))
    assert isinstance(found, Failed)
    assert said in found.reason
    assert "licences" not in found.reason
    assert found.record == chain.Head.parse(row.evidence).number
    assert [str(each) for each in attestations.lapsing_alarm()] == [
        "The attestation “Licences” does not count any more."
    ]


def test_whoever_signs_again_opens_the_gate_again(dana: User) -> None:
    release()
    attestations.withdraw(sign(ONE, dana), by=dana, reason="made_in_error")

    sign(ONE, dana)

    assert state(ONE) == "pass"


def test_after_a_newer_run_the_same_people_sign_again(dana: User, erin: User) -> None:
    release()
    evaluated("ended")
    sign(ROLES, dana, "reviewer")
    sign(ROLES, erin, "trainer")
    assert state(ROLES) == "pass"
    evaluated("ended")
    assert state(ROLES) == "not_run"

    sign(ROLES, dana, "reviewer")
    sign(ROLES, erin, "trainer")

    assert state(ROLES) == "pass"
    with pytest.raises(AlreadyAttested):
        sign(ROLES, dana, "reviewer")


def test_an_attestation_is_withdrawn_once(dana: User) -> None:
    release()
    row = sign(ONE, dana)

    assert attestations.withdraw(row, by=dana, reason="no_longer_true")
    assert not attestations.withdraw(row, by=dana, reason="no_longer_true")

    assert EvidenceRecord.objects.filter(kind="attestation_withdrawn").count() == 1


def test_two_weeks_before_the_end_is_an_alarm(dana: User) -> None:
    release()
    sign(ONE, dana)
    assert not attestations.lapsing_alarm()

    Attestation.objects.update(expires_at=timezone.now() + datetime.timedelta(days=13))

    assert [str(each) for each in attestations.lapsing_alarm()] == [
        "The attestation “Licences” expires within two weeks."
    ]


def test_literacy_rests_on_a_session_that_is_on_record(dana: User) -> None:
    release()
    sign("literacy", dana)
    without = attestations.outcome(statement("literacy"))

    session = literacy.hold(held_on=datetime.date(2026, 11, 20), audience="reviewers", content_version="2026-11",
                            attendance=3, owner="Dana Example", by=dana)  # fmt: skip
    too_early = attestations.outcome(statement("literacy"))
    attestations.withdraw(Attestation.objects.get(), by=dana, reason="made_in_error")
    sign("literacy", dana)

    assert isinstance(without, NotRun)
    assert too_early == NotRun("it was signed before there was evidence of the kind literacy")
    assert isinstance(attestations.outcome(statement("literacy")), Passed)
    said = evidence.latest("literacy")
    assert said
    assert session.evidence == f"{said.number}:{said.sha256}"
    assert said.body["refresh_by"] == "2027-11-20"
    assert "Dana" not in str(said.body)


def test_whoever_leaves_takes_the_name_and_the_salt_along(dana: User) -> None:
    release()
    sign(ONE, dana)

    assert attestations.forget(dana.public_id) == 1

    row = Attestation.objects.get()
    assert (row.name, row.salt, row.withdrawal_reason) == ("", "", "person_left")
    assert state(ONE) == "fail"
    assert chain.first_break(EvidenceRecord) is None


def test_every_statement_is_whole_in_both_languages_and_has_a_check_of_its_own() -> None:
    ids = {each.id for each in statements()}

    assert {f"attested-{id}" for id in ids} <= {each.id for each in gates._gates.values() if "ai-act" in each.tags}
    for each in statements():
        assert all([each.title_en, each.title_fr, each.text_en, each.text_fr])
        assert each.text_en != each.text_fr
    with translation.override("fr"):
        assert statement(ONE).title == "Licences"
        assert statement(ONE).text.startswith("J’ai lu")
    with pytest.raises(UnknownStatement):
        statement("nothing")


def test_one_word_makes_it_another_statement_and_an_impossible_one_is_refused(tmp_path: Path) -> None:
    text = STATEMENTS.read_text(encoding="utf-8")
    changed, impossible = tmp_path / "changed.toml", tmp_path / "impossible.toml"
    changed.write_text(text.replace("Each allows the use", "Each may allow the use"), encoding="utf-8")
    impossible.write_text(text.replace('roles = ["reviewer", "trainer"]', 'roles = ["magician"]'), encoding="utf-8")

    def digests(found: tuple[Statement, ...]) -> dict[str, str]:
        return {each.id: each.sha256 for each in found}

    before, after = digests(statements()), digests(statements(changed))
    assert {id for id in before if before[id] != after[id]} == {ONE}
    assert tomllib.loads(text)[ONE]["days"] == 365
    with pytest.raises(ValueError, match="sample-review"):
        statements(impossible)


def test_the_command_lists_states_and_shows_the_words(dana: User) -> None:
    release()
    sign(ONE, dana)
    listed, shown = StringIO(), StringIO()

    with pytest.raises(SystemExit):
        call_command("attest", stdout=listed)
    call_command("attest", ONE, stdout=shown)

    lines = {line.split()[1]: line.split()[0] for line in listed.getvalue().splitlines()}
    assert lines.pop(ONE) == "pass"
    assert set(lines.values()) == {"not_run"}
    assert statement(ONE).text_fr in shown.getvalue()
    with pytest.raises(CommandError):
        call_command("attest", "nothing")
