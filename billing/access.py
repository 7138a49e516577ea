"""One door per kind of object: what is not theirs does not exist for a person."""

import uuid

from django.shortcuts import get_object_or_404

from accounts.models import User
from billing.models import ApiKey, Customer, Plan


def customer_for(user: User) -> Customer:
    """Return the customer that a person is; one that is not saved, on the smallest plan, where they are none yet.

    To look at a page makes nobody a customer; ``billing.keys.customer_of`` does.
    """
    found = Customer.objects.select_related("plan", "subscription__plan", "subscription__next_plan").filter(user=user)
    return found.first() or Customer(user=user, plan=Plan.objects.earliest("rank"))


def key_for(user: User, public_id: uuid.UUID) -> ApiKey:
    """Return a key of this person. Raises Http404 for anybody else's."""
    return get_object_or_404(ApiKey.objects.select_related("customer__plan"), customer__user=user, public_id=public_id)
