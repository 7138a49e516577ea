"""Evaluations from the question to the gate: models that misbehave are refused, records count while nothing changed."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils.translation import override

from compliance import evidence
from compliance.gates import Failed, NotRun, Outcome, Passed
from factory import evaluation_gates
from factory.evaluate import behaviour, bounds, code, records, report, runs, suite
from factory.evaluate.answers import Answer
from factory.evaluate.asking import Apart, Writer
from factory.evaluate.chart import chart
from factory.evaluate.records import Cell
from factory.management.commands.evaluate import committed
from inference.models import Hardware, Tier
from inference.registry import Served
from siteproject.stack.llama import ALIAS
from tests.live import Site
from tests.scripted import Behaviour, ScriptedServer, Wire, endless, slowly

LIMITS = {
    "least_texts": 5,
    "invents_ppm": 200_000,
    "loops_ppm": 20_000,
    "unended_ppm": 50_000,
    "other_language_ppm": 50_000,
    "fails_ppm": 50_000,
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(autouse=True)
def own_folder(settings: object, tmp_path: Path) -> None:
    settings.FACTORY_DIR = tmp_path  # type: ignore[attr-defined]


def served(url: str = "http://127.0.0.1:9", *, key: str = "", model: str = "candidate", **fields: object) -> Served:
    """Return a model for the small tier that writes English."""
    given = {
        "public_id": "wagmi-small",
        "name": "Candidate",
        "tier": Tier.SMALL,
        "hardware": Hardware.CPU,
        "languages": ("en",),
        "capabilities": (),
        "context_tokens": 1024,
        "max_output_tokens": 40,
        "weights_sha256": "ab" * 32,
        "digest_checked": False,
        "backend": "candidate",
        "runtime": "llamacpp",
        "url": url,
        "upstream_model": model,
        "key": key,
        "slots": 1,
        "queue": 1,
    }
    return Served(**(given | fields))  # type: ignore[arg-type]


def phrasings(count: int) -> list[suite.Item]:
    return [item for item in suite.items("en") if item.kind == "phrasing"][:count]


def written_by(model: Served, items: list[suite.Item]) -> list[Answer]:
    async def go() -> list[Answer]:
        engine = Apart()
        try:
            return await runs.run(items, Writer(engine, model))
        finally:
            await engine.close()

    return asyncio.run(go())


def saying(text: str) -> Behaviour:
    return slowly(0, tuple(f" {word}" for word in text.split()))


FRENCH = saying("et cela est gardé pendant sept jours dans le compte de la personne qui vous a écrit avec une lettre.")
INVENTED = saying("until 4711 euros were paid to Zebulon Quark on 3 March 1999, see https://example.net/offer.")
LOOPING = saying("and so on and so on and so on and so on and so on and so on and so on.")


@pytest.mark.parametrize(
    ("how", "fault"),
    [
        (INVENTED, "invents facts"),
        (LOOPING, "repeats itself"),
        (FRENCH, "writes another language"),
        (endless, "does not end"),
    ],
)
def test_weights_that_misbehave_are_refused(server: ScriptedServer, how: Behaviour, fault: str) -> None:
    server.behaviour = how

    verdict = behaviour.judge(written_by(served(server.url), phrasings(8)), LIMITS)

    assert not verdict.passed and any(said.startswith(fault) for said in verdict.faults), verdict.faults


def test_weights_that_go_on_in_the_words_of_the_passage_may_serve(server: ScriptedServer) -> None:
    async def faithful(wire: Wire) -> None:
        begun = server.last.body["messages"][-1]["content"]
        rest = server.last.prompt.partition("\nText: ")[2].partition(begun)[2].split(".")[0]
        await slowly(0, (rest, "."))(wire)

    server.behaviour = faithful

    answers = written_by(served(server.url), phrasings(12))
    verdict = behaviour.judge(answers, LIMITS)

    assert verdict.passed, (verdict.faults, [each.text for each in answers])
    assert all("seed" in request.body and request.body["temperature"] == 0 for request in server.requests)


def test_too_few_texts_prove_nothing() -> None:
    assert behaviour.judge([], LIMITS).faults == ("only 0 texts by the model, 5 are needed",)


def test_the_same_question_is_asked_with_the_same_bytes(server: ScriptedServer) -> None:
    """The prompt's random line would make each run another one."""
    server.reset()

    written_by(served(server.url), phrasings(1))
    written_by(served(server.url), phrasings(1))

    first, second = (request.body["messages"] for request in server.requests)
    assert first == second and "\nConversation " in first[0]["content"]


