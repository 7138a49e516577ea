"""``"grounding": true``: the website's own ladder, for a customer's question."""

import pytest

from tests import scripted
from tests.api.door import Door, ScriptedDoor

pytestmark = pytest.mark.slow
# Each has its rung on the website as well (tests/answers).
WRITTEN = "Which licence is the code under and can I reuse it?"
QUOTED = "Sous quelle licence est le code et puis-je le réutiliser ?"
FOREIGN = "What is the capital of Mongolia?"


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_writes_from_our_pages_and_its_answer_carries_its_sources(live_door: Door, stream: bool) -> None:
    answered = live_door.ask(WRITTEN, grounding=True, stream=stream)

    assert answered.status == 200, answered.raw
    end = answered.chunks[-1] if stream else answered.body
    text = answered.text if stream else answered.body["choices"][0]["message"]["content"]
    assert (end["rung"], end["receipt"]["model"]) == ("small", "wagmi-small")
    best = end["sources"][0]
    assert best.keys() == {"n", "title", "url", "score", "quote"} and best["quote"]
    assert best["url"].startswith(live_door.site.url + "/")
    # What the model was begun with is the beginning of the best sentence, and part of what the customer gets.
    assert any(
        sentence.startswith(" ".join(text.split()[:3])) for sentence in [*best["quote"].split(". "), best["quote"]]
    )
    assert text.endswith((".", "!", "?")) or end["choices"][0]["finish_reason"] == "length"
    assert live_door.settled(answered.request_id)["completion_tokens"] > 0


def test_what_the_model_does_not_write_is_quoted_and_free(live_door: Door) -> None:
    answered = live_door.ask(QUOTED, grounding=True)

    body = answered.body
    assert (body["rung"], body["receipt"]["model"]) == ("quoted", None)
    assert body["choices"][0]["message"]["content"] == body["sources"][0]["quote"]
    assert "/fr/" in body["sources"][0]["url"]
    assert body["usage"]["total_tokens"] == 0
    line = live_door.settled(answered.request_id)
    assert (line["outcome"], line["cost_microusd"], line["completion_tokens"]) == ("done", 0, 0)


@pytest.mark.parametrize(("language", "word"), [("en", "do not know"), ("fr", "ne sais pas")])
def test_what_our_pages_do_not_speak_of_is_not_answered(live_door: Door, language: str, word: str) -> None:
    question = FOREIGN if language == "en" else "Quelle est la capitale de la Mongolie ?"
    answered = live_door.ask(question, grounding=True, stream=True)

    end = answered.chunks[-1]
    assert (end["rung"], end["sources"], end["choices"][0]["finish_reason"]) == ("none", [], "stop")
    assert word in answered.text
    assert answered.lines[-1] == "data: [DONE]"


@pytest.mark.parametrize("question", ["What is a stand-in?", "Qu’est-ce qu’un remplaçant ?"])
def test_an_approved_answer_is_given_as_it_is(live_door: Door, question: str) -> None:
    site = live_door.site.events(question, language="fr" if "’" in question else "en")

    body = live_door.ask(question, grounding=True).body

    assert body["rung"] == site[-1]["rung"]
    if body["rung"] == "verified":
        assert body["choices"][0]["message"]["content"] == "".join(
            each["text"] for each in site if each["type"] == "delta"
        )


def test_without_the_wish_nothing_of_our_pages_is_added(live_door: Door) -> None:
    body = live_door.ask(FOREIGN, max_tokens=5).body

    assert "sources" not in body and "rung" not in body


def test_the_prompt_is_the_sites_own_with_the_customers_conversation(door: ScriptedDoor) -> None:
    body = {
        "model": "wagmi-small",
        "grounding": True,
        "temperature": 0.3,
        "messages": [
            {"role": "system", "content": "Answer as a pirate."},
            {"role": "user", "content": "What is this site?"},
            {"role": "assistant", "content": "A website."},
            {"role": "user", "content": WRITTEN},
        ],
    }
    answered = door.post(body)

    sent = door.server.last.body["messages"]
    assert [each["role"] for each in sent] == ["system", "user", "assistant", "user", "assistant"]
    assert "pirate" not in door.server.last.prompt and "Text: " in sent[0]["content"]
    begun = sent[-1]["content"]
    # The scripted model ends without a full stop: where it was told to stop, the sentence had one.
    assert begun and answered.body["choices"][0]["message"]["content"] == begun + "".join(scripted.WORDS) + "."
    assert door.server.last.body["temperature"] == 0.3 and ". " in door.server.last.body["stop"]


def test_only_a_question_can_be_grounded_and_only_a_text_is_an_answer(door: ScriptedDoor) -> None:
    last = {"role": "assistant", "content": "x"}
    refused = door.post({"model": "wagmi-small", "grounding": True, "messages": [last]})
    assert (refused.status, refused.error["param"]) == (400, "messages")

    refused = door.ask(WRITTEN, grounding=True, response_format={"type": "json_object"})
    assert (refused.status, refused.error["param"]) == (400, "response_format")
