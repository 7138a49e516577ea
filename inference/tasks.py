"""Tasks of inference."""

from celery import shared_task

from inference import probes


@shared_task
def probe_backends() -> None:
    """Write down which backends are ready. Runs every ``PROBE_S``; the next run is the retry."""
    probes.probe()