def test_a_model_that_nobody_registered_is_judged_by_address(server: ScriptedServer, tmp_path: Path) -> None:
    server.behaviour = LOOPING
    said = StringIO()

    with pytest.raises(CommandError, match="Below a bound"):
        call_command("evaluate", language="en", limit=40, model_url=server.url, svg=tmp_path, stdout=said)

    assert ElementTree.parse(tmp_path / "candidate-small-en.svg")
    assert "repeats itself" in said.getvalue() and "loop |" in said.getvalue()


def test_a_run_against_nobody_says_so() -> None:
    with pytest.raises(CommandError, match="does not answer"):
        call_command("evaluate", language="en", limit=40, model_url="http://127.0.0.1:9", stdout=StringIO())


def test_a_part_of_the_suite_cannot_go_on_record() -> None:
    with pytest.raises(CommandError, match="whole suite"):
        call_command("evaluate", language="en", limit=5, record=True, stdout=StringIO())


@pytest.mark.slow
def test_the_default_weights_may_serve(live_site: Site) -> None:
    assert live_site.llama is not None
    model = served(live_site.llama.url, key=live_site.llama.key, model=ALIAS, max_output_tokens=200)

    answers = written_by(model, phrasings(12))

    assert behaviour.judge(answers, LIMITS).passed, [(each.text, each.reasons) for each in answers]
    assert sum(each.by_model for each in answers) >= 5 and all(
        each.finish == "stop" for each in answers if each.by_model
    )


# --- Records and gates ---


def answered(**fields: object) -> Answer:
    given = {
        "item": "en/written/w01",
        "kind": "written",
        "language": "en",
        "question": "How [long]?",
        "answerable": True,
        "rung": "small",
        "text": "Seven days.",
        "quote": "A stored text expires after seven days.",
        "cited": ("conversations#when-a-stored-text-ends",),
        "right_place": 1,
        "sentences": 1,
        "supported": 1,
        "finish": "stop",
        "energy_mj": (10, 20, 50),
    }
    return Answer(**(given | fields))  # type: ignore[arg-type]


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """The small model in English, with bounds of its own that are committed."""
    file = tmp_path / "thresholds.toml"
    file.write_text(
        "[evaluation.small.en]\nunsupported_facts_ppm = 100000\nright_passage_ppm = 900000\n"
        "[evaluation.behaviour]\n" + "\n".join(f"{name} = {value}" for name, value in LIMITS.items())
    )
    monkeypatch.setattr(bounds, "FILE", file)
    return Cell(served(), Tier.SMALL, "en")


def on_record(cell: Cell, answers: list[Answer], *, committed: str = "yes") -> None:
    made = records.setup(cell.language)
    begun = records.begin(cell, made, committed=committed)
    raw = runs.keep(answers)
    found = records.body(
        answers, cell=cell, made=made, raw_sha256=raw.sha256, started_at="2026-11-21T12:00:00+00:00", duration_s=60
    )
    records.end(begun, found)


def judged(cell: Cell, asked: int = 20) -> Outcome:
    return evaluation_gates.judged([cell], asked=lambda _language: [answered().item] * asked)


def behaved(cell: Cell) -> Outcome:
    return evaluation_gates.behaved([cell], asked=lambda _language: [answered().item] * 20)


@pytest.mark.django_db
def test_an_evaluation_opens_its_gates_with_numbers(cell: Cell) -> None:
    assert isinstance(judged(cell), NotRun)

    on_record(cell, [answered()] * 20)

    passed, may_serve = judged(cell), behaved(cell)
    assert isinstance(passed, Passed) and "2 of 2 bounds met by 20 questions" in passed.reason
    assert isinstance(may_serve, Passed) and "20 texts" in may_serve.reason


@pytest.mark.django_db
def test_an_evaluation_below_a_bound_names_metric_value_and_bound(cell: Cell) -> None:
    on_record(cell, [answered()] * 8 + [answered(right_place=0)] * 2)

    failed = judged(cell, asked=10)

    assert isinstance(failed, Failed)
    assert "right_passage 80.0 % (8 of 10), at least 90.0 %" in failed.reason


@pytest.mark.django_db
def test_weights_that_invent_close_the_gate_of_behaviour(cell: Cell) -> None:
    on_record(cell, [answered(reasons=("number",))] * 20)

    failed = behaved(cell)

    assert isinstance(failed, Failed) and "invents facts: 20 of 20, at most 20 %" in failed.reason


