"""Staff switch models and backends and set the GPU's limits; addresses, runtimes and digests come from the environment
and are shown only, and so are the wakes and the ledger."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.proven import ProvenAfresh, person
from compliance import tickets
from compliance.read_only import ReadOnly
from inference import gpu_limits, switches
from inference.models import AnswerTally, Backend, GpuLedgerEntry, GpuLimit, Model, Wake


@admin.action(description=_("Switch on"))
def switch_on(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet) -> None:
    _switch(modeladmin, request, queryset, enabled=True)


@admin.action(description=_("Switch off"))
def switch_off(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet) -> None:
    _switch(modeladmin, request, queryset, enabled=False)


@admin.action(description=_("Allow to wake it"))
def allow_waking(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet) -> None:
    _switch(modeladmin, request, queryset, wake_enabled=True)


@admin.action(description=_("Do not wake it any more"))
def forbid_waking(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet) -> None:
    _switch(modeladmin, request, queryset, wake_enabled=False)


def _switch(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: QuerySet, **wanted: bool) -> None:
    changed = [row for row in queryset if switches.switch(row, actor=person(request), **wanted)]
    for row in changed:
        modeladmin.log_change(request, row, [{"changed": {"fields": [*wanted]}}])
    count = len(changed)
    messages.info(request, ngettext("%(n)d row changed.", "%(n)d rows changed.", count) % {"n": count})


class Switchable(ProvenAfresh):
    """A registry row: switches only, nothing added or deleted by hand."""

    actions = [switch_on, switch_off]
    list_editable = ["enabled"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: ModelForm, change: bool) -> None:
        """Let the act turn the switches, so that the audit log knows, and save what else was written."""
        turned = [name for name in form.changed_data if name in switches.SWITCHES]
        written = [name for name in form.changed_data if name not in turned]
        if written:
            obj.save(update_fields=written)
        switches.switch(obj, actor=person(request), **{name: form.cleaned_data[name] for name in turned})


@admin.register(Model)
class ModelAdmin(Switchable):
    list_display = ["public_id", "enabled", "name", "tier", "hardware", "languages", "max_output_tokens"]
    list_filter = ["tier", "hardware", "enabled"]
    fields = [
        "public_id", "enabled", "description", "name", "tier", "hardware", "languages", "capabilities",
        "context_tokens", "max_output_tokens", "weights_sha256", "watermark_key", "updated_at",
    ]  # fmt: skip
    readonly_fields = [
        "public_id", "name", "tier", "hardware", "languages", "capabilities",
        "context_tokens", "max_output_tokens", "weights_sha256", "watermark_key", "updated_at",
    ]  # fmt: skip


@admin.register(Backend)
class BackendAdmin(Switchable):
    actions = [switch_on, switch_off, allow_waking, forbid_waking]
    list_display = ["name", "enabled", "wake_enabled", "model", "runtime", "url", "state", "checked_at"]
    list_editable = ["enabled", "wake_enabled"]
    list_filter = ["state", "enabled", "wake_enabled"]
    list_select_related = ["model"]
    fields = ["name", "enabled", "wake_enabled", "model", "runtime", "url", "state", "checked_at"]
    readonly_fields = ["name", "model", "runtime", "url", "state", "checked_at"]


@admin.register(AnswerTally)
class AnswerTallyAdmin(ReadOnly):
    list_display = ["day", "rung", "tier", "model", "language", "answers", "failures", "completion_tokens"]
    list_filter = ["rung", "tier", "language"]
    date_hierarchy = "day"


@admin.register(Wake)
class WakeAdmin(ReadOnly):
    list_display = ["requested_at", "backend", "state", "asker_class", "ready_at", "ended_at", "ledger_s", "failure"]
    list_filter = ["state", "backend", "asker_class", "requested_at"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Wake]:
        return super().get_queryset(request).annotate(ledger_s=Sum("ledger__seconds"))

    @admin.display(description=_("reserved or billed seconds"), ordering="ledger_s")
    def ledger_s(self, wake: Any) -> int:
        return wake.ledger_s or 0


@admin.register(GpuLedgerEntry)
class GpuLedgerEntryAdmin(ReadOnly):
    list_display = ["at", "day", "kind", "asker_class", "subject", "seconds", "us_dollars", "wake"]
    list_filter = ["kind", "asker_class", "day"]
    list_select_related = ["wake"]
    search_fields = ["=subject", "=wake__public_id"]
    date_hierarchy = "day"
    show_full_result_count = False

    @admin.display(description=_("US dollars"), ordering="microusd")
    def us_dollars(self, entry: GpuLedgerEntry) -> str:
        return f"{entry.microusd / 1_000_000:.4f}"


class GpuLimitForm(forms.ModelForm):
    """A cap with the reason for it, which goes into the audit log and so must hold no text about people."""

    reason = forms.ChoiceField(label=_("Reason"), choices=[("", "---------"), *gpu_limits.Reason.choices])
    seconds = forms.IntegerField(label=_("GPU seconds"), min_value=0, max_value=gpu_limits.MOST_SECONDS)
    usd_cents = forms.IntegerField(label=_("US cents"), min_value=0, max_value=gpu_limits.MOST_USD_CENTS)
    reference = tickets.field()

    class Meta:
        model = GpuLimit
        fields = ["seconds", "usd_cents"]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if "seconds" not in cleaned or "usd_cents" not in cleaned:
            return cleaned
        limit = self.instance
        wanted = gpu_limits.Cap(limit.scope, limit.window, cleaned["seconds"], cleaned["usd_cents"])
        above = gpu_limits.above_everybody(limit.window, wanted)
        if above:
            text = _(
                "The three classes together would be %(seconds)d seconds and %(cents)d cents above the limit of "
                "everybody. Lower a class first, or raise everybody first."
            )
            raise forms.ValidationError(text, params={"seconds": above.seconds, "cents": above.usd_cents})
        return cleaned


@admin.register(GpuLimit)
class GpuLimitAdmin(ProvenAfresh):
    """Caps on GPU seconds and money: each change with a reason, in the audit log, in force at once."""

    form = GpuLimitForm
    list_display = ["__str__", "seconds", "usd_cents", "edited_at"]
    fields = ["scope", "window", "seconds", "usd_cents", "reason", "reference", "edited_at"]
    readonly_fields = ["scope", "window", "edited_at"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: GpuLimit, form: ModelForm, change: bool) -> None:
        wanted = {name: form.cleaned_data[name] for name in ("seconds", "usd_cents", "reason", "reference")}
        gpu_limits.change(obj, actor=person(request), **wanted)
