"""Lines 7, 8 and 24 of the contract: an answer in one body, and what of ours is in it."""

from tests import scripted
from tests.api.door import ScriptedDoor


def test_line_07_an_answer_has_what_clients_need(door: ScriptedDoor) -> None:
    answered = door.ask()

    body = answered.body
    assert (body["object"], body["model"], type(body["created"])) == ("chat.completion", "wagmi-small", int)
    assert body["id"] == f"chatcmpl-{answered.request_id}"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "the Apache licence, version two", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"] == {
        "prompt_tokens": 40,
        "completion_tokens": 5,
        "total_tokens": 45,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def test_line_07_an_answer_at_its_cap_says_so(door: ScriptedDoor) -> None:
    async def at_the_cap(wire: scripted.Wire) -> None:
        await wire.head()
        await wire.say("the Apache")
        await wire.finish(2, "length")

    door.server.behaviour = at_the_cap

    assert door.ask(max_tokens=2).body["choices"][0]["finish_reason"] == "length"


def test_line_08_an_error_never_has_status_200(door: ScriptedDoor) -> None:
    for behaviour, status in (
        (scripted.closing_after(1), 502),
        (scripted.sending(b"<html>502</html>", content_type="text/html"), 502),
        (scripted.sending(b'data: {"error": {"message": "x"}}\n\n'), 502),
    ):
        door.server.behaviour = behaviour
        refused = door.ask()
        assert refused.status == status and refused.error["type"] == "server_error"
        assert "choices" not in refused.body


def test_line_24_who_answered_and_what_it_cost_is_in_the_body_and_in_headers(door: ScriptedDoor) -> None:
    whole, streamed = door.ask(), door.ask(stream=True)

    for answered, receipt in ((whole, whole.body["receipt"]), (streamed, streamed.chunks[-1]["receipt"])):
        headers = answered.headers
        assert (headers["x-served-model"], headers["x-tier"], headers["x-ai-generated"]) == (
            "wagmi-small",
            "small",
            "true",
        )
        assert (receipt["model"], receipt["tier"], receipt["hardware"]) == ("wagmi-small", "small", "cpu")
        # 40 tokens read at 0.1 and 5 written at 0.4 dollars a million.
        assert receipt["cost_usd"] == 0.000006
        assert door.settled(answered.request_id)["cost_microusd"] == 6
        assert receipt["usage_counted"] and receipt["energy_j"]["low"] <= receipt["energy_j"]["high"]
    assert door.server.url not in whole.raw.decode()
