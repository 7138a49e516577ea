"""What staff may write as a reference beside a reason: a number, for it goes into the audit log and stays there."""

from django import forms
from django.utils.translation import gettext_lazy as _

# A number, after its year or not: 482, #482, 2026-0113, 2026/7.
TICKET = r"^#?(20[0-9]{2}[-/])?[0-9]{1,6}\Z"


def field() -> forms.RegexField:
    """Return a form's field for it. It is never deleted: no name, no address and no telephone number has this shape."""
    return forms.RegexField(
        TICKET,
        label=_("Reference"),
        max_length=40,
        required=False,
        help_text=_(
            "The number of a ticket or an invoice, for the audit log: up to six digits, such as 482 or 2026-0113."
        ),
    )
