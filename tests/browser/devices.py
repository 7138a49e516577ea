"""Devices that keep passkeys, and newcomers who hold one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession

from tests.browser.conftest import Reader
from tests.browser.test_signin import new_address, sign_up
from tests.live import Site

OPTIONS = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@dataclass
class Device:
    """A reader's device, which keeps passkeys and says yes."""

    session: CDPSession
    id: str

    @classmethod
    def of(cls, reader: Reader) -> "Device":
        session = reader.page.context.new_cdp_session(reader.page)
        session.send("WebAuthn.enable")
        made = session.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
        return cls(session, made["authenticatorId"])

    def take_passkeys_of(self, other: "Device") -> None:
        """Hold what the other device holds, as two devices of one person do."""
        for credential in other.session.send("WebAuthn.getCredentials", {"authenticatorId": other.id})["credentials"]:
            self.session.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})


def newcomer_at(site: Site, reader_at: Callable[..., Reader], path: str, **options: Any) -> tuple[Reader, str]:
    """Return a reader who signed up on the way to ``path``, and the address they gave."""
    address = new_address()
    reader = reader_at(f"{site.url}/accounts/enter/?next={path}", **options)
    sign_up(site, reader, address)
    return reader, address


def add_passkey(site: Site, reader: Reader) -> Device:
    """Let a signed-in reader add a passkey, and return the device that keeps it."""
    device = Device.of(reader)
    reader.page.goto(f"{site.url}/accounts/factors/passkeys/add/")
    reader.page.click("passkey-form button")
    reader.page.wait_for_url("**/recovery-codes/")
    return device
