"""What tokens cost, in millionths of a dollar, rounded up once for a call."""

import asyncio
import time

from django.utils import timezone

from billing.models import ModelPrice
from compliance.database import in_thread

KEPT_S = 30.0
READ_S, AGAIN_S = 1.5, 2.0
MILLION = 1_000_000


class Prices:
    """The prices of this process, read again every half minute."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self._read_at = -KEPT_S

    async def current(self) -> dict[str, tuple[int, int]]:
        """Return the price of a million tokens read and written, by model. Old ones while the database is away."""
        if time.monotonic() - self._read_at > KEPT_S:
            try:
                self._known = await asyncio.wait_for(in_thread(read), READ_S)
                self._read_at = time.monotonic()
            except Exception:
                if not self._known:
                    raise
                # The next calls do not wait for a database that is away, each for itself.
                self._read_at = time.monotonic() - KEPT_S + AGAIN_S
        return self._known

    def forget(self) -> None:
        self._read_at = -KEPT_S


def read() -> dict[str, tuple[int, int]]:
    """Return the prices that hold now, by model."""
    rows = ModelPrice.objects.valid_at(timezone.now())
    return {row.model: (row.input_microusd, row.output_microusd) for row in rows}


def cost(price: tuple[int, int], prompt_tokens: int, completion_tokens: int) -> int:
    """Return the cost of a call: both counts at their price, rounded up to a whole millionth of a dollar."""
    return -(-(prompt_tokens * price[0] + completion_tokens * price[1]) // MILLION)


prices = Prices()
