"""How many questions an address or an account may ask: a sliding window, counted in one atomic step.

Redis holds the windows of visitors, PostgreSQL those of people: a Redis that loses its memory grants nobody with an
account more. When the store is away each process grants a small allowance of its own instead of refusing everybody:
reading our pages aloud costs us little.
"""

import datetime
import logging
import math
import re
import secrets
import time
import uuid
from collections import defaultdict, deque

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from redis.exceptions import RedisError

from accounts.models import User
from chat.errors import RateLimited
from chat.models import AskedQuestion
from compliance.database import in_thread
from compliance.memory import redis

logger = logging.getLogger(__name__)
LOCAL_SHARE = 4  # of the limit, each process grants a quarter by itself
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# KEYS[1] the window; ARGV: limit, window in ms, a unique member. Returns 0, or the ms to wait. Redis's clock decides.
TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now, ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + ARGV[2] - now
"""


def parse_limit(text: str) -> tuple[int, int]:
    """Return (count, seconds) of a limit such as ``20/15m``. Raises ValueError."""
    found = re.fullmatch(r"(\d+)/(\d*)([smhd])", text)
    if not found:
        raise ValueError(f"not a limit: {text}")
    return int(found.group(1)), int(found.group(2) or 1) * UNITS_S[found.group(3)]


async def take(name: str, limit: str) -> None:
    """Count one question for ``name``. Raises RateLimited with the real seconds until the next is free."""
    count, window_s = parse_limit(limit)
    try:
        wait_ms = await redis().eval(
            TAKE, 1, f"limit:chat:{name}", str(count), str(window_s * 1000), secrets.token_hex(8)
        )
    except (TimeoutError, RedisError, OSError):
        logger.warning("redis away, local allowance")
        wait_ms = _take_locally(name, max(1, count // LOCAL_SHARE), window_s)
    if wait_ms:
        raise RateLimited(max(1, math.ceil(float(wait_ms) / 1000)))


async def take_for(person: uuid.UUID, limit: str) -> None:
    """Count one question of a signed-in person. Raises RateLimited with the real seconds until the next is free."""
    count, window_s = parse_limit(limit)
    try:
        wait_s = await in_thread(_take_in_database, person, count, window_s)
    except Exception as error:
        # Whatever the database or its driver raises while it is away.
        logger.warning("database away (%s), local allowance", type(error).__name__)
        wait_s = _take_locally(f"person:{person}", max(1, count // LOCAL_SHARE), window_s) / 1000
    if wait_s:
        raise RateLimited(max(1, math.ceil(wait_s)))


def _take_in_database(person: uuid.UUID, count: int, window_s: int) -> float:
    """Count a question, or return the seconds to wait. The person's row is the lock; the database's clock decides."""
    window = datetime.timedelta(seconds=window_s)
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(public_id=person)
        mine = AskedQuestion.objects.filter(user=user)
        mine.filter(at__lte=Now() - window).delete()
        asked = mine.count()
        if asked < count:
            AskedQuestion.objects.create(user=user)
            return 0
        # Free again when so many have left the window that fewer than ``count`` are in it.
        age = mine.annotate(age=Now() - F("at")).order_by("at").values_list("age", flat=True)[asked - count]
        return float((window - age).total_seconds())


_local: defaultdict[str, deque[float]] = defaultdict(deque)


def _take_locally(name: str, count: int, window_s: int) -> float:
    """The same window in this process's memory. Returns 0 or the ms to wait."""
    now = time.monotonic()
    if len(_local) > 10_000:
        _local.clear()
    asked = _local[name]
    while asked and asked[0] <= now - window_s:
        asked.popleft()
    if len(asked) < count:
        asked.append(now)
        return 0
    return (asked[0] + window_s - now) * 1000
