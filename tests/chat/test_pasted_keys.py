"""An API key in a message: refused in the reader's language, before a model or a store could see it."""

import msgspec
import pytest

from billing.keys import new_text
from chat.asks import parse, parse_ask
from chat.errors import HoldsKey
from tests.live import Site, ask, received


@pytest.mark.parametrize("around", ["{}", "My key is {}, why is it refused?", "export KEY='{}'\n", "Clé : «{}»"])
def test_a_message_with_an_api_key_is_refused(around: str) -> None:
    asked = ask(around.format(new_text()))

    with pytest.raises(HoldsKey) as refused:
        parse_ask(msgspec.json.encode(asked))

    assert (refused.value.code, refused.value.status) == ("holds_api_key", 400)
    assert refused.value.field == "messages[0].content" and "revoke" in refused.value.problem


def test_a_key_in_an_earlier_message_is_refused_as_well() -> None:
    messages = [
        {"role": "user", "content": new_text()},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Why?"},
    ]

    with pytest.raises(HoldsKey):
        parse(msgspec.json.encode({"type": "ask", **ask("", messages=messages)}))


@pytest.mark.parametrize(
    "text",
    ["wag_", "wag_yourkey", new_text()[:-1], new_text()[:-1] + "_", "What does a key that begins with wag_ do?"],
    ids=["the mark", "an example", "one character less", "another character", "a question about keys"],
)
def test_what_only_looks_like_a_key_is_a_question(text: str) -> None:
    assert parse_ask(msgspec.json.encode(ask(text))).question == text


@pytest.mark.slow
def test_every_door_says_what_to_do_and_keeps_nothing(live_site: Site) -> None:
    key = new_text()

    refused = live_site.ask(f"Pourquoi {key} ne marche pas ?", language="fr")
    with live_site.socket() as socket:
        socket.send(msgspec.json.encode({"type": "ask", **ask(f"Why is {key} refused?")}).decode())
        event = received(socket)[-1]

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "holds_api_key")
    assert (event["type"], event["code"], event["field"]) == ("error", "holds_api_key", "messages[0].content")
    assert "revoke" in event["message"] and error["message"] != event["message"]
    assert key not in live_site.log("web") and key not in live_site.log("worker")
    assert key[:20] not in error["message"] + event["message"]
