"""Staff switch models and backends; addresses, runtimes and digests come from the environment and are shown only."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from inference.models import AnswerTally, Backend, Model


@admin.action(description=_("Switch on"))
def switch_on(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet) -> None:
    _switch(modeladmin, request, queryset, enabled=True)


@admin.action(description=_("Switch off"))
def switch_off(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet) -> None:
    _switch(modeladmin, request, queryset, enabled=False)


def _switch(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet, *, enabled: bool) -> None:
    changed = list(queryset.exclude(enabled=enabled))
    for row in changed:
        row.enabled = enabled
        row.save(update_fields=["enabled"])
        modeladmin.log_change(request, row, [{"changed": {"fields": ["enabled"]}}])
    count = len(changed)
    messages.info(request, ngettext("%(n)d row changed.", "%(n)d rows changed.", count) % {"n": count})


class Switchable(admin.ModelAdmin):
    """A registry row: switches only, nothing added or deleted by hand."""

    actions = [switch_on, switch_off]
    list_editable = ["enabled"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Model)
class ModelAdmin(Switchable):
    list_display = ["public_id", "enabled", "name", "tier", "hardware", "languages", "max_output_tokens"]
    list_filter = ["tier", "hardware", "enabled"]
    fields = [
        "public_id", "enabled", "description", "name", "tier", "hardware", "languages", "capabilities",
        "context_tokens", "max_output_tokens", "weights_sha256", "updated_at",
    ]  # fmt: skip
    readonly_fields = [
        "public_id", "name", "tier", "hardware", "languages", "capabilities",
        "context_tokens", "max_output_tokens", "weights_sha256", "updated_at",
    ]  # fmt: skip


@admin.register(Backend)
class BackendAdmin(Switchable):
    list_display = ["name", "enabled", "model", "runtime", "url", "state", "checked_at"]
    list_filter = ["state", "enabled"]
    list_select_related = ["model"]
    fields = ["name", "enabled", "model", "runtime", "url", "state", "checked_at"]
    readonly_fields = ["name", "model", "runtime", "url", "state", "checked_at"]


@admin.register(AnswerTally)
class AnswerTallyAdmin(admin.ModelAdmin):
    list_display = ["day", "rung", "tier", "model", "language", "answers", "failures", "completion_tokens"]
    list_filter = ["rung", "tier", "language"]
    date_hierarchy = "day"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
