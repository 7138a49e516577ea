"""Who asks, as far as an answer depends on it. All of it comes from the server's session, nothing from a client."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from inference.admission import Priority
from inference.models import AskerClass


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in. ``signed_in`` looks at the session again: minutes may pass before a second version."""

    public_id: uuid.UUID
    signed_in: Callable[[], Awaitable[bool]]
    asker_class: AskerClass = AskerClass.SIGNED_IN


@dataclass(frozen=True, slots=True)
class Asker:
    """A visitor, or a person; ``takes_versions`` where the door can show a second version of an answer."""

    priority: Priority = Priority.ANONYMOUS
    person: Person | None = None
    takes_versions: bool = False
