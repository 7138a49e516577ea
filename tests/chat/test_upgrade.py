"""The large tier in the chat: who gets it, when it is woken, and how its version comes beside the first."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.live import Site, ask, received, running_site, text_of, wait_for

pytestmark = pytest.mark.slow
ALICE, BOB, CAROL, DANA = CAST = tuple(f"{name}@example.org" for name in ("alice", "bob", "carol", "dana"))
# Our pages answer it, no approved pair does, and it is English: a model writes.
QUESTION = "Which licence is the code under and can I reuse it?"
END_SESSIONS = """
from accounts import sessions
from accounts.models import User
carol = User.objects.get(email="carol@example.org")
print("ready", flush=True)
input()
sessions.end_all(carol)
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site with the real small model, a worker, and a large tier that is really asleep and really woken."""
    with running_site(worker=True, large=True, LLM_GPU_IDLE_S="6", LLM_GPU_COOL_DOWN_S="1") as site:
        yield site


@pytest.fixture(scope="module")
def sessions(site: Site) -> dict[str, str]:
    """The session of each of the cast."""
    return site.sign_in(*CAST, consenting=(DANA,))


@pytest.fixture
def asleep(site: Site) -> Site:
    """The site once its large tier sleeps."""
    wait_for(lambda: state(site) in ("asleep", "failed"), 60, site.log("worker"))
    return site


def state(site: Site) -> str:
    return str(httpx.get(f"{site.url}/api/status", timeout=5).json()["tiers"]["large"]["state"])


def versions(site: Site, session: str, question: str = QUESTION, **fields: Any) -> list[list[dict[str, Any]]]:
    """Ask over a socket as a signed-in person; return the events of the first version and of the one beside it."""
    with site.socket(Cookie=f"session={session}") as socket:
        socket.send(json.dumps({"type": "ask", **ask(question, **fields)}))
        first = received(socket)
        second = received(socket, timeout=60) if first[-1].get("upgrading") else []
    return [first, second]


def test_the_small_model_answers_at_once_and_the_large_one_again_when_it_is_awake(
    asleep: Site, sessions: dict[str, str]
) -> None:
    first, second = versions(asleep, sessions[ALICE])

    assert first[-1]["type"] == "done" and first[-1]["rung"] == "small"
    assert all(event["upgrades"] == first[-1]["answer"] != event["answer"] for event in second)
    stages = [event["stage"] for event in second if event["type"] == "status"]
    assert stages[0] == "loading" and stages[-1] == "generating"
    done = second[-1]
    assert done["type"] == "done" and done["rung"] == "large" and text_of(second).strip()
    receipt = done["receipt"]
    assert receipt["tier"] == "large" and receipt["hardware"] == "cpu" and receipt["stand_in"] is True
    assert done["seal"] != first[-1]["seal"]


def test_awake_it_answers_by_itself_and_sleeps_when_nobody_asks(asleep: Site, sessions: dict[str, str]) -> None:
    versions(asleep, sessions[ALICE])

    first, second = versions(asleep, sessions[BOB])

    assert first[-1]["rung"] == "large" and second == []
    wait_for(lambda: state(asleep) == "asleep", 30, asleep.log("worker"))


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How long do you keep my chats?", "en"),
        ("What is the capital of Peru?", "en"),
        ("Sous quelle licence est le code, et puis-je le réutiliser ?", "fr"),
    ],
)
def test_what_needs_no_large_model_wakes_none(
    asleep: Site, sessions: dict[str, str], question: str, language: str
) -> None:
    first, second = versions(asleep, sessions[ALICE], question, language=language)

    assert first[-1]["rung"] in ("verified", "none", "quoted") and second == []
    assert state(asleep) == "asleep"


def test_a_visitor_wakes_nothing(asleep: Site) -> None:
    with asleep.socket() as socket:
        socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))
        done = received(socket)[-1]

    assert done["rung"] == "small" and "upgrading" not in done
    assert state(asleep) == "asleep"


def test_who_switched_the_second_version_off_wakes_nothing(asleep: Site, sessions: dict[str, str]) -> None:
    first, second = versions(asleep, sessions[ALICE], upgrade=False)

    assert first[-1]["rung"] == "small" and second == []
    assert state(asleep) == "asleep"


def test_a_reader_who_stops_the_second_version_gets_none(asleep: Site, sessions: dict[str, str]) -> None:
    asked = ask(QUESTION)
    with asleep.socket(Cookie=f"session={sessions[ALICE]}") as socket:
        socket.send(json.dumps({"type": "ask", **asked}))
        received(socket)
        socket.send(json.dumps({"type": "stop", "id": asked["id"], "secret": asked["secret"]}))
        end = received(socket)[-1]

    assert end["type"] == "done" and end["finish_reason"] == "stopped" and end["rung"] is None


def test_a_session_that_ends_closes_its_socket_and_gets_no_second_version(
    asleep: Site, sessions: dict[str, str]
) -> None:
    with asleep.socket(Cookie=f"session={sessions[CAROL]}") as socket:
        # Begun beforehand: on a busy machine a command takes longer to start than the large model to wake.
        ending = asleep.started("shell", "-v", "0", "-c", END_SESSIONS)
        socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))
        received(socket)
        ending.communicate("now\n", timeout=20)
        ended = time.monotonic()

        with pytest.raises(ConnectionClosed) as closed:
            while True:
                event = json.loads(socket.recv(timeout=10))
                assert not (event["type"] == "done" and event["rung"] == "large")

    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401
    assert time.monotonic() - ended < 5


def test_both_versions_are_kept_with_consent(asleep: Site, sessions: dict[str, str]) -> None:
    with asleep.socket(Cookie=f"session={sessions[DANA]}") as socket:
        socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))
        first = received(socket)[-1]
        second = received(socket, timeout=60)[-1]
        follow = ask("And the weights?", conversation=first["conversation"])
        socket.send(json.dumps({"type": "ask", **follow}))
        third = received(socket)[-1]

    assert first["kept_until"] == second["kept_until"] and first["conversation"] == second["conversation"]
    assert third["conversation"] == first["conversation"]
    stored = httpx.get(
        f"{asleep.url}/account/api/conversations/{first['conversation']}/",
        headers={"Cookie": f"session={sessions[DANA]}"},
        timeout=10,
    ).json()
    assert [version["rung"] for version in stored["turns"][0]["versions"]] == ["small", "large"]
    assert len(stored["turns"]) == 2


def test_another_persons_conversation_is_not_gone_on_with(asleep: Site, sessions: dict[str, str]) -> None:
    with asleep.socket(Cookie=f"session={sessions[DANA]}") as socket:
        socket.send(json.dumps({"type": "ask", **ask("How long do you keep my chats?")}))
        conversation = received(socket)[-1]["conversation"]

    with asleep.socket(Cookie=f"session={sessions[BOB]}") as socket:
        socket.send(json.dumps({"type": "ask", **ask(QUESTION, conversation=conversation)}))
        end = received(socket)[-1]

    assert end["type"] == "error" and end["code"] == "unknown_conversation"


def test_a_budget_without_room_leaves_the_small_answer_and_says_why() -> None:
    with running_site(worker=True, large=True, LLM_GPU_DAY_S="100") as site:
        first, second = versions(site, site.sign_in(ALICE)[ALICE])

        assert first[-1]["rung"] == "small" and second == []
        assert first[-1]["notice"]["code"] == "budget_spent" and "budget" in first[-1]["notice"]["message"]
        assert state(site) == "asleep"


def test_without_cpu_first_the_asker_waits_and_is_told_how_long() -> None:
    with running_site(worker=True, large=True, CHAT_AUTH_CPU_FIRST="0") as site:
        first, second = versions(site, site.sign_in(ALICE)[ALICE])

        stages = [event["stage"] for event in first if event["type"] == "status"]
        assert stages[:2] == ["grounding", "loading"] and second == []
        assert first[-1]["rung"] == "large"
