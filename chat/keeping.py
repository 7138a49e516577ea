"""Joins an answer on its way to what is stored of it: what came before, and each version when it is done."""

import logging
import uuid

from chat import storing
from chat.askers import Asker
from chat.asks import Ask
from chat.errors import ChatError, StorageFull, UnknownConversation
from chat.events import Event
from chat.storing import StoredVersion
from compliance.database import in_thread

logger = logging.getLogger(__name__)


class Keeper:
    """Notes the events of one ask, and stores its versions if the asker has consented to that."""

    def __init__(self, ask: Ask, asker: Asker) -> None:
        self._ask = ask
        self._person = asker.person
        self._texts: dict[str, str] = {}
        self._sources: list[dict[str, object]] = []

    async def earlier(self) -> list[tuple[str, str]] | None:
        """Return the pairs of the stored conversation; None where history came with the ask.

        Raises UnknownConversation for one that is not the asker's, or is gone.
        """
        if self._ask.conversation is None:
            return None
        if self._person is None:
            raise UnknownConversation
        wanted = uuid.UUID(self._ask.conversation)
        return await in_thread(storing.history, self._person.public_id, wanted)

    async def note(self, event: Event) -> None:
        """Follow one event; a version that is done gets ``conversation`` and ``kept_until`` where it was stored."""
        if self._person is None:
            return
        match event["type"]:
            case "sources":
                self._sources = event["sources"]
            case "delta":
                self._texts[event["answer"]] = self._texts.get(event["answer"], "") + event["text"]
            case "done" if event["rung"]:
                await self._store(event)

    async def _store(self, event: Event) -> None:
        assert self._person is not None
        version = StoredVersion(
            answer=uuid.UUID(event["answer"]),
            text=self._texts.get(event["answer"], ""),
            language=event["receipt"]["language"],
            rung=event["rung"],
            finish_reason=event["finish_reason"],
            sources=self._sources,
            receipt=event["receipt"],
            seal=event["seal"],
            upgrades=uuid.UUID(event["upgrades"]) if "upgrades" in event else None,
        )
        try:
            stored = await in_thread(
                storing.store,
                subject=self._person.public_id,
                ask=uuid.UUID(self._ask.id),
                question=self._ask.question,
                language=self._ask.language,
                version=version,
                conversation=uuid.UUID(self._ask.conversation) if self._ask.conversation else None,
            )
        except StorageFull:
            logger.info("not kept: this person has as much stored as anybody may")
            _tell_problem(event)
            return
        except ChatError as error:
            logger.info("not kept: %s", error.code)
            return
        except Exception as error:
            # The reader has the answer; that it could not be kept is told, and costs nothing else.
            logger.warning("not kept (%s)", type(error).__name__)
            _tell_problem(event)
            return
        if stored is not None:
            event["conversation"] = str(stored.conversation)
            event["kept_until"] = stored.kept_until.isoformat()


def _tell_problem(event: Event) -> None:
    event["kept_until"] = None
    event["kept_problem"] = True
