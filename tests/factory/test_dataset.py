"""The training set: the same bytes every time, nothing in it that must not be, and a gate that looks."""

import hashlib
import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from chat.models import TrainingExample, WithdrawnExample
from chat.moderation import training
from compliance import consents, evidence
from compliance.consents import Notice
from compliance.gates import Failed, NotRun, Passed
from compliance.models import ConsentEvent, Purpose
from factory import dataset
from factory.dataset import HeldOut
from factory.dataset_gates import training_set_gate

NOTICE = Notice("1", "0" * 64, "Train with it.", "en")
GIVEN, WITHDRAWN = ConsentEvent.Action.GIVEN, ConsentEvent.Action.WITHDRAWN


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.FACTORY_DIR = tmp_path
    return tmp_path / dataset.NAME


def example(subject: uuid.UUID | None = None, **fields: Any) -> TrainingExample:
    subject = subject or uuid.uuid4()
    event = consents.given(subject, Purpose.TRAIN_ON_FLAGS) or consent(subject, GIVEN)
    values: dict[str, Any] = {
        "flag": uuid.uuid4(),
        "subject": subject,
        "consent": event,
        "language": "en",
        "question": "Does the mill grind at night?",
        "answer": "It grinds « by day » alone.",
        "passage": "mill#hours",
        "provenance": {"flag": "f", "finding": "false", "consent_event": event.pk, "seal_answer": "s"},
    }
    return TrainingExample.objects.create(**values | fields)


def consent(subject: uuid.UUID, action: ConsentEvent.Action) -> ConsentEvent:
    return consents.record(subject, Purpose.TRAIN_ON_FLAGS, action, NOTICE, channel="test")


def training_set(*arguments: str) -> str:
    said = io.StringIO()
    call_command("training_set", *arguments, stdout=said)
    return said.getvalue()


def test_a_set_is_chat_messages_in_one_order_and_names_nobody(db: None, folder: Path, tmp_path: Path) -> None:
    first, second = example(), example(language="fr", question="Le moulin tourne-t-il la nuit ?")

    training_set()
    training_set("--out", str(tmp_path / "other.jsonl"))

    lines = [json.loads(line) for line in folder.read_bytes().splitlines()]
    assert folder.read_bytes() == (tmp_path / "other.jsonl").read_bytes()
    assert folder.stat().st_mode & 0o077 == 0
    assert [line["id"] for line in lines] == [str(first.public_id), str(second.public_id)]
    assert lines[0]["messages"] == [
        {"role": "user", "content": "Does the mill grind at night?"},
        {"role": "assistant", "content": "It grinds « by day » alone."},
    ]
    assert lines[0]["provenance"] == {"flag": "f", "finding": "false", "consent_event": first.consent_id}
    assert str(first.subject) not in folder.read_text()


def test_what_must_not_be_in_it_is_left_out_and_counted(db: None) -> None:
    kept = example()
    example(question="Is zoe@example.org at the mill?")
    example(answer="Call +33 1 23 45 67 89.")
    example(question="Is <|im_start|>system at the mill?")
    example(answer="[INST] Grind. [/INST]")
    withdrawn, by_id = example(), example()
    consent(withdrawn.subject, WITHDRAWN)
    WithdrawnExample.objects.create(example=by_id.public_id, reason="withdrawn")

    made = dataset.build()

    assert [each.public_id for each in made.examples] == [kept.public_id]
    assert made.excluded == {
        dataset.PERSONAL_DATA: 2,
        dataset.CONTROL_TOKENS: 2,
        dataset.NO_CONSENT: 1,
        dataset.WITHDRAWN: 1,
    }


def test_a_question_that_models_are_judged_by_is_not_taught(db: None) -> None:
    asked = max(dataset.questions_for_judging(), key=len)
    example(question=f"Please, {asked}")

    assert dataset.build().excluded == {dataset.HELD_OUT: 1}


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("so one two three four five six seven EIGHT, nine", True),
        ("one two three four five six seven", False),
        ("what is it", True),
        ("what is it for", False),
    ],
)
def test_eight_words_in_a_row_are_the_same_question_and_so_is_a_whole_short_one(text: str, shared: bool) -> None:
    assert HeldOut(["One two three four five six seven eight!", "What is it?"]).has(text) is shared


def test_no_sender_has_more_than_a_fifth_of_twenty_rows(db: None) -> None:
    loud = uuid.uuid4()
    for number in range(18):
        example(question=f"Does mill {number} grind?")
    first = [example(loud, question=f"Is mill {number} mine?") for number in range(6)]

    made = dataset.build()

    assert made.excluded == {dataset.ONE_SENDER: 2}
    assert [each.public_id for each in made.examples if each.subject == loud] == [one.public_id for one in first[:4]]


def test_the_gate_opens_for_a_set_on_record_and_closes_when_it_is_another(db: None, folder: Path) -> None:
    nothing = training_set_gate()
    training_set("--record")
    empty = training_set_gate()
    kept = example()
    grown = training_set_gate()
    said = training_set("--record")
    recorded = training_set_gate()
    folder.write_bytes(folder.read_bytes().replace(b"night", b"Night"))
    changed = training_set_gate()

    last = evidence.latest(dataset.KIND)
    assert last is not None
    assert isinstance(nothing, NotRun)
    assert isinstance(empty, Passed) and "no example yet" in empty.reason
    assert isinstance(grown, Failed)
    assert isinstance(recorded, Passed) and recorded.record == last.number
    assert isinstance(changed, Failed)
    assert f"evidence record {last.number}" in said
    made = dataset.build()
    assert last.body["sha256"] == made.sha256 == hashlib.sha256(made.data).hexdigest()
    assert (last.body["rows"], last.body["consent_basis"]) == (1, {"train_on_flags": 1})
    assert "mill" not in str(last.body) and str(kept.subject) not in str(last.body)


def test_a_withdrawal_closes_the_gate_and_takes_the_line_out_of_the_file(
    db: None, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    gone, kept = example(), example(question="Is the mill open at noon?")
    training_set("--record")
    copy = folder.read_bytes()

    with django_capture_on_commit_callbacks(execute=True):
        training.forget(gone.subject, reason=training.WITHDRAWN)

    assert [json.loads(line)["id"] for line in folder.read_bytes().splitlines()] == [str(kept.public_id)]
    assert isinstance(training_set_gate(), Failed)
    folder.write_bytes(copy)
    outcome = training_set_gate()
    assert isinstance(outcome, Failed) and outcome.reason == "the file of the training set: 1 withdrawn"
