"""The Celery worker with beat inside: one process instead of three (reference: docs/performance.md).

Run as ``python -m siteproject.worker``. A thread pool suits work that waits for the database
and the network. ``-B`` would fork a second process even with threads, so beat runs as a thread.
"""

import os

from siteproject.startup import set_up


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
    # Gossip and mingle have kept workers from coming back after a restart of Redis (celery #8030, #8091).
    app.worker_main(
        ["worker", "--pool=threads", "--concurrency=4", "--loglevel=INFO", "--without-gossip", "--without-mingle"]
    )


if __name__ == "__main__":
    main()
