"""One question through the real pipeline, model, socket and stream."""

import uuid

import pytest

from tests.live import Site, ask, events_of, received, text_of

pytestmark = pytest.mark.slow
GENERATED = "Which licence is the code under and can I reuse it?"


def test_an_approved_question_gets_its_approved_answer_without_a_model(live_site: Site) -> None:
    events = live_site.events("How long do you keep my chats?")

    assert events[-1]["rung"] == "verified"
    assert events[-1]["receipt"]["completion_tokens"] == 0
    assert "60 seconds" in text_of(events)


def test_a_paraphrase_is_written_by_the_model_from_its_passage(live_site: Site) -> None:
    events = live_site.events(GENERATED)

    assert [event["type"] for event in events[:2]] == ["status", "sources"]
    done = events[-1]
    assert done["type"] == "done" and done["rung"] == "small"
    assert done["receipt"]["completion_tokens"] > 0
    assert done["receipt"]["digest"] == "checked"
    assert done["receipt"]["energy_j"]["low"] < done["receipt"]["energy_j"]["high"]
    assert "Apache" in events[1]["sources"][0]["quote"] + text_of(events)


def test_its_french_twin_is_quoted_and_no_model_writes(live_site: Site) -> None:
    events = live_site.events("Sous quelle licence est le code et puis-je le réutiliser ?", language="fr")

    assert events[-1]["rung"] == "quoted"
    assert events[-1]["receipt"]["model"] is None
    assert "Apache" in text_of(events)


def test_a_question_outside_our_pages_is_not_answered(live_site: Site) -> None:
    events = live_site.events("What is the capital of Peru?")

    assert events[-1]["rung"] == "none"
    assert not [event for event in events if event["type"] == "sources"]
    assert "I do not know" in text_of(events)


def test_the_socket_tells_the_same_story(live_site: Site) -> None:
    with live_site.socket() as socket:
        socket.send(_json({"type": "ask", **ask(GENERATED)}))
        events = received(socket)

    assert [event["type"] for event in events if event["type"] != "delta"] == ["status", "sources", "status", "done"]
    assert [event["seq"] for event in events if event["type"] == "delta"] == list(range(events_count(events)))


def test_the_same_ask_twice_is_one_answer(live_site: Site) -> None:
    question = {"type": "ask", **ask(GENERATED)}
    with live_site.socket() as one, live_site.socket() as two:
        one.send(_json(question))
        two.send(_json(question))
        first, second = received(one), received(two)

    assert first[-1]["answer"] == second[-1]["answer"]
    assert text_of(first) == text_of(second)


def test_another_question_under_a_used_id_is_refused(live_site: Site) -> None:
    question = ask(GENERATED)
    with live_site.socket() as socket:
        socket.send(_json({"type": "ask", **question}))
        received(socket)
        socket.send(_json({"type": "ask", **question, "messages": [{"role": "user", "content": "Who are you?"}]}))
        refused = received(socket)[-1]

    assert refused["code"] == "id_reused"


def test_a_stranger_learns_nothing_of_an_answer(live_site: Site) -> None:
    question = ask(GENERATED)
    live_site.ask(GENERATED, **{key: question[key] for key in ("id", "secret")})
    with live_site.socket() as socket:
        socket.send(_json({"type": "resume", "id": question["id"], "secret": ask("x")["secret"], "after_seq": -1}))
        guessed = received(socket)[-1]
        socket.send(_json({"type": "resume", "id": str(uuid.uuid4()), "secret": ask("x")["secret"], "after_seq": -1}))
        unknown = received(socket)[-1]

    assert guessed["code"] == unknown["code"] == "unknown_id"


def test_the_owner_gets_the_rest_after_a_reload(live_site: Site) -> None:
    question = ask(GENERATED)
    with live_site.socket() as socket:
        socket.send(_json({"type": "ask", **question}))
        before = received(socket, until=("delta",))
    with live_site.socket() as socket:
        resume = {"type": "resume", "id": question["id"], "secret": question["secret"], "after_seq": 0}
        socket.send(_json(resume))
        after = received(socket)

    assert after[-1]["type"] == "done"
    whole = text_of(before) + text_of([event for event in after if event.get("seq", 0) > 0])
    assert whole.endswith(".") and len(whole) > 20


def test_a_known_id_over_http_is_a_conflict(live_site: Site) -> None:
    question = ask(GENERATED)
    first = live_site.ask(GENERATED, id=question["id"])
    second = live_site.ask(GENERATED, id=question["id"])

    assert first.status_code == 200 and events_of(first.text)
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "id_reused"


def _json(message: dict) -> str:  # type: ignore[type-arg]
    import json

    return json.dumps(message)


def events_count(events: list[dict]) -> int:  # type: ignore[type-arg]
    return sum(event["type"] == "delta" for event in events)
