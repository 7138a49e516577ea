"""Gates: only what passed, all of it, opens one; and the alarms that tell an operator."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from compliance import alarms, evidence, gates
from compliance.errors import UnknownTag
from compliance.gates import Failed, NotRun, Outcome, Passed


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    """Each test registers what it needs; what the apps registered comes back afterwards."""
    registered, looks = dict(gates._gates), dict(alarms._looks)
    gates._gates.clear()
    alarms._looks.clear()
    yield
    gates._gates.clear()
    gates._gates.update(registered)
    alarms._looks.clear()
    alarms._looks.update(looks)


def register(id: str, outcome: Outcome, *tags: str) -> None:
    gates.gate(id, tags=tags or {"release"}, title=f"about {id}")(lambda: outcome)


def run_gate(*arguments: str) -> tuple[int, str]:
    """Run ``gate``; return its exit status and what it said."""
    said = StringIO()
    try:
        call_command("gate", *arguments, stdout=said, no_color=True)
    except SystemExit as ended:
        return int(str(ended.code)), said.getvalue()
    return 0, said.getvalue()


def test_a_gate_passes_when_every_check_passed(db: None) -> None:
    register("one", Passed("seen"))
    register("two", Passed())

    status, said = run_gate("release")

    assert status == 0
    assert "pass     one" in said
    assert "about one: seen" in said
    assert "gate release: PASSED (2 pass, 0 fail, 0 not_run); technical evidence, not a conformity certificate" in said


@pytest.mark.parametrize("outcome", [Failed("broken"), NotRun("nobody ran it")])
def test_what_failed_or_was_not_run_blocks(db: None, outcome: Outcome) -> None:
    register("one", Passed())
    register("two", outcome)

    status, said = run_gate("release")

    assert status == 1
    assert "NOT PASSED" in said
    assert outcome.reason in said


def test_a_check_that_raises_has_failed_and_quotes_nothing(db: None) -> None:
    def check() -> Outcome:
        raise RuntimeError("alice@example.org")

    gates.gate("raises", tags={"release"}, title="raises")(check)

    [result] = gates.run("release")

    assert (result.state, result.reason) == ("fail", "the check itself ended with RuntimeError")


def test_only_the_checks_of_a_tag_are_run() -> None:
    register("one", Passed(), "release", "ai-act")
    register("two", Failed("no"), "ai-act")

    assert [result.id for result in gates.run("release")] == ["one"]
    assert [result.id for result in gates.run("ai-act")] == ["one", "two"]


def test_a_gate_without_checks_is_unknown_and_never_open() -> None:
    with pytest.raises(UnknownTag):
        gates.run("release")

    assert not gates.passed([])


def test_two_checks_of_one_name_are_a_mistake() -> None:
    register("one", Passed())

    with pytest.raises(ValueError, match="one"):
        register("one", Passed())


def test_a_gate_tells_machines_and_the_evidence_on_request(db: None) -> None:
    register("one", Passed("seen", record=3))
    register("two", NotRun("nobody ran it"))

    status, said = run_gate("release", "--json", "--record")

    record = evidence.latest("gate")
    assert status == 1
    assert record
    assert json.loads(said) == record.body == {
        "gate": "release",
        "result": "not_run",
        "note": "technical evidence, not a conformity certificate",
        "checks": [
            {"id": "one", "result": "pass", "reason": "seen", "record": 3},
            {"id": "two", "result": "not_run", "reason": "nobody ran it", "record": None},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([Passed()], "pass"),
        ([Passed(), NotRun("no")], "not_run"),
        ([NotRun("no"), Failed("no")], "fail"),
        ([], "not_run"),
    ],
)
def test_one_failure_fails_and_what_was_left_out_was_not_passed(outcomes: list[Outcome], verdict: str) -> None:
    results = [gates.Result("one", "one", each.state, each.reason) for each in outcomes]

    assert gates.verdict(results) == verdict


def test_an_optional_check_is_run_when_somebody_asks_for_it(db: None) -> None:
    register("one", Passed())
    gates.gate("long-look", tags={"release"}, title="a long look", optional=True)(lambda: Failed("found"))

    assert run_gate("release")[0] == 0
    assert run_gate("release", "--long-look")[0] == 1


def test_an_unknown_gate_is_refused() -> None:
    register("one", Passed())

    with pytest.raises(CommandError):
        run_gate("nothing")


def test_alarms_gather_what_every_look_found(db: None) -> None:
    alarms.alarm("mail")(lambda: ["Mail waits.", "The mail server is away."])
    alarms.alarm("calm")(list)

    assert [(alarm.id, alarm.text) for alarm in alarms.active()] == [
        ("mail", "Mail waits."),
        ("mail", "The mail server is away."),
    ]


def test_a_look_that_fails_is_an_alarm_and_spoils_no_other(db: None) -> None:
    @alarms.alarm("a")
    def broken() -> list[alarms.Sentence]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nothing_here")
        return []

    @alarms.alarm("b")
    def fine() -> list[alarms.Sentence]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return ["Well said."]

    assert [(alarm.id, alarm.text) for alarm in alarms.active()] == [
        ("a", "The check “a” could not be made. The log says why."),
        ("b", "Well said."),
    ]
