"""What the payment provider told us and what we told it, for staff to read; a webhook that failed can be replayed."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.proven import ProvenAfresh, person
from billing import webhooks
from billing.errors import BillingError
from billing.models import CustomerRemoval, Invoice, MeterSend, StripeEvent, Subscription
from compliance import audit
from compliance.read_only import ReadOnly


@admin.action(description=_("Replay the selected webhooks"), permissions=["replay"])
def replay(modeladmin: admin.ModelAdmin, request: HttpRequest, queryset: "QuerySet[StripeEvent]") -> None:
    """Read what each webhook was about from the provider again, and apply that."""
    applied = 0
    for event in queryset.order_by("id"):
        before = event.state
        try:
            webhooks.replay(event)
        except BillingError as error:
            messages.error(
                request,
                _("Webhook %(event)s was not applied: %(code)s.") % {"event": event.event_id, "code": error.code},
            )
        event.refresh_from_db()
        applied += event.state == StripeEvent.State.APPLIED
        audit.record(
            "billing.webhook-replayed",
            actor=person(request),
            object_kind="webhook",
            object_id=event.event_id,
            before={"state": before},
            after={"state": event.state},
        )
    words = ngettext("%(n)d webhook applied.", "%(n)d webhooks applied.", applied)
    messages.info(request, words % {"n": applied})


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnly, ProvenAfresh):
    actions = [replay]
    list_display = ["event_id", "kind", "state", "tries", "problem", "stripe_customer_id", "received_at", "applied_at"]
    list_filter = ["state", "kind", "received_at"]
    search_fields = ["=event_id", "=object_id", "=stripe_customer_id"]
    show_full_result_count = False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.change_stripeevent")


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnly):
    list_display = ["stripe_id", "customer", "plan", "status", "period_end", "cancel_at_period_end", "read_at"]
    list_filter = ["status", "plan"]
    list_select_related = ["customer", "plan"]
    search_fields = ["=stripe_id", "=customer__public_id"]


@admin.register(MeterSend)
class MeterSendAdmin(ReadOnly):
    list_display = ["hour", "customer", "microusd", "state", "tries", "problem", "sent_at"]
    list_filter = ["state", "hour"]
    list_select_related = ["customer"]
    search_fields = ["=identifier", "=customer__public_id"]
    show_full_result_count = False


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly):
    list_display = ["number", "customer", "status", "total", "currency", "issued_at"]
    list_filter = ["status", "issued_at"]
    list_select_related = ["customer"]
    search_fields = ["=number", "=stripe_id", "=customer__public_id"]

    @admin.display(description=_("total"), ordering="total_cents")
    def total(self, invoice: Invoice) -> str:
        return f"{invoice.total_cents / 100:.2f}"


@admin.register(CustomerRemoval)
class CustomerRemovalAdmin(ReadOnly):
    list_display = ["stripe_customer_id", "state", "tries", "problem", "due_at", "created_at"]
    list_filter = ["state"]
    search_fields = ["=stripe_customer_id"]
