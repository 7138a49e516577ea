"""Mail, exports and erasures on the staff's workbench: which wait, which failed, and one action to try again."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import jobs
from accounts.models import AccountClosure, DataExport, QueuedMail, User
from compliance.read_only import ReadOnly


class JobAdmin(ReadOnly):
    """Rows that the worker writes. The person appears by their random id, not by their address."""

    actions = ["retry"]
    list_select_related = True

    @admin.display(description=_("person"))
    def person(self, row: Any) -> str:
        return str(row.user.public_id) if row.user else "–"

    @admin.action(description=_("Try again what was given up"))
    def retry(self, request: HttpRequest, rows: Any) -> None:
        if not isinstance(request.user, User):
            return
        count = jobs.retry(rows, actor=request.user)
        text = ngettext("%(count)d job is tried again.", "%(count)d jobs are tried again.", count) % {"count": count}
        self.message_user(request, text, messages.SUCCESS)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("user")


@admin.register(QueuedMail)
class QueuedMailAdmin(JobAdmin):
    list_display = ["template", "person", "state", "tries", "problem", "created_at", "due_at"]
    list_filter = ["state", "template"]
    fields = [
        "template", "person", "object_id", "state", "tries", "crashes", "problem", "created_at", "due_at",
    ]  # fmt: skip


@admin.register(DataExport)
class DataExportAdmin(JobAdmin):
    list_display = ["public_id", "person", "state", "tries", "requested_at", "expires_at"]
    list_filter = ["state"]
    fields = ["public_id", "person", "state", "tries", "requested_at", "ready_at", "expires_at"]


@admin.register(AccountClosure)
class AccountClosureAdmin(JobAdmin):
    list_display = ["subject", "state", "tries", "requested_at", "done_at"]
    list_filter = ["state"]
    fields = ["subject", "state", "tries", "requested_at", "told_at", "done_at", "erased"]
