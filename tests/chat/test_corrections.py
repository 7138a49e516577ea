"""A correction is given by the chat from its approval to its withdrawal, and stands nowhere else."""

import asyncio
import io
import uuid
from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import User
from chat import grounding
from chat.api_grounding import grounded
from chat.grounding import ground
from chat.models import Correction
from chat.moderation import corrections, regression
from chat.moderation.corrections import CorrectionRefused
from chat.moderation.gates import passages_alarm, regression_gate
from chat.moderation.regression import Case
from chat.verified import CorrectedPair
from compliance.gates import Failed, Passed
from compliance.models import AuditEntry
from content.passages import Passage, approved_pairs, passages
from inference.api.grounding import Question
from inference.backends.base import Turn
from tests.live import Site, text_of, wait_for

# Words that no text of ours has: whatever shows them shows the correction.
ANSWER = "The zephyrometer is read once a day, at noon."
QUESTION = "How often do you read the zephyrometer on the roof?"
QUESTION_FR = "À quelle heure relevez-vous le zéphyromètre du toit ?"


@pytest.fixture
def in_use(db: None) -> Iterator[None]:
    """This process's corrections, forgotten afterwards: the tests that follow have none in the database."""
    yield
    Correction.objects.all().delete()
    grounding.renew_corrections(at_once=True)


@pytest.fixture
def proof() -> Passage:
    return passages("en")[0]


def write(by: User, **fields: Any) -> Correction:
    return corrections.write(
        **{
            "flag": None,
            "language": "en",
            "questions": [QUESTION],
            "answer": ANSWER,
            "passage": passages("en")[0].id,
            "by": by,
            **fields,
        }
    )


def given_now(question: str, language: str = "en") -> str:
    """Return the verified answer of this process after its timer came round, empty for none."""
    grounding.renew_corrections(at_once=True)
    found = ground(question, language=language)
    return found.verified.answer if found.verified else ""


def test_readers_get_a_correction_from_its_approval_to_its_withdrawal(in_use: None, dana: User, proof: Passage) -> None:
    before = ground(QUESTION, language="en")
    correction = write(dana, questions=[QUESTION, "When is the zephyrometer read, at which hour of the day?"])
    as_draft = given_now(QUESTION)

    corrections.approve(correction, by=dana)
    approved = given_now(QUESTION)
    found = ground(QUESTION, language="en")
    near = given_now("At which hour of the day is the zephyrometer read?")
    in_french = given_now(QUESTION, "fr")
    through_api = asyncio.run(
        grounded(Question((Turn("user", QUESTION),), "en", served=cast("Any", None), max_tokens=9))
    )
    corrections.withdraw(correction, by=dana, reason="superseded")

    assert before.verified is None
    assert as_draft == ""
    assert approved == near == ANSWER
    assert isinstance(found.verified, CorrectedPair) and found.verified.correction == correction.public_id
    assert found.sources[0].passage == proof
    assert in_french == ""
    assert (through_api.rung, through_api.text, len(through_api.sources)) == ("verified", ANSWER, 1)
    assert given_now(QUESTION) == ""


def test_every_step_is_in_the_audit_log_without_a_word_of_it(in_use: None, dana: User) -> None:
    correction = write(dana)
    corrections.approve(correction, by=dana)
    corrections.withdraw(correction, by=dana, reason="superseded")

    entries = AuditEntry.objects.filter(object_id=str(correction.public_id)).order_by("number")
    assert [entry.action for entry in entries] == [
        "correction.written",
        "correction.approved",
        "correction.withdrawn",
    ]
    assert entries[2].changes["before"] == {"state": "approved"}
    assert "zephyrometer" not in str([entry.changes for entry in entries])


def test_the_second_person_is_another_one_where_the_setting_wants_two(in_use: None, dana: User, settings: Any) -> None:
    settings.CORRECTIONS_NEED_TWO = True
    second = User.objects.create_user("bob@example.org", is_staff=True)
    correction = write(dana)

    with pytest.raises(CorrectionRefused):
        corrections.approve(correction, by=dana)
    assert given_now(QUESTION) == ""
    corrections.approve(correction, by=second)
    assert corrections.approve(correction, by=dana).approver == second
    assert given_now(QUESTION) == ANSWER


