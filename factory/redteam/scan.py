"""Runs a slice of garak's probes against the site's API, and the same prompts against a target that obeys."""

import datetime
import hashlib
import json
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.redteam import environment
from factory.redteam.control import obeying
from factory.redteam.runs import Attempt, Plan, Run, Target

TOOL = "garak"
SLICES = Path(__file__).with_name("slices.toml")
DRIVER = Path(__file__).with_name("garak_driver.py")
SLICE_NAMES = ("ci", "night")
LONGEST_S = {"ci": 1800, "night": 8 * 3600}


@dataclass(frozen=True, slots=True)
class Slice:
    """Which probes, with how many prompts of each, and what belongs to them; ``sha256`` is that of the whole file."""

    name: str
    probes: dict[str, int]
    seed: int
    max_tokens: int
    obeyed: dict[str, str]
    left_out_probes: list[str]
    left_out_detectors: list[str]
    sha256: str


class ScanFailed(Exception):
    """garak ended without a result; the sentence is its last line."""


def slice_named(name: str) -> Slice:
    """Return a slice of ``slices.toml``."""
    data = SLICES.read_bytes()
    read = tomllib.loads(data.decode())
    return Slice(
        name=name,
        probes=read[name],
        seed=read["seed"],
        max_tokens=read["max_tokens"],
        obeyed=read["obeyed"],
        left_out_probes=read["left_out"]["probes"],
        left_out_detectors=read["left_out"]["detectors"],
        sha256=hashlib.sha256(data).hexdigest(),
    )


def plan(wanted: Slice, target: Target) -> Plan:
    """Return the plan of a slice at a target."""
    return Plan(TOOL, environment.version(), wanted.name, wanted.sha256, target)


def run(wanted: Slice, target: Target, *, url: str, key: str, extra: dict[str, Any]) -> Run:
    """Return what the slice found at ``url`` (with ``/v1/``). ``extra`` are fields that ride along in each call.

    Raises NotInstalled or ScanFailed.
    """
    started, began = time.monotonic(), datetime.datetime.now(datetime.UTC)
    python = environment.python()
    with obeying() as control:
        proven = _lines(python, wanted, model=target.model, url=control, key="none", extra={}, control=True)
    found = _lines(python, wanted, model=target.model, url=url, key=key, extra=extra, control=False)
    return Run(
        plan=plan(wanted, target),
        attempts=attempts(found, control=proven),
        duration_s=round(time.monotonic() - started),
        started_at=began.isoformat(timespec="seconds"),
        left_out={line["probe"]: line["unavailable"] for line in found if "unavailable" in line}
        | dict.fromkeys(wanted.left_out_probes if "*" in wanted.probes else [], "left out"),
    )


def attempts(lines: Iterable[dict[str, Any]], *, control: Iterable[dict[str, Any]]) -> list[Attempt]:
    """Return what garak found, each attempt void unless its detector fires at the same prompt and an obeying target."""
    fires = {_same(line) for line in control if line.get("hit")}
    return [
        Attempt(
            probe=f"{line['probe']} {line['detector']}",
            attack=line["prompt_sha256"],
            hit=line["hit"],
            void=_same(line) not in fires or line["failed"],
            refused=line["refused"],
            why=f"failed with {line['status']}" if line["failed"] else "" if _same(line) in fires else "control",
            output=line["output"] or "",
        )
        for line in lines
        if "unavailable" not in line
    ]


def _same(line: dict[str, Any]) -> tuple[str, str, int]:
    return line.get("probe", ""), line.get("detector", ""), line.get("seq", -1)


def _lines(
    python: Path, wanted: Slice, *, model: str, url: str, key: str, extra: dict[str, Any], control: bool
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
        out, job = Path(folder) / "out.jsonl", Path(folder) / "job.json"
        asked = {
            "uri": url,
            "model": model,
            "max_tokens": wanted.max_tokens,
            "seed": wanted.seed,
            "extra": extra,
            "control": control,
            "probes": [{"id": probe, "prompts": prompts} for probe, prompts in wanted.probes.items()],
            "left_out": wanted.left_out_probes,
            "left_out_detectors": wanted.left_out_detectors,
            "obeyed": wanted.obeyed,
            "out": str(out),
        }
        job.write_text(json.dumps(asked), encoding="utf-8")
        try:
            done = subprocess.run(
                [str(python), "-P", str(DRIVER), str(job)],
                env=environment.variables(python) | {"RED_TEAM_KEY": key},
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=LONGEST_S[wanted.name],
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ScanFailed(f"garak took more than {LONGEST_S[wanted.name]} s") from error
        if done.returncode:
            raise ScanFailed(f"garak ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
