"""Limits of the minute and of calls at a time: one atomic step in Redis for all of them.

Requests and tokens flow back evenly, a sixtieth of the limit each second (a token bucket); calls at a time are leases
that end by themselves should their process die. Redis's clock decides. A Redis that lost its memory grants nobody a
second full minute: a bucket it has never seen holds no more than what flowed in since its memory began.

While Redis is away the large tier is closed, and each process grants a quarter of the requests to the others.
"""

import logging
import math
import time
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from billing.grants import Grant, Rates
from compliance.memory import redis
from inference.api.errors import away, never_fits, too_many
from inference.api.scripts import scripts

logger = logging.getLogger(__name__)
LOCAL_SHARE = 4
# A new memory begins with a sixth of each bucket, so nobody is shut out by a restart.
BEGINNING_MS = 10_000

# KEYS: bucket and leases of each level. ARGV: id of the call, its tokens, ms a lease lasts, ms that a new memory begins
# with, then requests, tokens and calls at a time of each level. Returns which limit is in the way ('' for none), the ms
# until it is not, the number of its level, and of the first level: requests left, ms until full, tokens left, ms until
# full.
TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local epoch = redis.call('GET', 'limit:api:epoch')
if not epoch then
  epoch = now - tonumber(ARGV[4])
  redis.call('SET', 'limit:api:epoch', epoch)
end
local id, cost, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local levels = #KEYS / 2
local held = {}
for n = 1, levels do
  local rate = {tonumber(ARGV[2 + n * 3]), tonumber(ARGV[3 + n * 3])}
  local calls = tonumber(ARGV[4 + n * 3])
  local bucket, leases = KEYS[n * 2 - 1], KEYS[n * 2]
  local had = redis.call('HMGET', bucket, 'r', 't', 'at')
  local at = tonumber(had[3] or epoch)
  local have = {}
  for k = 1, 2 do
    have[k] = math.min(rate[k], tonumber(had[k] or 0) + math.max(0, now - at) * rate[k] / 60000)
  end
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  local need = {1, cost}
  for k = 1, 2 do
    if have[k] < need[k] then
      return {k == 1 and 'requests' or 'tokens', math.ceil((need[k] - have[k]) * 60000 / rate[k]), n,
        math.floor(have[1]), math.ceil((rate[1] - have[1]) * 60000 / rate[1]),
        math.floor(have[2]), math.ceil((rate[2] - have[2]) * 60000 / rate[2])}
    end
  end
  if redis.call('ZCARD', leases) >= calls then
    return {'parallel', 1000, n, math.floor(have[1]), math.ceil((rate[1] - have[1]) * 60000 / rate[1]),
      math.floor(have[2]), math.ceil((rate[2] - have[2]) * 60000 / rate[2])}
  end
  held[n] = {have[1] - 1, have[2] - cost, rate}
end
for n = 1, levels do
  local bucket, leases = KEYS[n * 2 - 1], KEYS[n * 2]
  redis.call('HSET', bucket, 'r', held[n][1], 't', held[n][2], 'at', now)
  redis.call('PEXPIRE', bucket, 120000)
  redis.call('ZADD', leases, now + lease, id)
  redis.call('PEXPIRE', leases, lease)
end
local first = held[1]
return {'', 0, 0, math.floor(first[1]), math.ceil((first[3][1] - first[1]) * 60000 / first[3][1]),
  math.floor(first[2]), math.ceil((first[3][2] - first[2]) * 60000 / first[3][2])}
"""

# KEYS as above. ARGV: id of the call, tokens to give back.
GIVE_BACK = """
for n = 1, #KEYS / 2 do
  redis.call('ZREM', KEYS[n * 2], ARGV[1])
  if tonumber(ARGV[2]) ~= 0 and redis.call('EXISTS', KEYS[n * 2 - 1]) == 1 then
    redis.call('HINCRBYFLOAT', KEYS[n * 2 - 1], 't', ARGV[2])
  end