def test_a_withdrawn_correction_never_comes_back(in_use: None, dana: User) -> None:
    correction = write(dana)
    corrections.withdraw(correction, by=dana, reason="mistaken")

    with pytest.raises(CorrectionRefused):
        corrections.approve(correction, by=dana)
    with pytest.raises(CorrectionRefused):
        corrections.withdraw(correction, by=dana, reason="mistaken")
    assert write(dana, group=correction.group).state == "draft"


def test_the_database_is_asked_once_in_a_while_and_may_be_away(
    in_use: None, dana: User, settings: Any, django_assert_num_queries: Any
) -> None:
    correction = write(dana)
    corrections.approve(correction, by=dana)
    given = given_now(QUESTION)
    settings.CORRECTIONS_RENEW_S = 3600

    with django_assert_num_queries(1):
        grounding.renew_corrections(at_once=True)
    with django_assert_num_queries(0):
        grounding.renew_corrections()
        ground(QUESTION, language="en")
    with connection.execute_wrapper(away):
        grounding.renew_corrections(at_once=True)
    assert given == ANSWER
    found = ground(QUESTION, language="en").verified
    assert found and found.answer == ANSWER


def away(*_call: Any) -> Any:
    raise OperationalError("the server is away")


def test_a_correction_whose_passage_is_gone_is_given_to_nobody_and_is_an_alarm(in_use: None, dana: User) -> None:
    correction = write(dana)
    corrections.approve(correction, by=dana)
    calm = passages_alarm()

    Correction.objects.filter(pk=correction.pk).update(passage="nowhere#gone")
    Correction.objects.filter(pk=correction.pk).update(changed_at="2030-01-01T00:00Z")

    assert calm == []
    assert given_now(QUESTION) == ""
    assert len(passages_alarm()) == 1
    assert isinstance(regression_gate(), Failed)


