"""Log lines hold ids, counts and durations. Text of people never reaches a handler."""

import logging
import traceback
from contextvars import ContextVar
from pathlib import Path

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class WithoutText(logging.Filter):
    """Stamp the request id and drop what could carry text: exception messages and their values.

    A database error quotes the row, a validation error quotes the input. What is left is the
    exception's class and where it was raised, which is what one debugs by.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        if record.exc_info and record.exc_info[0] is not None:
            record.where = _where(record.exc_info[1])
            record.exc_info = None
        record.exc_text = None
        record.stack_info = None
        if not record.name.startswith(OURS):
            # Libraries put arguments of their own choosing into messages; their fixed template is enough.
            record.args = tuple(_harmless(arg) for arg in record.args) if isinstance(record.args, tuple) else ()
            # Some messages are put together before they are logged, with reprs of exceptions below the first line.
            record.msg = str(record.msg).split("\n", 1)[0]
        return True


MAX_MESSAGE_CHARS = 500
OURS = ("siteproject", "factory", "chat", "inference", "content", "accounts", "billing", "compliance")


def _harmless(arg: object) -> object:
    """Numbers pass; anything longer than an identifier is replaced by its type."""
    if isinstance(arg, int | float):
        return arg
    text = str(arg)
    return text if len(text) <= 60 and " " not in text.strip() else f"<{type(arg).__name__}>"


def _where(error: BaseException | None) -> str:
    """Return the chain of exception classes with file and line of each, without any message."""
    parts: list[str] = []
    while error is not None and len(parts) < 4:
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]]
        parts.append(f"{type(error).__name__} at {' > '.join(places) or '?'}")
        error = error.__cause__ or error.__context__
    return " <- ".join(parts)


class LineFormatter(logging.Formatter):
    """``2026-11-21T08:00:00Z INFO chat.running 6f1c… message``."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        message = " ".join(
            message[:MAX_MESSAGE_CHARS].split()
        )  # a line is a line, whatever a library or a client put into it
        where = f" [{record.where}]" if hasattr(record, "where") else ""
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return f"{stamp}Z {record.levelname} {record.name} {getattr(record, 'request_id', '-')} {message}{where}"
