"""Records on the staff's workbench: to be read and searched, never written."""

from django.contrib import admin

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