def test_the_other_language_is_said_to_be_missing_and_joins_the_group(in_use: None, dana: User) -> None:
    correction = write(dana)
    missing = corrections.missing_languages(correction.group)
    french = write(
        dana,
        group=correction.group,
        language="fr",
        questions=[QUESTION_FR],
        answer="Le zéphyromètre est relevé une fois par jour, à midi.",
        passage=passages("fr")[0].id,
    )
    corrections.approve(french, by=dana)

    assert missing == ["fr"]
    assert corrections.missing_languages(correction.group) == []
    assert given_now(QUESTION_FR, "fr") == french.answer
    assert given_now(QUESTION) == ""
    with pytest.raises(CorrectionRefused):
        write(dana, group=correction.group)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("language", {"language": "tlh"}),
        ("questions", {"questions": ["  ", ""]}),
        ("questions", {"questions": [f"Is zephyrometer number {number} on the roof?" for number in range(9)]}),
        ("questions", {"questions": ["zephyrometer " * 24]}),
        ("questions", {"questions": ["What is it?"]}),
        ("questions", {"questions": ["Is it\u202e the zephyrometer?"]}),
        ("questions", {"questions": ["Où est le zéphyromètre de votre maison ?"]}),
        ("answer", {"answer": "\n"}),
        ("answer", {"answer": "Noon. " * 200}),
        ("answer", {"answer": "At noon.\x07"}),
        ("answer", {"answer": "At <b>noon</b>."}),
        ("answer", {"answer": "At noon. ![a picture](/static/x.png)"}),
        ("answer", {"answer": "At noon, [see here](javascript:alert(1))."}),
        ("passage", {"passage": "nowhere#gone"}),
    ],
)
def test_what_readers_must_not_get_is_refused_by_its_field(dana: User, field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(CorrectionRefused) as refused:
        write(dana, **fields)

    assert [problem.field for problem in refused.value.problems] == [field]
    assert not Correction.objects.exists()


def test_a_preview_tells_staff_what_to_look_at(db: None, proof: Passage) -> None:
    pair = approved_pairs("en")[0]

    got = corrections.preview("en", [pair.questions[0], "Zephyrometer?"], "In 1871 there were 12 of them.", proof.id)

    assert got.problems == () and got.source == proof
    assert got.tree == [["p", {}, "In 1871 there were 12 of them."]]
    assert [phrasing.exact_only for phrasing in got.phrasings][1]
    assert (got.phrasings[0].rung, got.phrasings[0].today) == ("verified", pair.answer)
    assert pair in got.replaces
    assert got.cautions
    assert not Correction.objects.exists()


def test_pairs_made_here_are_on_no_page_and_in_no_file_for_machines(
    in_use: None, dana: User, proof: Passage, client: Client
) -> None:
    corrections.approve(write(dana), by=dana)
    assert given_now(QUESTION) == ANSWER
    paths = [
        f"/knowledge/{proof.document}/",
        "/llms.txt",
        "/llms-full.txt",
        "/ai.txt",
    ]

    answers = {path: client.get(path) for path in paths}

    assert {answer.status_code for answer in answers.values()} == {200}
    assert [path for path, answer in answers.items() if "read once a day, at noon" in answer.content.decode()] == []


# --- the regression set ---


def test_each_phrasing_becomes_a_case_that_the_gate_runs(in_use: None, dana: User) -> None:
    none_yet = regression_gate()
    correction = write(
        dana,
        questions=[QUESTION, "Who reads the zephyrometer on the roof, and when?"],
        cases=[
            Case(QUESTION, must_say=("once a day",), must_not_say=("hourly",)),
            Case("What is the recipe of zephyr soup?", must_not_say=("zephyrometer",)),
        ],
    )
    while_draft = regression.run()
    corrections.approve(correction, by=dana)

    assert none_yet == Passed("no case yet")
    assert while_draft == []
    assert [(each.passed, each.correction) for each in regression.run()] == [(True, correction.public_id)] * 3
    assert regression_gate() == Passed("3 in en")


def test_a_case_that_fails_closes_the_gate_by_its_id_and_no_word(in_use: None, dana: User) -> None:
    correction = write(dana, cases=[Case(QUESTION, must_say=("twice a day",))])
    corrections.approve(correction, by=dana)
    newer = write(dana, answer="It is read at noon.")
    corrections.approve(newer, by=dana)

    results = {each.correction: each.wrong for each in regression.run()}
    outcome = regression_gate()
    said = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("regression", stdout=said)

    assert results == {correction.public_id: ("correction", "must_say"), newer.public_id: ()}
    case = correction.cases.get()
    assert isinstance(outcome, Failed) and str(case.public_id) in outcome.reason
    assert "zephyrometer" not in outcome.reason + said.getvalue()
    assert "1 of 2 cases pass" in said.getvalue()


def test_cases_leave_with_their_correction_and_one_by_one(in_use: None, dana: User) -> None:
    correction = write(dana, questions=[QUESTION, "Who reads the zephyrometer on the roof, and when?"])
    corrections.approve(correction, by=dana)
    one = regression.live("en")[0]

    assert regression.withdraw(one, by=dana, reason="doubtful")
    assert not regression.withdraw(one, by=dana, reason="doubtful")
    left = len(regression.run())
    corrections.withdraw(correction, by=dana, reason="superseded")

    assert left == 1
    assert regression.run() == []


# --- a running site ---


@pytest.mark.slow
def test_a_running_site_takes_a_correction_over_and_gives_it_up_without_a_restart(live_site: Site) -> None:
    question = f"How often is the anemograph {uuid.uuid4().hex[:6]} on the roof oiled?"
    act(
        live_site,
        "by = User.objects.create_user('dana-corrects@example.org', is_staff=True)\n"
        f"one = corrections.write(flag=None, language='en', questions=[{question!r}], answer='It is oiled in May.',"
        " passage=passages('en')[0].id, by=by)\n"
        "corrections.approve(one, by=by)",
    )

    wait_for(lambda: text_of(live_site.events(question)) == "It is oiled in May.", 60)
    events = live_site.events(question)
    act(
        live_site,
        "by = User.objects.get(email='dana-corrects@example.org')\n"
        "corrections.withdraw(Correction.objects.get(author=by), by=by, reason='test')",
    )

    assert [event["receipt"]["rung"] for event in events if event["type"] == "done"] == ["verified"]
    assert [len(event["sources"]) for event in events if event["type"] == "sources"] == [1]
    wait_for(lambda: text_of(live_site.events(question)) != "It is oiled in May.", 60)


def act(site: Site, code: str) -> None:
    imports = (
        "from accounts.models import User\nfrom chat.models import Correction\n"
        "from chat.moderation import corrections\nfrom content.passages import passages\n"
    )
    site.manage("shell", "-v", "0", "-c", imports + code)
