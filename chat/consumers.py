"""The websocket door. Tokens travel on the socket's own task, straight from the reply."""

import asyncio
import logging
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from typing import Any

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from chat import doors, presence, running
from chat.askers import Person
from chat.asks import Ask, Resume, Stop, parse
from chat.errors import AskRefused, ChatError, TooManyOpen
from chat.events import error_event
from chat.running import Followed
from compliance.addresses import address_name, client_address

logger = logging.getLogger(__name__)
MAX_FOLLOWED = 4
MAX_REFUSALS = 40  # a page in trouble asks a few times; more is somebody trying things out
REFUSED_ORIGIN, TOO_MANY_SOCKETS, TOO_SLOW, TOO_MANY_REFUSALS, SIGNED_OUT = 4403, 4429, 4408, 4400, 4401

_sockets: Counter[str] = Counter()


class ChatConsumer(AsyncWebsocketConsumer):
    """One page's socket: it may follow a few answers at once and closes itself when nothing happens."""

    # No event comes through the channel layer yet, and with one named a socket could not open while Redis is away.
    channel_layer_alias = "none"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one socket and give back all it holds, however it ends."""
        self.address = ""
        self.follows: dict[str, asyncio.Task[None]] = {}
        self.watch: asyncio.Task[None] | None = None
        self.refusals = 0
        self.person: Person | None = None
        self.presence = ExitStack()
        try:
            await super().__call__(scope, receive, send)
        except OSError:
            logger.info("a socket went away while it was written to")
        finally:
            self._leave()

    def _leave(self) -> None:
        if self.address:
            _sockets[self.address] -= 1
            if _sockets[self.address] <= 0:
                del _sockets[self.address]
        self.presence.close()
        # Cancelling a follower is a reader leaving; the reply itself goes on for its grace.
        for task in (*self.follows.values(), *([self.watch] if self.watch else [])):
            task.cancel()

    async def connect(self) -> None:
        headers = doors.header_map(self.scope["headers"])
        self.language = settings.LANGUAGE_CODE
        self.peer = (self.scope.get("client") or ("", 0))[0]
        self.forwarded_for = headers.get("x-forwarded-for", "")
        if headers.get("origin", "").rstrip("/") not in settings.ALLOWED_ORIGINS:
            await self.close(REFUSED_ORIGIN)
            return
        address = address_name(client_address(self.peer, self.forwarded_for))
        if _sockets[address] >= settings.CHAT_SOCKETS_PER_ADDRESS:
            await self.close(TOO_MANY_SOCKETS)
            return
        self.address = address
        _sockets[address] += 1
        session_key = self.scope["session"].session_key or ""
        self.person = doors.person_of(self.scope["user"], session_key)
        if self.person is not None:
            self.presence.enter_context(presence.present(session_key, self._sign_out))
        await self.accept()
        self.heard_at = time.monotonic()
        self.heard_once = False
        self.watch = asyncio.create_task(self._watch())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.heard_at, self.heard_once = time.monotonic(), True
        ask_id: str | None = None
        try:
            try:
                data = text_data.encode() if text_data is not None else bytes_data or b""
            except UnicodeEncodeError as error:
                raise AskRefused("", _("This is not valid JSON in UTF-8.")) from error
            message = parse(data)
            ask_id = message.id
            match message:
                case Ask():
                    self.language = message.language
                    await self._ask(message)
                case Resume():
                    self._follow(await running.attach(message.id, message.secret), message.after_seq)
                case Stop():
                    await running.stop(message.id, message.secret)
        except ChatError as error:
            await self._refuse(ask_id, error)
            self.refusals += 1
            if self.refusals >= MAX_REFUSALS:
                await self.close(TOO_MANY_REFUSALS)

    async def _ask(self, ask: Ask) -> None:
        if ask.secret is None:
            raise AskRefused("secret", _("The secret must be 32 random bytes in base64url."))
        if len(self.follows) >= MAX_FOLLOWED:
            raise TooManyOpen
        at = doors.caller(
            peer=self.peer, forwarded_for=self.forwarded_for, person=self.person, takes_versions=ask.upgrade
        )
        self._follow(await doors.open_reply(ask, at, may_attach=True))

    async def _sign_out(self) -> None:
        """The session behind this socket has ended: so does everything it was following."""
        for task in self.follows.values():
            task.cancel()
        await self.close(SIGNED_OUT)

    def _follow(self, followed: Followed, after_seq: int = -1) -> None:
        """Send the events of an answer in a task of their own; a second request replaces the first."""
        if (before := self.follows.get(followed.id)) is not None:
            before.cancel()
        self.follows[followed.id] = asyncio.create_task(self._send_events(followed, after_seq))

    async def _send_events(self, followed: Followed, after_seq: int) -> None:
        try:
            async with running.reading(followed, grace_s=settings.CHAT_RESUME_GRACE_S):
                async for event in followed.follow(after_seq):
                    await self._send(event)
        except OSError:
            pass  # the reader has gone; disconnect follows
        finally:
            if self.follows.get(followed.id) is asyncio.current_task():
                del self.follows[followed.id]
            self.heard_at = time.monotonic()

    async def _send(self, event: dict[str, Any]) -> None:
        await self.send(text_data=msgspec.json.encode(event).decode())

    async def _refuse(self, ask_id: str | None, error: ChatError) -> None:
        with translation.override(self.language):
            await self._send(error_event(ask_id, error, request_id=uuid.uuid4().hex))

    async def _watch(self) -> None:
        """Close a socket that never speaks, and one that has been idle."""
        while True:
            limit_s = settings.CHAT_SOCKET_IDLE_S if self.heard_once else settings.CHAT_SOCKET_FIRST_S
            left_s = self.heard_at + limit_s - time.monotonic()
            if self.follows:
                left_s = limit_s
            if left_s <= 0:
                await self.close(1000 if self.heard_once else TOO_SLOW)
                return
            await asyncio.sleep(min(left_s, limit_s))
