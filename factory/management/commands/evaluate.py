"""Runs the behaviour suite on the models of the running stack, or on any server that speaks OpenAI's protocol."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from content import charts
from factory.evaluate import behaviour, records, runs, sample, suite
from factory.evaluate.answers import Answer
from factory.evaluate.asking import Apart, Writer
from factory.evaluate.bounds import FILE
from factory.evaluate.chart import chart
from factory.evaluate.records import Cell, cells
from factory.evaluate.report import row, table
from inference.engine import RUNTIMES, Engine, engine
from inference.models import Hardware, Tier
from inference.registry import Served


class Command(BaseCommand):
    help = "Measure the answers: unsupported facts, refusals, loops, language, times and energy, with intervals."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--language", choices=settings.COMPLETE_LANGUAGES, help="default: each")
        parser.add_argument("--rung", choices=["small", "large", "quoted"], help="default: each that is registered")
        parser.add_argument("--limit", type=int, help="only so many items, spread over the suite; cannot be recorded")
        parser.add_argument("--out", type=Path, help="write the answers here too, one line of JSON each")
        parser.add_argument("--svg", type=Path, metavar="FOLDER", help="write a drawing of each run there")
        parser.add_argument("--record", action="store_true", help="write bounds, then result to the evidence")
        parser.add_argument("--sample", type=int, metavar="N", help="no run: a sheet of N answers for a person to read")
        parser.add_argument("--from", dest="source", type=Path, help="with --sample: the answers to choose from")
        apart = parser.add_argument_group("a model that is not registered; judged, never recorded")
        apart.add_argument("--model-url", help="address of its server, without a path")
        apart.add_argument("--model", default="candidate", help="its name there")
        apart.add_argument("--runtime", choices=sorted(RUNTIMES), default="vllm")
        apart.add_argument("--key-file", type=Path, help="a file that holds the key of its server")
        apart.add_argument("--context", type=int, default=1024, metavar="TOKENS")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["sample"]:
            self._sample(options["sample"], options["source"])
            return
        if options["record"] and (options["limit"] or options["model_url"]):
            raise CommandError("Only the whole suite on a registered model goes on record.")
        languages = [options["language"]] if options["language"] else list(settings.COMPLETE_LANGUAGES)
        wanted = self._candidate(languages, options) if options["model_url"] else _registered(languages, options)
        if not wanted:
            raise CommandError("No registered model stands on this rung in this language.")
        refused = [cell for cell in wanted if not self._evaluate(cell, options)]
        if refused:
            raise CommandError("Below a bound: " + ", ".join(map(str, refused)))

    def _evaluate(self, cell: Cell, options: dict[str, Any]) -> bool:
        """Run the suite for one cell and say what came of it. Returns whether every bound was met."""
        asked = suite.items(cell.language)
        if options["limit"]:
            asked = spread(asked, options["limit"])
        made = records.setup(cell.language)
        begun = records.begin(cell, made, committed=committed()) if options["record"] else None
        self.stdout.write(f"{cell}: {len(asked)} items")
        started_at, started = timezone.now(), time.monotonic()
        try:
            answers = asyncio.run(_run(asked, cell, apart=bool(options["model_url"]), told=self._tell))
        except RuntimeError as error:
            raise CommandError(f"{cell}: {error}. A model that sleeps must be awake before.") from error
        raw = runs.keep(answers)
        if options["out"]:
            shutil.copyfile(raw.path, options["out"])
        found = records.body(
            answers,
            cell=cell,
            made=made,
            raw_sha256=raw.sha256,
            started_at=started_at.isoformat(timespec="seconds"),
            duration_s=round(time.monotonic() - started),
        )
        self.stdout.write(table(found))
        self.stdout.write(f"answers: {raw.path}")
        if options["svg"]:
            drawn = chart(row(found, at=started_at), name="run", title=f"{cell}, {started_at:%Y-%m-%d}")
            name = "-".join(str(cell).split())
            (options["svg"] / f"{name}.svg").write_text(charts.standalone(drawn), encoding="utf-8")
        if begun is not None:
            self.stdout.write(f"on record: {records.end(begun, found).number}")
        if cell.rung in records.WRITING:
            verdict = behaviour.judge(answers)
            self.stdout.write(f"behaviour: {'may serve' if verdict.passed else '; '.join(verdict.faults)}")
            if options["model_url"]:
                return verdict.passed
        whole = not options["limit"] and not options["model_url"]
        return not whole or not any(each["verdict"] == "fail" for each in found["metrics"])

    def _tell(self, number: int, _answer: Answer) -> None:
        if number % 50 == 0:
            self.stdout.write(f"  {number}")

    def _sample(self, count: int, source: Path | None) -> None:
        paths = [source] if source else sample.newest()
        if not paths:
            raise CommandError("There are no answers yet: run manage.py evaluate first.")
        answers = [answer for path in paths for answer in runs.read(path)]
        sheet = runs.folder() / f"sample-{paths[0].stem[:12]}.md"
        sheet.parent.mkdir(parents=True, exist_ok=True)
        sheet.write_text(sample.sheet(answers, count, raw_sha256=[path.stem for path in paths]), encoding="utf-8")
        self.stdout.write(str(sheet))

    def _candidate(self, languages: Sequence[str], options: dict[str, Any]) -> list[Cell]:
        key = options["key_file"].read_text(encoding="utf-8").strip() if options["key_file"] else ""
        served = Served(
            public_id=options["model"],
            name=options["model"],
            tier=Tier.SMALL,
            hardware=Hardware.CPU,
            languages=tuple(languages),
            capabilities=(),
            context_tokens=options["context"],
            max_output_tokens=settings.CHAT_MAX_TOKENS[Tier.SMALL],
            weights_sha256="",
            digest_checked=False,
            backend="candidate",
            runtime=options["runtime"],
            url=options["model_url"].rstrip("/"),
            upstream_model=options["model"],
            key=key,
            slots=1,
            queue=1,
        )
        return [Cell(served, Tier.SMALL, language) for language in languages]


def _registered(languages: Sequence[str], options: dict[str, Any]) -> list[Cell]:
    return [
        cell
        for cell in cells()
        if cell.language in languages and (options["rung"] is None or cell.rung == options["rung"])
    ]


async def _run(
    asked: Sequence[suite.Item], cell: Cell, *, apart: bool, told: Callable[[int, Answer], None]
) -> list[Answer]:
    if cell.rung not in records.WRITING:
        return await runs.run(asked, None, told=told)
    works: Engine = Apart() if apart else engine
    try:
        return await runs.run(asked, Writer(works, cell.served), told=told)
    finally:
        await works.close()


def spread(asked: Sequence[suite.Item], limit: int) -> list[suite.Item]:
    """Return ``limit`` items, evenly from the whole list, in its order."""
    step = max(1.0, len(asked) / limit)
    return [asked[int(place * step)] for place in range(min(limit, len(asked)))]


def committed(file: Path = FILE) -> str:
    """Return whether the file of the bounds is as in the last commit: yes, no, or unknown without a history.

    Compared byte by byte: git's own answer leaves out what it was told to ignore or to take for unchanged.
    """
    command = ["git", "--no-replace-objects", "cat-file", "blob", f"HEAD:./{file.name}"]
    try:
        subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"], cwd=file.parent, capture_output=True, timeout=10, check=True
        )
        done = subprocess.run(command, cwd=file.parent, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return "yes" if done.returncode == 0 and done.stdout == file.read_bytes() else "no"
