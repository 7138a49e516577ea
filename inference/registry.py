"""Which models there are, where they run, and whether staff switched them on.

The environment says what exists; ``sync`` writes it to the database at start; the database adds
the switches. Readers get an immutable snapshot that is at most ``SWITCH_CHECK_S`` old, so a switch
in the admin acts everywhere within seconds and no question waits for the database.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction

from compliance.database import in_thread
from inference import rights
from inference.models import Backend, Hardware, Model, Tier

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """One model on one backend, as the engine needs it.

    ``upstream_model`` is the name the backend knows; ``public_id`` is ours. ``key`` never leaves the process.
    ``digest_checked`` says whether the weights were compared with ``weights_sha256`` when they were loaded.
    """

    public_id: str
    name: str
    tier: str
    hardware: str
    languages: tuple[str, ...]
    capabilities: tuple[str, ...]
    context_tokens: int
    max_output_tokens: int
    weights_sha256: str
    digest_checked: bool
    backend: str
    runtime: str
    url: str
    upstream_model: str
    key: str
    slots: int
    queue: int
    # Of several that could answer, the one with the highest preference does.
    preference: int = 0
    # It sleeps until it is woken (``inference.wake``) and is asked nothing before.
    sleeps: bool = False
    # It stands in for a larger model, and the interface says so.
    stand_in: bool = False
    pid_file: str = ""
    # The name of the key that marks its words, empty where none does.
    watermark_key: str = ""
    # Numbers in one vector, 0 for a model that writes.
    dimensions: int = 0
    enabled: bool = True
    state: str = Backend.State.UNKNOWN

    def writes(self, language: str) -> bool:
        """Whether the model is registered to write ``language``."""
        return language in self.languages


def declared() -> list[Served]:
    """Return what the environment declares, every switch on, in the order in which they are tried."""
    found = [one for one in (_small(), _large(), _slow(), _embed()) if one is not None]
    return sorted(found, key=lambda one: -one.preference)


def _small() -> Served | None:
    cpu = settings.LLM_CPU
    if not cpu["url"]:
        return None
    return Served(
        public_id="wagmi-small",
        name=cpu["name"],
        tier=Tier.SMALL,
        hardware=Hardware.CPU,
        languages=tuple(cpu["languages"]),
        capabilities=rights.granted(Tier.SMALL, cpu["capabilities"]),
        context_tokens=cpu["context_tokens"],
        max_output_tokens=cpu["max_output_tokens"],
        weights_sha256=cpu["weights_sha256"],
        digest_checked=bool(settings.LLM_CPU_PID_FILE),
        backend="cpu",
        runtime=cpu["runtime"],
        url=cpu["url"].rstrip("/"),
        upstream_model=cpu["model"],
        key=cpu["key"],
        slots=settings.LLM_CPU_SLOTS,
        queue=settings.LLM_CPU_QUEUE,
        pid_file=settings.LLM_CPU_PID_FILE,
    )


def _large() -> Served | None:
    gpu = settings.LLM_GPU
    if not gpu["url"] or settings.LLM_GPU_DRIVER == "none":
        return None
    return Served(
        public_id="wagmi-large",
        name=gpu["name"],
        tier=Tier.LARGE,
        hardware=Hardware(gpu["hardware"]),
        languages=tuple(gpu["languages"]),
        capabilities=rights.granted(Tier.LARGE, gpu["capabilities"]),
        context_tokens=gpu["context_tokens"],
        max_output_tokens=gpu["max_output_tokens"],
        weights_sha256=gpu["weights_sha256"],
        # Our own server compares them before it loads a byte.
        digest_checked=bool(gpu["pid_file"] and gpu["weights_sha256"]),
        backend="gpu",
        runtime=gpu["runtime"],
        url=gpu["url"].rstrip("/"),
        upstream_model=gpu["model"],
        key=gpu["key"],
        slots=gpu["slots"],
        queue=gpu["queue"],
        sleeps=True,
        stand_in=gpu["stand_in"],
        watermark_key=gpu["watermark_key"],
        pid_file=gpu["pid_file"],
    )


def _slow() -> Served | None:
    slow = settings.LLM_SLOW
    if not slow["url"]:
        return None
    return Served(
        public_id="wagmi-slow",
        name=slow["name"],
        tier=Tier(slow["tier"]),
        hardware=Hardware(slow["hardware"]),
        languages=tuple(slow["languages"]),
        capabilities=rights.granted(slow["tier"], slow["capabilities"]),
        context_tokens=slow["context_tokens"],
        max_output_tokens=slow["max_output_tokens"],
        weights_sha256=slow["weights_sha256"],
        digest_checked=False,
        backend="slow",
        runtime=slow["runtime"],
        url=slow["url"].rstrip("/"),
        upstream_model=slow["model"],
        key=slow["key"],
        slots=slow["slots"],
        queue=slow["queue"],
        preference=-1,
    )


def _embed() -> Served | None:
    embed = settings.LLM_EMBED
    if not embed["url"]:
        return None
    return Served(
        public_id="wagmi-embed",
        name=embed["name"],
        tier=Tier.EMBED,
        hardware=Hardware.CPU,
        languages=tuple(embed["languages"]),
        capabilities=(),
        context_tokens=embed["context_tokens"],
        max_output_tokens=0,
        weights_sha256=embed["weights_sha256"],
        digest_checked=bool(embed["pid_file"]),
        backend="embed",
        runtime=embed["runtime"],
        url=embed["url"].rstrip("/"),
        upstream_model=embed["model"],
        key=embed["key"],
        slots=embed["slots"],
        queue=embed["queue"],
        pid_file=embed["pid_file"],
        dimensions=embed["dimensions"],
    )


@transaction.atomic
def sync() -> None:
    """Write what the environment declares to the database. Switches, descriptions and states stay as they are."""
    names = []
    for served in declared():
        model, _ = Model.objects.update_or_create(
            public_id=served.public_id,
            defaults={
                "name": served.name,
                "tier": served.tier,
                "hardware": served.hardware,
                "languages": list(served.languages),
                "capabilities": list(served.capabilities),
                "context_tokens": served.context_tokens,
                "max_output_tokens": served.max_output_tokens,
                "weights_sha256": served.weights_sha256,
                "watermark_key": served.watermark_key,
            },
        )
        Backend.objects.update_or_create(
            name=served.backend, defaults={"model": model, "runtime": served.runtime, "url": served.url}
        )
        names.append(served.backend)
    Backend.objects.exclude(name__in=names).delete()


class Snapshot:
    """The registry as this process last saw it, refreshed in the background of whoever asks."""

    def __init__(self) -> None:
        self._served: list[Served] | None = None
        self._read_at = 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def served(self) -> list[Served]:
        """Return the models, switched off ones included; at most one refresh runs at a time."""
        if self._outdated:
            self._refreshing = asyncio.create_task(self._refresh())
        if self._served is None and self._refreshing is not None:
            await asyncio.shield(self._refreshing)  # the first askers wait for the switches, together
        # Later ones are served what is at hand; a slow or absent database delays nobody.
        return declared() if self._served is None else self._served

    @property
    def _outdated(self) -> bool:
        at_it = self._refreshing is not None and not self._refreshing.done()
        return not at_it and (self._served is None or time.monotonic() - self._read_at > settings.SWITCH_CHECK_S)

    async def _refresh(self) -> None:
        self._read_at = time.monotonic()
        try:
            self._served = await asyncio.wait_for(in_thread(_read), 3)
        except Exception as error:
            logger.warning("registry not read (%s), the last known switches hold", type(error).__name__)

    def forget(self) -> None:
        """Read afresh at the next call."""
        self._served = None


def _read() -> list[Served]:
    rows = {row.name: row for row in Backend.objects.select_related("model")}
    return [
        replace(served, enabled=row.enabled and row.model.enabled, state=row.state)
        if (row := rows.get(served.backend))
        else served
        for served in declared()
    ]


snapshot = Snapshot()
