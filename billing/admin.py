"""The staff's view of customers, keys, prices and the ledger. What something else writes is read here and not written.

Whoever changes what a customer may, or what things cost, gives a reason and has just proven who they are.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import widgets
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.proven import ProvenAfresh, person
from billing import keys, ledger_admin, offers, payment_admin, quotas  # noqa: F401 - two of them register their lists
from billing.models import ApiKey, Customer, ModelPrice, Plan
from compliance import tickets
from compliance.read_only import ReadOnly

NO_REASON = [("", "---------")]
# Ten millions of tokens have more digits than the admin's box for a number shows.
WIDE: dict[Any, Any] = {models.PositiveIntegerField: {"widget": widgets.AdminBigIntegerFieldWidget}}


class CustomerForm(forms.ModelForm):
    """Plan, limits and suspension, with one reason for what is changed."""

    suspended = forms.BooleanField(label=_("Suspended: its keys are refused"), required=False)
    reason = forms.ChoiceField(label=_("Reason"), choices=[*NO_REASON, *quotas.Reason.choices])
    reference = tickets.field()

    class Meta:
        model = Customer
        fields = ["plan", *quotas.LIMITS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("suspended", self.instance.suspended_at is not None)
        for name in quotas.LIMITS:
            self.fields[name].help_text = _("Empty: as the plan says.")

    def clean_plan(self) -> Plan:
        """Refuse, beside the field, a plan that a payment would undo."""
        plan: Plan = self.cleaned_data["plan"]
        if plan.pk != self.initial.get("plan") and quotas.is_subscribed(self.instance):
            raise ValidationError(_("This customer pays for a subscription: the plan is changed there."))
        return plan


@admin.register(Customer)
class CustomerAdmin(ProvenAfresh):
    """Who buys. Found by the random id, or by the address of the person."""

    form = CustomerForm
    actions = None
    list_display = ["public_id", "user", "plan", "is_suspended", "created_at"]
    list_filter = ["plan", ("suspended_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["user", "plan"]
    search_fields = ["=public_id", "user__email", "=stripe_customer_id"]
    fields = [
        "public_id", "user", "stripe_customer_id", "created_at", "month_limit_microusd", "suspension",
        "plan", *quotas.LIMITS, "suspended", "reason", "reference",
    ]  # fmt: skip
    readonly_fields = ["public_id", "user", "stripe_customer_id", "created_at", "month_limit_microusd", "suspension"]
    formfield_overrides = WIDE

    @admin.display(description=_("suspended"), boolean=True, ordering="suspended_at")
    def is_suspended(self, customer: Customer) -> bool:
        return customer.suspended_at is not None

    @admin.display(description=_("suspended since, and why"))
    def suspension(self, customer: Customer) -> str:
        if customer.suspended_at is None:
            return ""
        reasons = dict(quotas.Reason.choices)
        why = reasons.get(customer.suspended_reason, customer.suspended_reason)
        return f"{date_format(timezone.localtime(customer.suspended_at), 'DATETIME_FORMAT')}: {why}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A customer is made with the first key of a person."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Customers leave with their account."""
        return False

    def save_model(self, request: HttpRequest, obj: Customer, form: ModelForm, change: bool) -> None:
        given = form.cleaned_data
        why = {"actor": person(request), "reason": given["reason"], "reference": given["reference"]}
        changed = quotas.change_limits(obj, {name: given[name] for name in quotas.LIMITS}, **why)
        changed |= quotas.move(obj, given["plan"], **why)
        changed |= quotas.suspend(obj, **why) if given["suspended"] else quotas.lift(obj, **why)
        if not changed:
            messages.warning(request, _("Nothing was different, so nothing was changed or written down."))


