"""Staff filter lists by what is offered; an address that asks for more is refused."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.chat.open_flags import flag

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address",
    [
        "flag/?user={pk}",
        "flag/?training_subject={id}",
        "flag/?number_sha256__startswith=0",
        "flag/?words__icontains=so",
        "teammessage/?reply_to__icontains=alice",
        "teammessage/?text__icontains=tap",
        "teammessage/?user__exact={pk}",
        "trainingexample/?subject={id}",
    ],
)
def test_an_address_does_not_filter_by_who_it_was_or_what_was_written(
    staff_client: Client, alice: User, address: str
) -> None:
    flag(user=alice)

    asked = staff_client.get(f"/admin/chat/{address.format(pk=alice.pk, id=alice.public_id)}")

    assert asked.status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "flag/?state__exact=open&held=no&language=en",
        "teammessage/?kind__exact=support&due=open&owner__id__exact=1&received_at__gte=2026-01-01T00:00:00%2B00:00",
        "regressioncase/?withdrawn_at__isempty=1",
    ],
)
def test_the_filters_that_are_offered_work(staff_client: Client, address: str) -> None:
    assert staff_client.get(f"/admin/chat/{address}").status_code == 200


@pytest.mark.parametrize("address", ["flag/x/change/", "teammessage/²/change/", "teammessage/x/change/"])
def test_an_address_of_nothing_is_not_found(staff_client: Client, address: str, settings: Any) -> None:
    assert staff_client.get(f"/admin/chat/{address}").status_code == 404
