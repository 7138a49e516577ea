"""Somebody who buys at the stand-in for Stripe: the acts of a customer, the messages of the provider."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from accounts.models import User
from billing import keys, subscriptions, webhooks
from billing.models import Customer, Plan, Subscription
from tests.payments.stand_in import Payments


def plan(slug: str) -> Plan:
    return Plan.objects.get(slug=slug)


def tell(payments: Payments, *messages: dict[str, Any]) -> list[str]:
    """Hand messages over in this order and return what became of each."""
    return [webhooks.receive(*payments.signed(message)) for message in messages]


@dataclass
class Buyer:
    """One customer, read anew at each look."""

    pk: int

    @classmethod
    def new(cls, email: str) -> "Buyer":
        return cls(keys.customer_of(User.objects.create_user(email)).pk)

    @property
    def customer(self) -> Customer:
        return Customer.objects.select_related("plan", "user").get(pk=self.pk)

    @property
    def subscription(self) -> Subscription:
        return Subscription.objects.select_related("plan", "next_plan").get(customer=self.pk)

    @property
    def plan(self) -> str:
        return self.customer.plan.slug

    def begins(self, payments: Payments, slug: str) -> str:
        """Open the page to pay a plan on, and return the checkout's id."""
        subscriptions.begin_checkout(
            self.customer,
            plan(slug),
            success_url="http://localhost/return?session={CHECKOUT_SESSION_ID}",
            cancel_url="http://localhost/",
            now=timezone.now(),
        )
        return str(payments.all("sessions")[-1]["id"])

    def buys(self, payments: Payments, slug: str) -> None:
        """Pay for a plan, and have every message told."""
        tell(payments, *payments.play("bought", session=self.begins(payments, slug)))

    def hears(self, payments: Payments, name: str, **about: Any) -> None:
        """Let something happen to the subscription, and have every message told."""
        about.setdefault("subscription", self.subscription.stripe_id)
        tell(payments, *payments.play(name, **about))
