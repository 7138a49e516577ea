"""The heads of the day by mail: to the team, once a day, with what is needed to check them."""

from typing import Any

from django.core import mail

from accounts import mailqueue
from accounts.models import QueuedMail
from compliance import chain
from compliance.models import EvidenceRecord
from compliance.tasks import check_chains
from tests.compliance.conftest import Edit


def test_the_team_gets_the_heads_of_the_day_once(records: None, settings: Any) -> None:
    settings.TEAM_EMAIL = "team@example.org"

    check_chains()
    check_chains()
    for queued in QueuedMail.objects.all():
        mailqueue.send(queued.pk)

    [sent] = mail.outbox
    assert sent.to == ["team@example.org"]
    assert f"evidence {chain.head(EvidenceRecord)}" in sent.body
    assert "/api/evidence/chain.jsonl" in sent.body
    assert "the heads of" in sent.subject


def test_a_break_is_in_the_subject(records: None, edit: Edit, settings: Any) -> None:
    settings.TEAM_EMAIL = "team@example.org"
    edit("compliance_auditentry", "UPDATE {table} SET actor = 'operator' WHERE number = 4")

    check_chains()
    mailqueue.send(QueuedMail.objects.get().pk)

    assert "BROKEN" in mail.outbox[0].subject


def test_without_a_team_nothing_waits(records: None, settings: Any) -> None:
    settings.TEAM_EMAIL = ""

    check_chains()

    assert not QueuedMail.objects.exists()
