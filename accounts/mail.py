"""Mail that goes out now, in the reader's language, as text and as HTML. The queue for all other mail: ``mailqueue``.

A mail is three templates: ``templates/mail/<name>_subject.txt``, ``<name>.txt`` and ``<name>.html``.
"""

import logging
from collections.abc import Mapping
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection
from django.template.loader import render_to_string
from django.utils import translation

from accounts.errors import MailRefused, MailUnavailable

logger = logging.getLogger(__name__)
TRIES = 2


def send_now(template: str, to: str, language: str, context: Mapping[str, object], *, by_hand: bool = False) -> None:
    """Hand one mail to the mail server within this call: ``MAIL_TIMEOUT_S`` per step of the talk, two tries.

    Outside a transaction the connection to the database goes back to its pool first: a mail server that is slow would
    otherwise hold all of them. The second try is safe: the worst it does is the same mail twice. Raises MailRefused
    when the server will not take this recipient, MailUnavailable when it cannot be reached or takes nothing now.
    """
    message = rendered(template, to, language, context, by_hand=by_hand)
    if not connection.in_atomic_block:
        connection.close()
    for attempt in range(1, TRIES + 1):
        try:
            message.connection = get_connection(timeout=settings.MAIL_TIMEOUT_S)
            message.send()
        except SMTPRecipientsRefused as error:
            # The exception names the recipient, so it stops here.
            logger.info("mail %s: recipient refused", template)
            if all(code >= 500 for code, _reason in error.recipients.values()):
                raise MailRefused from None
        except (SMTPException, OSError) as error:
            logger.warning("mail %s: try %d failed, %s", template, attempt, type(error).__name__)
        else:
            return
    raise MailUnavailable


def rendered(
    template: str, to: str, language: str, context: Mapping[str, object], *, by_hand: bool = False
) -> EmailMultiAlternatives:
    """Return the mail as it will be sent; ``by_hand``: a person wrote what it says (RFC 3834 marks all the others)."""
    with translation.override(language):
        values = {**context, "SITE_NAME": settings.SITE_NAME, "SITE_URL": settings.SITE_URL, "language": language}
        subject = " ".join(render_to_string(f"mail/{template}_subject.txt", values).split())
        message = EmailMultiAlternatives(
            subject=subject,
            body=render_to_string(f"mail/{template}.txt", values).strip() + "\n",
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[to],
            headers={"Auto-Submitted": "no" if by_hand else "auto-generated", "Content-Language": language},
        )
        message.attach_alternative(render_to_string(f"mail/{template}.html", values), "text/html")
    return message
