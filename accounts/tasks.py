"""Work for people that the row of a job asks for. A task carries its id; the sweeper calls again what is due."""

import logging
from functools import partial
from typing import Any

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction

from accounts import browsers, closing, codes, export, mailqueue, sessions
from accounts.models import AccountClosure, DataExport, QueuedMail

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 100


def nudge(task: Any, pk: int) -> None:
    """Start a job when the transaction is over. Only a nudge: with the broker away the sweeper finds the row."""
    transaction.on_commit(partial(task.apply_async, (pk,), retry=False), robust=True)


@shared_task
def send_mail(mail_id: int) -> None:
    mailqueue.send(mail_id)


@shared_task
def make_export(export_id: int) -> None:
    if export.make(export_id):
        _nudge_due(QueuedMail, send_mail)


@shared_task
def erase_account(closure_id: int) -> None:
    closing.erase(closure_id)


JOBS: tuple[tuple[Any, Any], ...] = (
    (QueuedMail, send_mail),
    (DataExport, make_export),
    (AccountClosure, erase_account),
)


@shared_task
def sweep() -> None:
    """Give up what failed three times, nudge what is due, let exports expire. Runs every ``JOB_SWEEP_S``."""
    for model, task in JOBS:
        given_up = model.objects.give_up()
        if given_up:
            logger.error("%s: %d given up after three tries", model.__name__, given_up)
        _nudge_due(model, task)
    export.expire()


@shared_task
def tidy() -> None:
    """Forget what is over: sessions, codes, browsers not seen for 400 days, mail and files of mail. Runs every hour."""
    SessionStore.clear_expired()
    sessions.forget_dead()
    codes.forget_old()
    browsers.forget_old()
    mailqueue.prune()
    mailqueue.empty_folder()


def _nudge_due(model: Any, task: Any) -> None:
    for pk in model.objects.due().values_list("pk", flat=True)[:MOST_AT_ONCE]:
        nudge(task, pk)
