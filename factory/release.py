"""The record of a release: what stands behind the site under one name, by digest, and a card for each model."""

import re
from dataclasses import asdict
from typing import Any

from django.db import transaction

from compliance import audit, chain, evidence
from compliance.chain import Head
from compliance.models import EvidenceRecord
from factory import artifacts, model_facts
from factory.artifacts import Places
from inference import registry
from inference.registry import Served

KIND, MODEL_KIND = "release", "model"
NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,39}")
# Our own server is in this package; what another server runs, it does not tell.
RUNTIME_PACKAGES = {"llamacpp": "xllamacpp"}


class ReleaseRefused(Exception):
    """A release cannot be recorded under this name."""


@transaction.atomic
def record(name: str, *, places: Places | None = None) -> tuple[EvidenceRecord, bool]:
    """Put what is here on record as release ``name``. Returns the record, and whether it is a new one.

    Recording the newest release again, unchanged, gives its record: a signature under it stays good. Raises
    ReleaseRefused for a name that is not one, or that another release had.
    """
    if not NAME.fullmatch(name):
        raise ReleaseRefused("A name is up to 40 letters, digits and . _ + -")
    places = places or artifacts.here()
    found = {key: asdict(each) for key, each in artifacts.found(places).items()}
    cards = [card(served) for served in unique()]
    chain.lock(EvidenceRecord)
    last = evidence.latest(KIND)
    if last and last.release == name and last.body["artifacts"] == found and _cards_of(last) == cards:
        return last, False
    if EvidenceRecord.objects.filter(kind=KIND, release=name).exists():
        raise ReleaseRefused(f"{name} is on record, and something has changed since: give it another name")
    models = [evidence.record(MODEL_KIND, each, release=name).number for each in cards]
    body = {
        "name": name,
        "artifacts": found,
        "models": models,
        "git_commit": artifacts.git_commit(places.root),
        "supersedes": str(Head(last.number, last.sha256)) if last else "",
        "rollback_target": last.release if last else "",
    }
    written = evidence.record(KIND, body, release=name)
    audit.record(
        "release.recorded", actor=audit.OPERATOR, object_kind="release", object_id=name, evidence=written.number
    )
    return written, True


def unique() -> list[Served]:
    """Return the models that the environment declares, each once, by public id."""
    return [by_id for _id, by_id in sorted({each.public_id: each for each in registry.declared()}.items())]


def card(served: Served) -> dict[str, Any]:
    """Return the card of a model: what is known of its weights, and that we trained nothing into them.

    The ratio of training compute is ours against the base's, in millionths (AI Act, guidelines on general-purpose
    models: one third would make a provider of whoever modifies one). Without an adapter of ours it is 0.
    """
    facts = model_facts.known().get(served.weights_sha256)
    body: dict[str, Any] = {
        "public_id": served.public_id,
        "name": served.name,
        "tier": str(served.tier),
        "weights_sha256": served.weights_sha256,
        "digest": "checked" if served.digest_checked else "declared",
        "languages": list(served.languages),
        "runtime": served.runtime,
        "runtime_version": runtime_version(served.runtime, ours=bool(served.pid_file)),
        "adapter_sha256": "",
        "training": {"compute_flop": "0", "ratio_ppm": "0", "method": "none: the weights are as published"},
        "base": {"name": served.name, "licence": "", "source": ""},
    }
    if facts:
        body |= {"parameters": facts.parameters, "quantisation": facts.quantisation, "family": facts.family}
        body["base"] = {
            "name": facts.name,
            "author": facts.author,
            "licence": facts.licence,
            "source": facts.source,
            "revision": facts.revision,
            "training_tokens": facts.training_tokens,
            "training_tokens_source": facts.training_tokens_source,
            "training_flop": facts.training_flop,
            "paper": facts.paper,
        }
    return body


def runtime_version(runtime: str, *, ours: bool) -> str:
    """Return the version of our own server for a runtime; empty for a server that is not ours."""
    return model_facts.installed(RUNTIME_PACKAGES.get(runtime, "")) if ours else ""


def newest_card(public_id: str) -> EvidenceRecord | None:
    """Return the newest record of a model."""
    cards = EvidenceRecord.objects.filter(kind=MODEL_KIND, body__public_id=public_id)
    return cards.order_by("-number").first()


def has(card: EvidenceRecord) -> bool:
    """Whether a card is one of the newest release's: another's says nothing of what is served under this name."""
    newest = evidence.latest(KIND)
    return newest is not None and card.number in newest.body["models"]


def _cards_of(release: EvidenceRecord) -> list[dict[str, Any]]:
    cards = EvidenceRecord.objects.filter(kind=MODEL_KIND, number__in=release.body["models"])
    return [each.body for each in cards.order_by("number")]
