"""What a key grants, as the door of the API needs it: read from the database, kept for seconds."""

import asyncio
import datetime
import ipaddress
import logging
import time
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from billing import keys
from billing.errors import LedgerAway, UnknownKey
from billing.models import ApiKey, Plan
from compliance.database import in_thread

logger = logging.getLogger(__name__)
READ_S = 1.5  # a caller hears within 2 s that the database is away
MOST_KEPT = 20_000
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits of one minute, and of calls at a time. ``name`` is whose: a customer's or a key's."""

    name: str
    requests: int
    tokens: int
    parallel: int


@dataclass(frozen=True, slots=True)
class Grant:
    """One key with what it may. ``rates`` are the customer's, then the key's own where it has any."""

    key_id: int
    key: uuid.UUID
    customer_id: int
    customer: uuid.UUID
    person: uuid.UUID | None
    prefix: str
    plan: str
    paying: bool
    scopes: frozenset[str]
    models: frozenset[str]
    ranges: tuple[Network, ...]
    rates: tuple[Rates, ...]
    expires_at: datetime.datetime | None
    suspended: bool

    def may_use(self, model: str) -> bool:
        return not self.models or model in self.models

    def may_come_from(self, address: str) -> bool:
        """Whether the key may be used from an address; a key without ranges from any."""
        if not self.ranges:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self.ranges if network.version == found.version)


class Grants:
    """The grants of this process, each at most ``API_KEY_CACHE_S`` old, so a revoked key ends everywhere in seconds.

    Keys that are nobody's are remembered as long, so guessing costs the database little. They are remembered by their
    digest: the key itself stays in this process for the length of a call.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[Grant | None, float]] = {}
        self._reading: dict[str, asyncio.Task[Grant | None]] = {}

    async def find(self, text: str) -> Grant:
        """Return what a key grants. Raises UnknownKey, and LedgerAway when the database does not answer."""
        if not keys.is_key(text):
            raise UnknownKey
        digest = next(iter(keys.digests(text).values()))
        known = self._known.get(digest)
        if known is None or time.monotonic() - known[1] > settings.API_KEY_CACHE_S:
            grant = await self._read_once(digest, text)
        else:
            grant = known[0]
        if grant is None or (grant.expires_at is not None and grant.expires_at <= timezone.now()):
            raise UnknownKey
        return grant

    async def _read_once(self, digest: str, text: str) -> Grant | None:
        task = self._reading.get(digest)
        if task is None or task.done():
            task = self._reading[digest] = asyncio.create_task(self._read(digest, text))
        try:
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._reading.pop(digest, None)

    async def _read(self, digest: str, text: str) -> Grant | None:
        try:
            grant = await asyncio.wait_for(in_thread(read, text), READ_S)
        except Exception as error:
            # Whatever the database or its driver raises while it is away: nobody is let in on old news.
            logger.warning("key not looked up (%s)", type(error).__name__)
            raise LedgerAway from error
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[digest] = (grant, time.monotonic())
        return grant

    def forget(self) -> None:
        """Read afresh at the next call."""
        self._known.clear()


def read(text: str) -> Grant | None:
    """Return what a key grants now, None when it is nobody's or does not work any more."""
    found = keys.digests(text)
    row = (
        ApiKey.objects.working()
        .filter(digest__in=found.values())
        .select_related("customer__plan", "customer__user")
        .first()
    )
    if row is None:
        return None
    if row.pepper_id != next(iter(found)):
        keys.renew_digest(row.pk, text)
    customer = row.customer
    if customer.user is None or not customer.user.is_active:
        return None
    return Grant(
        key_id=row.pk,
        key=row.public_id,
        customer_id=customer.pk,
        customer=customer.public_id,
        person=customer.user.public_id,
        prefix=row.prefix,
        plan=customer.plan.slug,
        paying=customer.plan.priority == Plan.Priority.PAYING,
        scopes=frozenset(row.scopes),
        models=frozenset(row.allowed_models),
        ranges=tuple(ipaddress.ip_network(each, strict=False) for each in row.address_ranges),
        rates=_rates(row),
        expires_at=row.expires_at,
        suspended=customer.suspended_at is not None,
    )


def _rates(row: ApiKey) -> tuple[Rates, ...]:
    customer = row.customer
    of_all = Rates(
        f"c{customer.pk}",
        customer.limit("requests_per_minute"),
        customer.limit("tokens_per_minute"),
        customer.limit("parallel_calls"),
    )
    if (row.requests_per_minute, row.tokens_per_minute, row.parallel_calls) == (None, None, None):
        return (of_all,)
    own = Rates(
        f"k{row.pk}",
        of_all.requests if row.requests_per_minute is None else row.requests_per_minute,
        of_all.tokens if row.tokens_per_minute is None else row.tokens_per_minute,
        of_all.parallel if row.parallel_calls is None else row.parallel_calls,
    )
    return (of_all, own)


grants = Grants()
