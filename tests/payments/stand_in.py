"""The stand-in on a thread of this process, and a site's settings that point to it."""

import copy
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from siteproject.stack.probe import free_port
from siteproject.stack.test_payments import scenarios
from siteproject.stack.test_payments.calls import Calls
from siteproject.stack.test_payments.messages import Messenger
from siteproject.stack.test_payments.objects import Objects
from siteproject.stack.test_payments.server import StandIn, server
from tests.live import wait_for


class Payments:
    """What a test does with the stand-in: let something happen, take the messages, look at the calls."""

    def __init__(self, stand_in: StandIn, secret: str) -> None:
        self.stand_in = stand_in
        self.secret = secret

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "STRIPE_SECRET_KEY": self.stand_in.key,
            "STRIPE_API_URL": self.stand_in.address,
            "STRIPE_WEBHOOK_SECRETS": [self.secret],
        }

    def reset(self, goods: dict[str, Any] | None = None) -> None:
        """Forget everything that was made, said and asked, but ``goods``: what ``goods`` gave before."""
        held = self.stand_in.calls
        messenger = Messenger("", self.secret, held.version)
        self.stand_in.calls = Calls(Objects(), messenger, held.address, held.version)
        for kind, found in copy.deepcopy(goods or {}).items():
            for each in found:
                self.stand_in.calls.objects.add(kind, each)

    def goods(self) -> dict[str, Any]:
        """Return what is on sale, for a later test to begin with."""
        return copy.deepcopy({kind: self.all(kind) for kind in ("products", "prices", "meters", "configurations")})

    def play(self, name: str, **about: Any) -> list[dict[str, Any]]:
        """Let something happen at the provider and return its messages, which nobody has sent."""
        return scenarios.play(self.stand_in.calls, name, about)

    def signed(self, message: dict[str, Any], *, age_s: int = 0) -> tuple[bytes, str]:
        return self.stand_in.calls.messenger.signed(message, age_s=age_s)

    def calls(self, path: str = "") -> list[dict[str, Any]]:
        """Return the calls so far, all or those of one path."""
        return [each for each in self.stand_in.calls.made if not path or each["path"] == f"/v1/{path}"]

    def problems(self) -> list[str]:
        """Return everything that was wrong with a call: a parameter the SDK does not know, a missing key."""
        return [problem for each in self.stand_in.calls.made for problem in each["problems"]]

    def all(self, kind: str) -> list[dict[str, Any]]:
        return self.stand_in.calls.objects.all(kind)


@contextmanager
def running_payments() -> Iterator[Payments]:
    """Give the stand-in while it serves. Its messages are kept, not sent."""
    port, secret = free_port(), f"whsec_{secrets.token_hex(16)}"
    stand_in = StandIn(port, key=f"sk_test_{secrets.token_hex(16)}", secret=secret)
    running = server(stand_in, port)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: running.started, 10)
        yield Payments(stand_in, secret)
    finally:
        running.should_exit = True
        thread.join(10)
