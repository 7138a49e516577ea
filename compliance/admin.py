"""Records on the staff's workbench: to be read and searched, never written."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compliance import gates
from compliance.models import AuditEntry, ConsentEvent, EvidenceRecord
from compliance.read_only import ReadOnly


class Records(ReadOnly):
    """Rows that the database itself refuses to change."""

    show_full_result_count = False
    actions = None


@admin.register(ConsentEvent)
class ConsentEventAdmin(Records):
    list_display = ["at", "subject", "purpose", "action", "notice_version", "language", "channel"]
    list_display_links = ["at", "subject"]
    list_filter = ["purpose", "action", "notice_version", "language", "at"]
    ordering = ["-id"]
    search_fields = ["=subject"]


@admin.register(AuditEntry)
class AuditEntryAdmin(Records):
    list_display = ["number", "at", "actor", "action", "object_kind", "object_id", "changes"]
    list_filter = ["object_kind", "action", "at"]
    ordering = ["-number"]
    search_fields = ["=object_id", "=actor", "=number"]


@admin.register(EvidenceRecord)
class EvidenceRecordAdmin(Records):
    list_display = ["number", "at", "kind", "release", "sha256"]
    list_filter = ["kind", "release", "at"]
    ordering = ["-number"]
    search_fields = ["=number", "=sha256"]
    change_list_template = "admin/compliance/evidencerecord/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.gates_view)
        return [path("gates/", view, name="compliance_evidencerecord_gates"), *super().get_urls()]

    def gates_view(self, request: HttpRequest) -> HttpResponse:
        """Show the newest recorded run of each gate, what keeps it closed first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("Gates"),
            "opts": self.opts,
            "runs": [_run(record) for record in gates.recorded()],
        }
        return TemplateResponse(request, "admin/compliance/evidencerecord/gates.html", context)


def _run(record: EvidenceRecord) -> dict[str, Any]:
    checks = record.body["checks"]
    open_ones = sum(check["result"] != "pass" for check in checks)
    words = ngettext("%(n)d check keeps it closed.", "%(n)d checks keep it closed.", open_ones) % {"n": open_ones}
    return {
        "record": record,
        "words": words if open_ones else _("It is open."),
        "checks": sorted(checks, key=lambda check: (check["result"] == "pass", check["id"])),
    }