@pytest.mark.django_db
def test_a_changed_byte_of_what_a_run_was_made_with_asks_for_another_run(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_record(cell, [answered()] * 20)

    others = Cell(served(weights_sha256="cd" * 32), Tier.SMALL, "en")
    assert "the weights are others" in judged(others).reason
    with monkeypatch.context() as patched:
        patched.setattr("chat.prompts.SYSTEM", "You are {name}. Answer.")
        assert "the prompt changed" in judged(cell).reason
    bounds.FILE.write_text(bounds.FILE.read_text() + "# one more line\n")
    assert "the thresholds changed" in judged(cell).reason
    assert isinstance(judged(cell), NotRun)


@pytest.mark.django_db
def test_bounds_that_were_not_committed_before_the_run_judge_nothing(cell: Cell) -> None:
    on_record(cell, [answered()] * 20, committed="no")

    assert judged(cell).reason.endswith("the thresholds were not committed before the run")


def test_bounds_count_as_committed_when_the_last_commit_holds_the_same_bytes(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments],
                       check=True, capture_output=True)  # fmt: skip

    file, ignored = tmp_path / "thresholds.toml", tmp_path / "ignored.toml"
    file.write_text("a = 1\n")
    ignored.write_text("a = 1\n")
    without_history = committed(file)
    git("init", "-q")
    (tmp_path / ".gitignore").write_text("ignored.toml\n")
    git("add", ".")
    git("commit", "-q", "-m", "Bounds.")

    assert (without_history, committed(file), committed(ignored)) == ("unknown", "yes", "no")
    git("update-index", "--assume-unchanged", "thresholds.toml")
    file.write_text("a = 2\n")
    assert committed(file) == "no"


@pytest.mark.django_db
def test_without_a_history_a_release_before_the_run_holds_the_bounds(cell: Cell) -> None:
    on_record(cell, [answered()] * 20, committed="unknown")
    without = judged(cell).reason

    artifacts = {"thresholds": {"sha256": bounds.sha256()}}
    evidence.record("release", {"name": "2026.11", "artifacts": artifacts, "models": []}, release="2026.11")
    too_late = judged(cell).reason
    on_record(cell, [answered()] * 20, committed="unknown")

    assert without.endswith(too_late) and "nobody can tell whether the thresholds were committed" in without
    assert isinstance(judged(cell), Passed)


