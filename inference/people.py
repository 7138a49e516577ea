"""What this app holds about a person, for their export and for the erasure of their account."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts import export
from accounts.models import User
from accounts.signals import account_closing
from inference.models import GpuLedgerEntry


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    export.part("gpu-seconds", gpu_seconds, title=_("Seconds of the large model"), labels=GPU_SECONDS)
    account_closing.connect(forget, dispatch_uid="inference.people")


GPU_SECONDS = {
    "at": _("at"),
    "day": _("day it counts in (UTC)"),
    "kind": _("kind"),
    "seconds": _("GPU seconds"),
    "microusd": _("millionths of a US dollar"),
}


def gpu_seconds(user: User) -> list[dict[str, Any]]:
    """Return the lines of the GPU ledger that were charged to a person, oldest first."""
    entries = GpuLedgerEntry.objects.filter(subject=user.public_id).order_by("id")
    return [
        {"at": row.at, "day": row.day, "kind": row.kind, "seconds": row.seconds, "microusd": row.microusd}
        for row in entries
    ]


def forget(sender: type[User], user: User, **_kwargs: object) -> dict[str, int]:
    """Take a person's id off the ledger; the seconds stay, for they were spent."""
    return {"gpu_ledger_lines": GpuLedgerEntry.objects.filter(subject=user.public_id).update(subject=None)}
