"""What needs an operator now, in plain sentences: each app registers what it can see, one call gathers them.

For the start page of the admin and ``manage.py doctor``. An alarm looks at rows; it never waits for the network.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext

logger = logging.getLogger(__name__)
Sentence = str | Promise
Look = Callable[[], list[Sentence]]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One sentence about one thing, in the language that is active."""

    id: str
    text: Sentence


_looks: dict[str, Look] = {}


def alarm(id: str) -> Callable[[Look], Look]:
    """Register a look under an id of its own. Applied in a module that its app imports in ``AppConfig.ready``."""

    def register(look: Look) -> Look:
        if id in _looks:
            raise ValueError(f"two alarms are called {id}")
        _looks[id] = look
        return look

    return register


def active() -> list[Alarm]:
    """Return everything that needs somebody now, in the order of ids. A look that fails is an alarm itself."""
    return [found for id, look in sorted(_looks.items()) for found in _found(id, look)]


def _found(id: str, look: Look) -> list[Alarm]:
    try:
        with transaction.atomic():  # so that one failed query does not spoil the next look
            return [Alarm(id, text) for text in look()]
    except Exception as error:
        logger.warning("alarm %s raised %s", id, type(error).__name__)
        return [Alarm(id, gettext("The check “%(id)s” could not be made. The log says why.") % {"id": id})]
