"""Records on the staff's workbench: to be read and searched, never written."""

from django.contrib import admin
from django.http import HttpRequest

from compliance.models import AuditEntry, ConsentEvent, EvidenceRecord


class ReadOnly(admin.ModelAdmin):
    """Rows that the database itself refuses to change; whoever may view them sees every field."""

    show_full_result_count = False
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(ConsentEvent)
class ConsentEventAdmin(ReadOnly):
    list_display = ["at", "subject", "purpose", "action", "notice_version", "language", "channel"]
    list_display_links = ["at", "subject"]
    list_filter = ["purpose", "action", "notice_version", "language", "at"]
    ordering = ["-id"]
    search_fields = ["=subject"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["number", "at", "actor", "action", "object_kind", "object_id", "changes"]
    list_filter = ["object_kind", "action", "at"]
    ordering = ["-number"]
    search_fields = ["=object_id", "=actor", "=number"]


@admin.register(EvidenceRecord)
class EvidenceRecordAdmin(ReadOnly):
    list_display = ["number", "at", "kind", "release", "sha256"]
    list_filter = ["kind", "release", "at"]
    ordering = ["-number"]
    search_fields = ["=number", "=sha256"]
