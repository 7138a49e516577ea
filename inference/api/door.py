"""Who is at the door: the key in the header, where it may be used from, what it may do."""

import logging

from django.utils.translation import gettext_lazy as _

from billing.errors import BillingError
from billing.grants import Grant, grants
from inference.api.errors import no_key, not_permitted, of_ledger
from inference.api.exchange import Exchange

logger = logging.getLogger(__name__)


async def authenticate(exchange: Exchange, scope: str | None = None) -> Grant:
    """Return what the caller's key grants. Raises ApiError 401, 402, 403, 503."""
    kind, _blank, text = exchange.header("authorization").partition(" ")
    if kind.lower() != "bearer" or not text.strip():
        raise no_key()
    try:
        grant = await grants.find(text.strip())
    except BillingError as error:
        raise of_ledger(error) from error
    if not grant.may_come_from(exchange.address):
        logger.info("%s key %s used from an address it may not be used from", exchange.request_id, grant.prefix)
        raise not_permitted(_("This key may not be used from this address."))
    if scope is not None and scope not in grant.scopes:
        raise not_permitted(_("This key may not be used for this endpoint."))
    return grant
