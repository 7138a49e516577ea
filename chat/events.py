"""The events of an answer, the same over every door, and the answer they tell of."""

import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.utils import translation

from chat import wording
from chat.asks import Ask
from chat.contact import offers
from chat.errors import ChatError
from chat.grounding import Source
from chat.seals import seal
from chat.tree import tree
from inference import receipts, tally
from inference.errors import InferenceError
from inference.receipts import Receipt
from inference.registry import Served

logger = logging.getLogger(__name__)
Event = dict[str, Any]


@dataclass(slots=True)
class Answer:
    """One version of an answer in the making. ``upgrades`` is the public id of the version it is written beside,
    ``contact`` the kind of message to the team that it opens the way for, empty for none."""

    ask: Ask
    request_id: str
    language: str = "en"
    upgrades: str | None = None
    contact: str = ""
    public_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    text: str = ""
    seq: int = 0

    def event(self, type: str, **fields: Any) -> Event:
        named = {"type": type, "id": self.ask.id, "answer": self.public_id}
        return named | ({"upgrades": self.upgrades} if self.upgrades else {}) | fields

    def delta(self, text: str) -> Event:
        self.text += text
        self.seq += 1
        return self.event("delta", seq=self.seq - 1, text=text)

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def status(
        self, stage: str, served: Served | None = None, *, place: int | None = None, wait_s: int | None = None
    ) -> Event:
        """Say what happens now; ``served`` is who answers, as far as that is known."""
        return self.event(
            "status",
            stage=stage,
            tier=served.tier if served else None,
            model=served.name if served else None,
            hardware=served.hardware if served else None,
            stand_in=served.stand_in if served else False,
            place=place,
            wait_s=wait_s,
        )

    def sources(self, sources: tuple[Source, ...], *, with_quotes: bool = True) -> Event:
        """A verified answer cites its passage; the others quote it."""
        listed = [
            {
                "n": source.n,
                "title": f"{source.passage.title} · {source.passage.heading}",
                "url": source.passage.url,
                "score": round(source.score, 3),
                "quote": source.quote if with_quotes else "",
            }
            for source in sources
        ]
        return self.event("sources", sources=listed)

    def done(self, reason: str, receipt: Receipt, *, notice: str | None = None) -> Event:
        """End the answer with its receipt and its seal; ``notice`` is the code of a sentence about how it came about.

        Counts it: whatever fails before this line is counted as a failure, and nothing twice.
        """
        sealed = seal(
            answer=self.public_id,
            question=self.ask.question,
            text=self.text,
            passages=receipt.passages,
            receipt=receipt,
        )
        event = self.event(
            "done",
            finish_reason=reason,
            rung=receipt.rung,
            receipt=receipt.as_dict(),
            seal=sealed,
            tree=tree(self.text),
        )
        if notice:
            with translation.override(self.ask.language):
                event["notice"] = {"code": notice, "message": wording.sentence(notice)}
        if self.contact:
            with translation.override(self.ask.language):
                event["contact"] = offers.offer(self.contact)
        tally.record(receipt)
        ended = (self.request_id, receipt.rung, self.elapsed_ms, receipt.completion_tokens)
        logger.info("%s on rung %s in %d ms, %d tokens", *ended)
        return event

    def done_without_model(
        self, rung: str, sources: tuple[Source, ...], *, reason: str = "stop", notice: str | None = None
    ) -> Event:
        """End an answer that no model wrote."""
        receipt = receipts.without_model(
            rung=rung,
            language=self.language,
            request_id=self.request_id,
            passages=[source.passage.id for source in sources[:1]],
            duration_ms=self.elapsed_ms,
        )
        return self.done(reason, receipt, notice=notice)

    def failed(self, error: ChatError | InferenceError) -> Event:
        """End the answer with an error, in the language of the page."""
        with translation.override(self.ask.language):
            event = error_event(self.ask.id, error, request_id=self.request_id)
        return self.event("error", **{name: value for name, value in event.items() if name not in ("type", "id")})


def error_event(ask_id: str | None, error: ChatError | InferenceError, *, request_id: str) -> Event:
    """Return the one shape errors have, in the language that is active."""
    return {
        "type": "error",
        "id": ask_id,
        "code": error.code,
        "message": wording.explain(error),
        "field": getattr(error, "field", None),
        "retry_after_s": wording.retry_after_s(error),
        "request_id": request_id,
    }
