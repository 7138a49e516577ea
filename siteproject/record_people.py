"""What the records hold about whoever vouched for something: a part of their export, and its end with the account."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import export, signals
from accounts.models import User
from compliance import attestations
from compliance.models import Attestation, AttestingRole, WithdrawalReason

LABELS: dict[str, str | Promise] = {
    "statement": _("Statement"),
    "name": _("Name"),
    "role": _("Role"),
    "attested_at": _("Attested"),
    "expires_at": _("Expires"),
    "withdrawn_at": _("Withdrawn"),
    "withdrawal_reason": _("Reason of the withdrawal"),
}


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    words = dict(AttestingRole.choices) | dict(WithdrawalReason.choices)
    export.part("attestations", exported, title=_("Attestations"), labels=LABELS, words=words)
    signals.account_closing.connect(on_account_closing, dispatch_uid="siteproject.record_people")


def exported(user: User) -> list[dict[str, Any]]:
    """Return what a person has vouched for."""
    return list(Attestation.objects.filter(person=user.public_id).order_by("id").values(*LABELS))


def on_account_closing(sender: type[User], *, user: User, **_kwargs: Any) -> dict[str, int]:
    """Receive ``accounts.signals.account_closing``: withdraw what the person vouched for, and forget the name."""
    return {"attestations": attestations.forget(user.public_id)}