end
"""


@dataclass(slots=True)
class Taken:
    """What a call holds until ``give_back``. ``headers`` tell the client what is left."""

    request_id: str
    keys: list[str]
    tokens: int
    headers: dict[str, str]


async def take(grant: Grant, *, request_id: str, tokens: int, large: bool) -> Taken:
    """Count one call of at most ``tokens``. Raises ApiError 429 with the real seconds left, or 503."""
    rates = grant.rates
    if tokens > (most := min(level.tokens for level in rates)):
        raise never_fits(tokens, most, {})
    keys = [name for level in rates for name in (f"limit:api:{level.name}:flow", f"limit:api:{level.name}:calls")]
    numbers = [str(value) for level in rates for value in (level.requests, level.tokens, level.parallel)]
    try:
        found = await scripts.run(TAKE, keys, [request_id, str(tokens), str(_lease_ms()), str(BEGINNING_MS), *numbers])
    except (TimeoutError, RedisError, OSError) as error:
        logger.warning("redis away (%s), local allowance", type(error).__name__)
        if large:
            raise away(30, "limits_away") from error
        take_locally("calls", rates, share=LOCAL_SHARE)
        # The script may have run all the same: what it leased is given back.
        return Taken(request_id, keys, tokens=0, headers={})
    which = found[0].decode()
    headers = _headers(rates[0], *(int(value) for value in found[3:7]))
    if which:
        raise too_many(which, int(found[1]) / 1000, headers)
    return Taken(request_id, keys, tokens, headers)


async def give_back(taken: Taken, *, used_tokens: int) -> None:
    """End the call's lease and give back the tokens that it did not use."""
    try:
        await scripts.run(GIVE_BACK, taken.keys, [taken.request_id, str(taken.tokens - used_tokens)])
    except (TimeoutError, RedisError, OSError) as error:
        logger.warning("lease not given back (%s), it ends by itself", type(error).__name__)


def _lease_ms() -> int:
    return round(settings.API_ORPHAN_S * 1000)


def _headers(level: Rates, requests: int, requests_ms: int, tokens: int, tokens_ms: int) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(level.requests),
        "x-ratelimit-limit-tokens": str(level.tokens),
        "x-ratelimit-remaining-requests": str(max(0, requests)),
        "x-ratelimit-remaining-tokens": str(max(0, tokens)),
        "x-ratelimit-reset-requests": duration(requests_ms),
        "x-ratelimit-reset-tokens": duration(tokens_ms),
    }


def duration(ms: int) -> str:
    """Return ``12ms``, ``1s``, ``6m0s``: what Go's ParseDuration reads, and OpenAI writes."""
    if ms < 1000:
        return f"{max(0, ms)}ms"
    minutes, seconds = divmod(math.ceil(ms / 1000), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


_local: dict[str, tuple[float, float]] = {}


def take_locally(kind: str, rates: tuple[Rates, ...], *, share: int = 1) -> None:
    """Count one request of a kind in this process's memory, against a ``share``-th of the requests of a minute.

    For what must cost nothing to count: bodies that are refused, reports, and every call while Redis is away.
    Raises ApiError 429.
    """
    left = _left(kind, rates, share)
    now = time.monotonic()
    if len(_local) > 10_000:
        _local.clear()
    _local.update({name: (value - 1, now) for name, value in left.items()})


def _left(kind: str, rates: tuple[Rates, ...], share: int) -> dict[str, float]:
    """Return what is left of each level's bucket. Raises ApiError 429 where one has no whole request left."""
    now = time.monotonic()
    found: dict[str, float] = {}
    for level in rates:
        most = max(1.0, level.requests / share)
        left, at = _local.get(f"{kind}:{level.name}", (most, now))
        left = min(most, left + (now - at) * most / 60)
        if left < 1:
            raise too_many("requests", (1 - left) * 60 / most, {})
        found[f"{kind}:{level.name}"] = left
    return found


def check_locally(kind: str, rates: tuple[Rates, ...], *, share: int = 1) -> None:
    """Refuse who has none left of a kind, and count nothing. Raises ApiError 429."""
    _left(kind, rates, share)


async def begin() -> None:
    """Let buckets be full at the start where Redis is as new as this process; after a loss they fill as time goes."""
    try:
        client = redis()
        seconds, micros = await client.time()
        await client.set("limit:api:epoch", (seconds - 60) * 1000 + micros // 1000, nx=True)
    except (TimeoutError, RedisError, OSError):
        logger.warning("redis away at start, buckets fill from empty")
