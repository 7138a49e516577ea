"""The ledger as staff search it: by request, by customer, by what is not settled. Nothing here is written by hand."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.alarms import unsettled_since
from billing.models import ModelPrice, Quota, Reconciliation, UsageRecord
from compliance.read_only import ReadOnly

# What a customer has in hand: the id of a request, alone or as the id of a completion.
REQUEST = re.compile(r"(?:[a-z]+-)?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})", re.IGNORECASE)


class UnsettledFilter(admin.SimpleListFilter):
    """Calls without an end: running ones, and those that the sweeper should have settled."""

    title = _("not settled")
    parameter_name = "unsettled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("running", _("running")), ("late", _("longer than any call takes"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[UsageRecord]") -> "QuerySet[UsageRecord]":
        unsettled = queryset.filter(state=UsageRecord.State.RESERVED)
        match self.value():
            case "running":
                return unsettled
            case "late":
                return unsettled.filter(started_at__lt=unsettled_since(timezone.now()))
        return queryset


class PricedModelFilter(admin.SimpleListFilter):
    """The models that have a price: to ask the ledger itself would read all of it."""

    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = ModelPrice.objects.order_by("model").values_list("model", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[UsageRecord]") -> "QuerySet[UsageRecord]":
        return queryset.filter(model=self.value()) if self.value() else queryset


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnly):
    list_display = [
        "request_id", "started_at", "state", "outcome", "model", "us_dollars", "prompt_tokens", "completion_tokens",
        "prefix", "customer",
    ]  # fmt: skip
    list_filter = [UnsettledFilter, "state", "outcome", PricedModelFilter, "counted", "day"]
    list_select_related = ["customer", "key"]
    search_fields = ["=request_id", "=customer__public_id", "=key__prefix"]
    date_hierarchy = "day"
    show_full_result_count = False

    @admin.display(description=_("US dollars"), ordering="cost_microusd")
    def us_dollars(self, line: UsageRecord) -> str:
        return f"{line.cost_microusd / 1_000_000:.6f}"

    @admin.display(description=_("key"))
    def prefix(self, line: UsageRecord) -> str:
        return line.key.prefix if line.key else ""

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[UsageRecord]", search_term: str
    ) -> "tuple[QuerySet[UsageRecord], bool]":
        """Take the id of a completion (``chatcmpl-…``) for that of its request."""
        found = REQUEST.fullmatch(search_term.strip())
        return super().get_search_results(request, queryset, found.group(1) if found else search_term)


@admin.register(Quota)
class QuotaAdmin(ReadOnly):
    list_display = [
        "customer", "key", "window", "starts", "spent_usd", "reserved_usd", "spent_gpu_s", "reserved_gpu_s",
        "alerted_percent",
    ]  # fmt: skip
    list_filter = ["window", "starts"]
    list_select_related = ["customer"]
    search_fields = ["=customer__public_id", "=key"]
    date_hierarchy = "starts"
    show_full_result_count = False

    @admin.display(description=_("spent, in US dollars"), ordering="spent_microusd")
    def spent_usd(self, quota: Quota) -> str:
        return f"{quota.spent_microusd / 1_000_000:.6f}"

    @admin.display(description=_("reserved, in US dollars"), ordering="reserved_microusd")
    def reserved_usd(self, quota: Quota) -> str:
        return f"{quota.reserved_microusd / 1_000_000:.6f}"

    @admin.display(description=_("GPU seconds spent"), ordering="spent_gpu_ms")
    def spent_gpu_s(self, quota: Quota) -> str:
        return f"{quota.spent_gpu_ms / 1000:.1f}"

    @admin.display(description=_("GPU seconds reserved"), ordering="reserved_gpu_ms")
    def reserved_gpu_s(self, quota: Quota) -> str:
        return f"{quota.reserved_gpu_ms / 1000:.1f}"


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnly):
    list_display = ["day", "kind", "compared", "differing", "difference_microusd", "at"]
    list_filter = ["kind", "day"]
