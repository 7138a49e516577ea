"""The websocket door. Tokens travel on the socket's own task, straight from the reply."""

import asyncio
import logging
import time
import uuid
from collections import Counter
from typing import Any

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from chat import doors, running
from chat.asks import Ask, Resume, Stop, parse
from chat.errors import AskRefused, ChatError, TooManyOpen
from chat.limits import address_name
from chat.replies import error_event
from chat.running import Followed

logger = logging.getLogger(__name__)
MAX_FOLLOWED = 4
MAX_REFUSALS = 40  # a page in trouble asks a few times; more is somebody trying things out
REFUSED_ORIGIN, TOO_MANY_SOCKETS, TOO_SLOW, TOO_MANY_REFUSALS = 4403, 4429, 4408, 4400

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
        address = address_name(doors.client_address(self.peer, self.forwarded_for))
        if _sockets[address] >= settings.CHAT_SOCKETS_PER_ADDRESS:
            await self.close(TOO_MANY_SOCKETS)
            return
        self.address = address
        _sockets[address] += 1
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
        user = self.scope["user"]
        user_id = str(user.public_id) if user.is_authenticated else None
        at = doors.caller(peer=self.peer, forwarded_for=self.forwarded_for, user_id=user_id)
        self._follow(await doors.open_reply(ask, at, may_attach=True))

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
