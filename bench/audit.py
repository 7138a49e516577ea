"""Lighthouse on five pages, as a phone and as a desk: the median of five rounds, where Node.js is present."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.node_tools import LIGHTHOUSE, NodeMissing, command
from bench.report import Result, run_program
from bench.stage import bench_site
from content.site import posts

ROUNDS = 5
GATE = 96.0  # of 100
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
FORMS: dict[str, list[str]] = {"phone": [], "desk": ["--preset=desktop"]}
CHROME = "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-component-update"
RUN_S = 180
TRIES = 3
AGAIN = "Please run Lighthouse again"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One run on one page: scores out of 100, how much it moved, and what cost it points by category."""

    scores: dict[str, float]
    shift: float
    costs: dict[str, list[str]]


def main() -> int:
    """Install Lighthouse if need be and measure; without Node.js, say so loudly and leave it out."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options, rest = parser.parse_known_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("LIGHTHOUSE NOT RUN: no Chromium on this machine (Debian: apt-get install chromium)")
        return 0
    try:
        lighthouse = command(LIGHTHOUSE)
    except NodeMissing as missing:
        print(f"LIGHTHOUSE NOT RUN: {missing}")
        return 0
    return run_program("audit", lambda: measure(lighthouse, chromium, options.rounds), rest)


def pages() -> dict[str, str]:
    """Return the pages by what they stand for: the first, the assistant, an article in each language, a plain text."""
    return {
        "home": "/",
        "chat": "/chat/",
        "post": f"/blog/{posts('en')[0].slug}/",
        "privacy": "/privacy/",
        "French post": f"/fr/blog/{posts('fr')[0].slug}/",
    }


def measure(lighthouse: list[str], chromium: str, rounds: int) -> list[Result]:
    """Return a score for each page, form and category, and how much the page moved; rounds go over all pages."""
    verdicts: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    with bench_site() as site, tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, path in pages().items():
                for form, flags in FORMS.items():
                    report = Path(folder) / "report.json"
                    asked = [*lighthouse, f"{site.url}{path}", *flags]
                    verdicts[name, form].append(run(asked, chromium, report))
                    print(f"  {name}, {form}: {_short(verdicts[name, form][-1])}", flush=True)
    return [result for (name, form), found in verdicts.items() for result in results(f"{name}, {form}", found)]


def run(asked: list[str], chromium: str, report: Path) -> Verdict:
    """Run Lighthouse once. Raises RuntimeError where it could not judge the page.

    On a busy machine a trace now and then lacks its beginning, and Lighthouse itself says to run it again.
    """
    for _ in range(TRIES):
        said = _attempt(asked, chromium, report)
        if report.exists():
            return verdict(json.loads(report.read_text(encoding="utf-8")))
        if AGAIN not in said:
            break
    raise RuntimeError(f"Lighthouse failed: {said}")


def _attempt(asked: list[str], chromium: str, report: Path) -> str:
    """Let Lighthouse write its report and return its complaint; there is no report where it failed."""
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [
            *asked,
            "--quiet",
            "--output=json",
            f"--output-path={report}",
            f"--only-categories={','.join(CATEGORIES)}",
            f"--chrome-flags={CHROME}",
        ],
        env=os.environ | {"CHROME_PATH": chromium},
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    if done.returncode:
        report.unlink(missing_ok=True)
    return done.stderr.strip()[-500:]


def verdict(found: dict[str, Any]) -> Verdict:
    """Return what a report of Lighthouse's says, as far as we ask."""
    categories = found["categories"]
    return Verdict(
        scores={name: 100 * (categories[name]["score"] or 0) for name in CATEGORIES},
        shift=float(found["audits"]["cumulative-layout-shift"]["numericValue"]),
        costs={name: costs(categories[name], found["audits"]) for name in CATEGORIES},
    )


def costs(category: dict[str, Any], audits: dict[str, Any]) -> list[str]:
    """Return the audits that took points from a category, the dearest first."""
    lost = []
    for reference in category["auditRefs"]:
        audit = audits[reference["id"]]
        points = reference["weight"] * (1 - audit["score"]) if audit["score"] is not None else 0
        if points > 0.005:
            lost.append((points, " ".join(filter(None, [reference["id"], audit.get("displayValue")]))))
    return [said for _, said in sorted(lost, reverse=True)]


def _short(verdict: Verdict) -> str:
    scores = ", ".join(f"{name} {score:.0f}" for name, score in verdict.scores.items())
    return f"{scores}, layout shift {verdict.shift:.3f}"


def results(what: str, verdicts: list[Verdict]) -> list[Result]:
    """Return the medians of one page in one form; the note names what cost points in the last round."""
    found = [
        Result(
            f"{what}: {name}",
            statistics.median(verdict.scores[name] for verdict in verdicts),
            "",
            GATE,
            at_most=False,
            note="; ".join(verdicts[-1].costs[name][:4]),
        )
        for name in CATEGORIES
    ]
    shift = statistics.median(verdict.shift for verdict in verdicts)
    return [*found, Result(f"{what}: layout shift", shift, "", 0.0)]


if __name__ == "__main__":
    sys.exit(main())
