"""What a hurried or hostile page may do to its own socket, and to nobody else's."""

import json
import socket as sockets
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.live import Site, ask, received, text_of

pytestmark = pytest.mark.slow
QUESTION = "Which licence is the code under and can I reuse it?"


def test_a_stop_that_comes_too_late_harms_nothing(live_site: Site) -> None:
    question = ask(QUESTION)
    with live_site.socket() as socket:
        socket.send(json.dumps({"type": "ask", **question}))
        assert received(socket)[-1]["type"] == "done"
        for _late in range(3):
            socket.send(json.dumps({"type": "stop", "id": question["id"], "secret": question["secret"]}))
        socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))

        assert received(socket)[-1]["type"] == "done"


def test_a_socket_that_only_sends_nonsense_is_closed_and_its_place_given_back(live_site: Site) -> None:
    for _attempt in range(25):  # more than one address may have open at once
        with live_site.socket() as socket, pytest.raises(ConnectionClosed) as closed:
            for _frame in range(60):
                socket.send("{}")
                socket.recv(timeout=10)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 4400

    with live_site.socket() as socket:
        socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))
        assert received(socket)[-1]["type"] == "done"


def test_a_page_torn_away_in_mid_sentence_gives_its_place_back(live_site: Site) -> None:
    for _attempt in range(25):
        socket = live_site.socket()
        for _frame in range(10):
            socket.send("{}")
        socket.socket.shutdown(sockets.SHUT_RDWR)
        socket.socket.close()
    time.sleep(0.5)

    with live_site.socket() as socket:
        socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))
        assert received(socket)[-1]["type"] == "done"


def test_the_longest_question_holds_nobody_up(live_site: Site) -> None:
    words = " ".join(f"zq{number:x}ab" for number in range(2_000))[:16_000]
    with ThreadPoolExecutor(6) as pool:
        slow = [pool.submit(live_site.ask, words) for _asker in range(6)]
        started = time.monotonic()
        events = live_site.events("How long do you keep my chats?")
        waited_s = time.monotonic() - started

    assert events[-1]["rung"] == "verified"
    assert [one.result().status_code for one in slow] == [200] * 6
    assert waited_s < 15, "half as many once stopped the site for 20 s"


@pytest.mark.parametrize("question", ["type", '"type"', "What type of model is it?"])
def test_the_word_type_is_a_word(live_site: Site, question: str) -> None:
    assert live_site.events(question)[-1]["type"] == "done"


def test_health_answers_under_any_name_and_pages_do_not(live_site: Site) -> None:
    named = {"Host": "10.0.0.7:8000"}

    assert httpx.get(f"{live_site.url}/health", headers=named).json() == {"status": "ok"}
    assert httpx.get(f"{live_site.url}/", headers=named).status_code == 400


def test_an_odd_host_writes_no_line(live_site: Site) -> None:
    word = "zq-odd-host"
    for _request in range(5):
        httpx.get(f"{live_site.url}/", headers={"Host": f"{word}.example"})

    assert word not in live_site.log("web")
    assert text_of(live_site.events("How long do you keep my chats?"))