@pytest.mark.django_db
def test_a_run_with_other_code_does_not_count(cell: Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    on_record(cell, [answered()] * 20)
    for folder in ("chat", "content", "factory", "inference"):
        shutil.copytree(settings.BASE_DIR / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.md", "*.pyc"))
    (tmp_path / "tests").symlink_to(settings.BASE_DIR / "tests")
    monkeypatch.setattr(settings, "BASE_DIR", tmp_path)
    (tmp_path / "chat/admin.py").write_text("# Nothing that answers.\n")
    same = code.digest(code.ANSWERS)

    retrieval = tmp_path / "chat/retrieval.py"
    retrieval.write_text(retrieval.read_text() + "# One more line.\n")

    assert same == records.newest(cell).body["code_sha256"] != code.digest(code.ANSWERS)  # type: ignore[union-attr]
    assert "the code that answers changed" in judged(cell).reason


@pytest.mark.django_db
def test_a_changed_file_of_answers_is_found(cell: Cell) -> None:
    on_record(cell, [answered()] * 20)
    file = next(runs.folder().glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b"Seven", b"Eight"))

    assert "the file of its answers was changed" in judged(cell).reason


@pytest.mark.django_db
def test_answers_that_are_not_here_prove_nothing(cell: Cell) -> None:
    on_record(cell, [answered()] * 20)
    next(runs.folder().glob("*.jsonl")).unlink()

    assert isinstance(judged(cell), NotRun) and isinstance(behaved(cell), NotRun)


@pytest.mark.django_db
def test_a_part_of_the_suite_does_not_count_as_the_whole(cell: Cell) -> None:
    on_record(cell, [answered()] * 20)

    assert "its 20 answers are not those to the 21 questions" in judged(cell, asked=21).reason


@pytest.mark.django_db
def test_bounds_that_were_loosened_while_a_run_went_on_do_not_help_it(cell: Cell) -> None:
    strict = bounds.FILE.read_text()
    made = records.setup(cell.language)
    begun = records.begin(cell, made, committed="yes")
    answers = [answered(right_place=0, reasons=("number",))] * 20
    bounds.FILE.write_text(strict.replace("900000", "0").replace("00000", "00000000"))
    found = records.body(
        answers, cell=cell, made=made, raw_sha256=runs.keep(answers).sha256, started_at="", duration_s=1
    )
    records.end(begun, found)
    bounds.FILE.write_text(strict)

    assert "right_passage 0.0 % (0 of 20)" in judged(cell).reason
    assert "invents facts: 20 of 20" in behaved(cell).reason


@pytest.mark.django_db
def test_figures_that_do_not_follow_from_the_answers_fail(cell: Cell) -> None:
    made = records.setup(cell.language)
    begun = records.begin(cell, made, committed="yes")
    found = records.body(
        [answered()] * 20, cell=cell, made=made, raw_sha256=runs.keep([answered(right_place=0)] * 20).sha256,
        started_at="", duration_s=1,
    )  # fmt: skip
    records.end(begun, found)

    assert "its figures are not those of its answers" in judged(cell).reason


@pytest.mark.django_db
def test_a_language_or_rung_without_bounds_does_not_pass(cell: Cell) -> None:
    quoted = Cell(cell.served, records.QUOTED, "fr")
    on_record(quoted, [answered(language="fr", rung="quoted")] * 20)

    assert "no threshold is set" in judged(quoted).reason


def test_each_language_of_a_registered_model_is_wanted_and_a_stand_in_is_not_asked_twice() -> None:
    small = served()
    stand_in = served(public_id="wagmi-large", tier=Tier.LARGE, stand_in=True, backend="gpu")
    large = served(public_id="wagmi-large", tier=Tier.LARGE, weights_sha256="cd" * 32, languages=("en", "fr"))

    wanted = [str(cell) for cell in records.cells([small, stand_in])]

    assert wanted == ["wagmi-small small en", "wagmi-small quoted fr"]
    assert [str(cell) for cell in records.cells([small, large])][2:] == ["wagmi-large large en", "wagmi-large large fr"]


@pytest.mark.django_db
def test_readers_see_the_newest_run_as_rows_and_as_a_drawing_with_a_table(cell: Cell) -> None:
    on_record(cell, [answered(right_place=0)] * 20)
    on_record(cell, [answered()] * 2 + [answered(right_place=0)])

    (row,) = report.latest()
    with override("fr"):
        drawn = chart(row, name="small-en", title="<small> en")

    shown = {metric.name: metric for metric in row.metrics}["right_passage"]
    assert (round(shown.value, 1), shown.bound, shown.verdict) == (66.7, 90, "fail")
    figure = ElementTree.fromstring(drawn)
    assert len(figure.findall(".//tbody/tr")) == len(row.metrics)
    assert "66,7\u00a0%" in "".join(figure.itertext()) and "&lt;small&gt;" in drawn
    assert not any(name == "style" or name.startswith("on") for each in figure.iter() for name in each.attrib)


def test_a_sheet_shows_answers_to_a_person_as_plain_text(tmp_path: Path) -> None:
    answers = [answered(item=f"en/written/{at}", text="See [this](//evil) <b>now</b>.") for at in range(8)]
    answers += [answered(item="en/quoted", rung="quoted"), answered(item="en/none", rung="none")]
    english, french = runs.keep(answers), runs.keep([answered(item="fr/quoted", rung="quoted", language="fr")])
    said = StringIO()

    call_command("evaluate", sample=9, stdout=said)

    sheet = Path(said.getvalue().strip()).read_text()
    assert english.sha256 in sheet and french.sha256 in sheet
    assert sheet.count("- [ ] true") == 9 and sheet.count("rung small") == 8 and "en/none" not in sheet
    assert "<b>" not in sheet and "See \\[this]" in sheet and "## 1. How \\[long]?" in sheet


def test_the_committed_bounds_name_metrics_that_exist() -> None:
    sections = {
        f"{rung}.{language}": bounds_of
        for rung, languages in bounds.evaluation().items()
        if rung != "behaviour"
        for language, bounds_of in languages.items()
    }

    assert sections["small.en"] and sections["quoted.fr"]
    named = {name.removesuffix("_ppm") for bounds_of in sections.values() for name in bounds_of}
    assert named <= set(report.titles())
    assert set(LIMITS) == set(bounds.evaluation()["behaviour"])
