"""The dead man's switch: puts the large tier to sleep when nobody tends it any longer.

Run as ``python -m siteproject.switch`` beside web and worker, so that it is there when both are gone. It looks at open
wakes: a heartbeat older than ``LLM_GPU_SWITCH_S``, a reservation that is over, or a database that has been away for as
long while something was awake, and it tells the backend to sleep under a newer fence, closes the row and settles the
bill. Told to end, it puts to sleep what is awake: whoever stops the site pays for nothing more.
"""

import logging
import os
import signal
import threading
import time

import django
from django.conf import settings
from django.db import connection

logger = logging.getLogger("siteproject.switch")
# What the rows of a wake and its bill need, and no more: this process waits for weeks.
APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "siteproject.bare.Compliance",
    "siteproject.bare.Accounts",
    "siteproject.bare.Inference",
]
LOOKS = 12  # in the time after which it acts: every 5 s of 60
ENDING_S = 2.0


def main() -> None:
    """Look until SIGTERM or SIGINT."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
    settings.INSTALLED_APPS = APPS
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)  # one connection for each look is enough
    django.setup()

    from inference.rescue import Switch

    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    switch = Switch()
    while not ending.wait(min(5.0, settings.LLM_GPU_SWITCH_S / LOOKS)):
        _look(switch)
    ends = time.monotonic() + ENDING_S
    while not switch.end_all() and time.monotonic() < ends:
        time.sleep(0.2)


def _look(switch: "Switch") -> None:  # type: ignore[name-defined]  # noqa: F821 - loaded once Django is
    try:
        switch.look()
    except Exception as error:
        # Whatever it is, the next look comes.
        logger.error("look failed (%s)", type(error).__name__)
    finally:
        connection.close()  # each look takes a fresh one: what died with its server is of no use


if __name__ == "__main__":
    main()