@admin.action(description=_("Revoke the selected keys now"), permissions=["revoke"])
def revoke(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: "QuerySet[ApiKey]") -> None:
    """End keys; each in a transaction of its own, so that none waits for the others."""
    changed = [key for key in queryset if keys.revoke(key, actor=person(request), reason="staff")]
    for key in changed:
        modeladmin.log_change(request, key, [{"changed": {"fields": ["revoked_at"]}}])
    count = len(changed)
    messages.info(request, ngettext("%(n)d key revoked.", "%(n)d keys revoked.", count) % {"n": count})


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ProvenAfresh):
    """Keys by what they begin with. The key and its digest are nowhere in here."""

    actions = [revoke]
    list_display = ["prefix", "name", "customer", "works_until", "revoked_at", "last_used_at", "created_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["customer"]
    search_fields = ["=prefix", "=public_id", "=customer__public_id"]
    fields = [
        "public_id", "customer", "name", "prefix", "scopes", "allowed_models", "address_ranges",
        "day_limit_microusd", "month_limit_microusd", "day_gpu_s", "month_gpu_s", "requests_per_minute",
        "tokens_per_minute", "parallel_calls", "expires_at", "revoked_at", "successor", "last_used_at", "created_at",
    ]  # fmt: skip

    @admin.display(description=_("works until"), ordering="expires_at")
    def works_until(self, key: ApiKey) -> Any:
        return key.expires_at

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.change_apikey")


class PriceForm(forms.ModelForm):
    """A price with its reason. The units are the ledger's, so that nothing is rounded on the way."""

    reason = forms.ChoiceField(label=_("Reason"), choices=[*NO_REASON, *quotas.Reason.choices])

    class Meta:
        model = ModelPrice
        fields = ["model", "input_microusd", "output_microusd"]


@admin.register(ModelPrice)
class ModelPriceAdmin(ProvenAfresh):
    """Prices: to change one is to add a row that holds from now on. What held before stays as it was."""

    form = PriceForm
    actions = None
    list_display = ["model", "input_usd", "output_usd", "valid_from", "holds"]
    list_filter = ["model"]
    fields = ["model", "input_microusd", "output_microusd", "valid_from", "reason"]

    @admin.display(description=_("a million tokens read, in US dollars"), ordering="input_microusd")
    def input_usd(self, price: ModelPrice) -> str:
        return f"{price.input_microusd / 1_000_000:.6f}"

    @admin.display(description=_("a million tokens written, in US dollars"), ordering="output_microusd")
    def output_usd(self, price: ModelPrice) -> str:
        return f"{price.output_microusd / 1_000_000:.6f}"

    @admin.display(description=_("holds now"), boolean=True)
    def holds(self, price: Any) -> bool:
        return bool(price.holds_now)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ModelPrice]":
        holds_now = ExpressionWrapper(Q(pk__in=offers.holding()), output_field=BooleanField())
        return super().get_queryset(request).annotate(holds_now=holds_now)

    def get_readonly_fields(self, request: HttpRequest, obj: ModelPrice | None = None) -> list[str]:
        return ["valid_from", *(["model"] if obj else [])]

    def has_change_permission(self, request: HttpRequest, obj: ModelPrice | None = None) -> bool:
        """Only the price that holds begins a new one; the others are history."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.pk in offers.holding())

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ModelPrice, form: ModelForm, change: bool) -> None:
        given = form.cleaned_data
        row = offers.set_price(
            obj.model,
            input_microusd=given["input_microusd"],
            output_microusd=given["output_microusd"],
            actor=person(request),
            reason=given["reason"],
        )
        # The admin speaks of the row it has in hand: let that be the new one.
        obj.pk, obj.valid_from = row.pk, row.valid_from


class PlanForm(forms.ModelForm):
    """A plan with the reason for what is changed."""

    reason = forms.ChoiceField(label=_("Reason"), choices=[*NO_REASON, *quotas.Reason.choices])

    class Meta:
        model = Plan
        fields = [
            "slug", "name", "summary", "rank", "month_cents", "included_microusd", "metered", "month_limit_microusd",
            "day_gpu_s", "month_gpu_s", "requests_per_minute", "tokens_per_minute", "parallel_calls", "priority",
            "offered", "stripe_price_id", "stripe_usage_price_id",
        ]  # fmt: skip

    def clean_summary(self) -> dict[str, str]:
        summary = self.cleaned_data["summary"]
        if not isinstance(summary, dict) or not all(isinstance(words, str) for words in summary.values()):
            raise ValidationError(_("One sentence for each language, such as {“en”: “…”, “fr”: “…”}."))
        return summary


@admin.register(Plan)
class PlanAdmin(ProvenAfresh):
    """What is offered. One that nobody shall choose any more is not offered; nobody's plan is deleted."""

    form = PlanForm
    fields = [*PlanForm.Meta.fields, "reason"]
    formfield_overrides = WIDE
    actions = None
    list_display = ["name", "slug", "rank", "month_cents", "metered", "month_limit_microusd", "priority", "offered"]
    list_filter = ["offered", "priority"]

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> list[str]:
        return ["slug"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Plan, form: ModelForm, change: bool) -> None:
        offers.save_plan(obj, actor=person(request), reason=form.cleaned_data["reason"])
