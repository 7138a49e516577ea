"""Tasks of inference."""

from celery import shared_task

from inference import probes, tending


@shared_task(acks_late=False)  # beat calls it again anyway: siteproject/tasks.py
def probe_backends() -> None:
    """Write down which backends are ready. Runs every ``PROBE_S``; the next run is the retry."""
    probes.probe()


@shared_task(acks_late=False)
def tend_wakes() -> None:
    """Do the next step for every open wake. Runs every ``LLM_GPU_TEND_S`` and when one was asked for."""
    tending.tend()
