"""The stand-in as a part of the stack: started with ``bin/up --with-test-payments``, never by itself."""

import secrets
from pathlib import Path

from siteproject.stack.children import Child, bare_environment, python_module
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part
from siteproject.stack.probe import free_port, http_status
from siteproject.stack.test_payments.address import HOST


class TestPayments(Part):
    """The stand-in on loopback. What it holds is in ``var``, so that a restart of the stack forgets nobody's plan."""

    __test__ = False  # no test, whatever its name says to pytest
    name = "test-payments"
    title = "Test payments"

    def __init__(self, folder: Folder, *, webhook: str, keep: bool = True) -> None:
        super().__init__()
        self.port = free_port()
        self.log = folder.log / "test-payments.log"
        self._kept: Path | None = folder.path / "test-payments.json" if keep else None
        self._webhook = webhook
        self._key = f"sk_test_{secrets.token_hex(16)}"
        self._secret = f"whsec_{secrets.token_hex(16)}"

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://{HOST}:{self.port}"

    def addresses(self) -> dict[str, str]:
        """Return what the site's processes have to know."""
        return {
            "STRIPE_API_URL": self.url,
            "STRIPE_SECRET_KEY": self._key,
            "STRIPE_WEBHOOK_SECRETS": self._secret,
        }

    def start(self) -> None:
        """Start the server."""
        environment = bare_environment() | {
            "TEST_PAYMENTS_PORT": str(self.port),
            "TEST_PAYMENTS_KEY": self._key,
            "TEST_PAYMENTS_SECRET": self._secret,
            "TEST_PAYMENTS_WEBHOOK": self._webhook,
            "TEST_PAYMENTS_FILE": str(self._kept or ""),
        }
        module = python_module("siteproject.stack.test_payments.server")
        self.child = Child(module, log=self.log, environment=environment)

    def ready(self) -> bool:
        """Say whether it answers."""
        return self.pid is not None and http_status(HOST, self.port, "/health") == 200
