"""The Celery worker with beat inside: one process instead of three (reference: docs/performance.md).

Run as ``python -m siteproject.worker``. A thread pool suits work that waits for the database
and the network. ``-B`` would fork a second process even with threads, so beat runs as a thread. Waking has one of its
own: behind four long exports it would be late, and the dead man's switch would put a model to sleep that is in use.
"""

import logging
import os
import threading
import time

from django.conf import settings
from django.db import connection

from siteproject.startup import set_up

logger = logging.getLogger(__name__)


def main() -> None:
    """Work until SIGTERM or SIGINT."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
    set_up()

    from celery.beat import EmbeddedService

    from siteproject.celery import app

    schedule = os.path.join(os.environ.get("RUN_DIR", "var/run"), "beat-schedule")  # noqa: PTH118
    beat = EmbeddedService(app, thread=True, schedule_filename=schedule)
    beat.daemon = True
    beat.start()
    if settings.LLM_GPU["url"]:
        threading.Thread(target=keep_tending, name="tending", daemon=True).start()
    # Gossip and mingle have kept workers from coming back after a restart of Redis (celery #8030, #8091).
    app.worker_main(
        ["worker", "--pool=threads", "--concurrency=4", "--loglevel=INFO", "--without-gossip", "--without-mingle"]
    )


def keep_tending() -> None:
    """Do the next step of every open wake each ``LLM_GPU_TEND_S``, for as long as the process runs."""
    from inference import tending

    while True:
        try:
            tending.tend()
        except Exception as error:
            # Whatever it is, the next round comes.
            logger.error("tending failed (%s)", type(error).__name__)
        finally:
            connection.close()  # what died with its server is of no use in the next round
        time.sleep(settings.LLM_GPU_TEND_S)


if __name__ == "__main__":
    main()
