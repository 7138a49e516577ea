"""No text of a prompt or an answer is kept: not in the log, not in the database, not in Redis, in no file."""

import pytest

from tests import scripted
from tests.api.door import ScriptedDoor, asked, connection
from tests.chat.canary import in_files, in_redis, in_tables, new_canary
from tests.customers import question
from tests.live import wait_for

pytestmark = pytest.mark.slow


def test_no_text_of_a_call_is_kept_however_it_ends(door: ScriptedDoor) -> None:
    canary = new_canary()
    body = question(f"Which licence has {canary}?", user=canary, metadata={canary: canary}, stop=canary)
    headers = {"Idempotency-Key": canary, "X-Request-ID": f"a b {canary}", "User-Agent": canary}
    words = (f"{canary} ", "said ", canary)

    door.server.behaviour = scripted.slowly(0.01, words)
    assert canary in door.post(body, **headers).raw.decode()
    assert canary in door.ask(canary, stream=True).text
    assert door.post({"model": "wagmi-small", "prompt": canary}, "/completions").status == 200
    for refused in (
        door.post(body, **headers),
        door.post(question(f"{canary} " * 1100)),
        door.post(question() | {"model": canary}),
        door.post(question() | {canary: canary}),
        door.post(question() | {"messages": [{"role": canary, "content": canary}]}),
        door.post(question(canary, temperature=canary)),
        door.post(canary.encode()),
        door.get(f"/models/{canary}"),
        door.get(f"/{canary}"),
        door.get(f"/usage?{canary}={canary}"),
    ):
        assert 400 <= refused.status < 500
    for behaviour in (
        scripted.closing_after(0),
        scripted.sending(f"data: {{bad {canary}\n\n".encode(), words_first=1),
        scripted.sending(f'data: {{"error": {{"message": "{canary}"}}}}\n\n'.encode()),
    ):
        door.server.behaviour = behaviour
        assert canary not in door.ask(canary, stream=True).raw.decode()
    door.server.behaviour = scripted.slowly(0.05, words * 50)
    with connection(door) as sock:
        seen = len(door.server.requests)
        sock.sendall(asked(door, question(canary, stream=True)))
        wait_for(lambda: len(door.server.requests) > seen, 3)
    assert door.last_line()["outcome"] == "aborted"

    door.site.postgres.sql("CHECKPOINT")
    assert in_tables(door.site, canary) == []
    assert in_redis(door.site, canary) == []
    assert in_files([door.site.folder.path], canary) == []
    assert door.keys["carol"] not in door.site.log("web")
