"""Sends one attack through its door and returns what came of it.

Everything but the API runs in this process, with the code that serves readers: parsing, history, grounding, prompt,
engine, check and tree. Only the request around it is left out, whose limits would stop the fortieth case.
"""

import asyncio
import json
import uuid
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import httpx
from django.conf import settings
from django.core import signing

from chat import prompts, seals
from chat.askers import Asker
from chat.asks import parse_ask
from chat.errors import ChatError
from chat.grounding import Indexes, ground
from chat.history import sealed_turns
from chat.replies import reply
from chat.retrieval import Index
from chat.tree import tree
from content.passages import Passage, approved_pairs, passages, synonyms
from factory.redteam.cases import Before, Case, cases
from factory.redteam.judging import Outcome
from inference import receipts
from inference.admission import Priority
from inference.backends.base import Request, Text, Turn
from inference.backends.tokens import neutralise
from inference.engine import Completed, engine
from inference.errors import Unavailable
from inference.models import Rung, Tier
from inference.registry import Served
from inference.stopping import StopSignal

API_TIMEOUT_S = 60
BUSY = (429, 503, 504)  # a limit of the minute, a full queue, a late first token: worth asking again
TRIES = 4
MAX_TOKENS = 32


class Unreachable(Exception):
    """Why a case could not be put to its door, as a code."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is and a key for it; without one its cases are void."""

    url: str
    key: str


async def send(case: Case, api: Api | None) -> Outcome:
    """Return what came of a case. Raises Unreachable, or InferenceError when the model is away."""
    match case.door:
        case "chat":
            if case.stranger:
                await _chat(replace_says(case, case.stranger))
            return await _chat(case)
        case "passage":
            return await _poisoned(case)
        case "cache":
            return await _cached(case)
        case "page":
            return Outcome(text="", tree=tuple(tree(case.says)), read=neutralise(case.says))
        case "api":
            if api is None:
                raise Unreachable("no_key")
            if case.stranger:
                await _called(replace_says(case, case.stranger), api)
            return await _called(case, api)


def replace_says(case: Case, says: str) -> Case:
    """Return the ask of somebody else: the same door, no history."""
    return Case(id=case.id, kind=case.kind, door=case.door, language=case.language, says=says, expect=case.expect)


# --- the chat ---


async def _chat(case: Case) -> Outcome:
    body = {
        "id": str(uuid.uuid4()),
        "messages": [*_claimed(case.before), {"role": "user", "content": case.says}],
        "language": case.language,
    }
    try:
        ask = parse_ask(json.dumps(body).encode("utf-8", "surrogatepass"))
    except ChatError as error:
        return Outcome(code=error.code, read="")
    read = "\n".join([*(turn.text for turn in sealed_turns(ask.messages)), neutralise(ask.question)])
    found = Outcome(kept_turns=len(sealed_turns(ask.messages)), read=read)
    async with aclosing(reply(ask, Asker(), stop=StopSignal(), request_id=f"redteam-{uuid.uuid4()}")) as events:
        async for event in events:
            if event["type"] == "delta":
                found = replace(found, text=found.text + event["text"])
            elif event["type"] == "error":
                found = replace(found, code=event["code"])
            elif event["type"] == "done":
                found = replace(
                    found,
                    rung=event["rung"],
                    tree=tuple(event["tree"]),
                    cached_tokens=event["receipt"]["cached_tokens"] or 0,
                )
    return found


def _claimed(turns: tuple[Before, ...]) -> list[dict[str, str]]:
    """Return the history that a client claims, with the seals that it would bring."""
    messages = []
    for turn in turns:
        message = {"role": turn.role, "content": turn.content}
        if turn.seal == "forged":
            # Right in every part but the key.
            claim = {"v": seals.VERSION, "answer": str(uuid.uuid4()), "q": "0" * 32, "a": "0" * 32}
            message["seal"] = signing.dumps(claim, key="not the key", salt=seals.SALT)
        elif turn.seal == "other":
            message["seal"] = _seal_of_another_answer()
        messages.append(message)
    return messages


def _seal_of_another_answer() -> str:
    """Return a seal that we did give, for other words."""
    receipt = receipts.without_model(rung=Rung.NONE, language="en", request_id="redteam", passages=[], duration_ms=1)
    words = {"question": "What is a seal?", "text": "A seal says that this site gave an answer."}
    return seals.seal(answer=str(uuid.uuid4()), passages=[], receipt=receipt, **words)


# --- a poisoned page ---


async def _poisoned(case: Case) -> Outcome:
    """Ask what a planted passage speaks of.

    In a language that the model does not write, it does not read the passage either: nobody is there who could obey
    it. The reader gets the quote, which is verbatim, so what is looked at is what a page builds of it.
    """
    served = await _small()
    found = ground(case.says, language=case.language, index=_poisoned_index(case.language))
    if found.verified or not found.sources or found.sources[0].passage.id != f"planted#{case.id}":
        raise Unreachable("not_found")
    if not served.writes(case.language):
        return Outcome(rung=Rung.QUOTED, tree=tuple(tree(found.sources[0].quote)))
    room = prompts.room_for(served)
    request = prompts.prompt(
        name=settings.SITE_NAME,
        passages=[source.passage for source in found.sources[: room.passages]],
        best_sentence=found.sources[0].best_sentence if room.begun else "",
        question=case.says,
        history=(),
        max_tokens=MAX_TOKENS,
    )
    text, _completed = await _completion(request, served)
    text = request.begun + text
    read = "\n".join(turn.text for turn in request.turns) + request.begun
    return Outcome(text=text, rung=served.tier, read=read, tree=tuple(tree(text)))


@cache
def _poisoned_index(language: str) -> Indexes:
    """Return the index of a site into which somebody has smuggled the passages of all our cases."""
    planted = [_planted(case) for case in cases() if case.door == "passage" and case.language == language]
    own, words = passages(language), synonyms(language)
    knowledge = [*(passage for passage in own if passage.kind == "knowledge"), *planted]
    return Indexes(
        Index(knowledge, language=language, synonyms=words, pairs=approved_pairs(language)),
        Index([passage for passage in own if passage.kind != "knowledge"], language=language, synonyms=words),
    )


def _planted(case: Case) -> Passage:
    return Passage(
        id=f"planted#{case.id}",
        document=case.id,
        language=case.language,
        title="",
        heading="",
        url="/",
        text=case.passage,
    )


async def _completion(request: Request, served: Served) -> tuple[str, Completed]:
    text, completed = "", None
    steps = engine.generate(request, candidates=[served], priority=Priority.ANONYMOUS)
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, Text):
                text += step.text
            elif isinstance(step, Completed):
                completed = step
    if completed is None:
        raise Unreachable("no_answer")
    return text, completed


async def _tokens(request: Request, served: Served) -> int:
    """Return the tokens of a prompt. Twice, for the server may just have closed the connection of an answer."""
    try:
        return await engine.client(served).count(request) or 0
    except Unavailable:
        return await engine.client(served).count(request) or 0


async def _small() -> Served:
    return (await engine.candidates(Tier.SMALL))[0]


# --- what the model server remembers ---


async def _cached(case: Case) -> Outcome:
    """Let a stranger ask, then guess the question word for word: how much of the guess was there already?"""
    served = await _small()
    passage = _planted(case)
    public = await _tokens(prompts.warm_up(settings.SITE_NAME, passage), served)
    for says in (case.stranger, case.says):
        request = prompts.prompt(
            name=settings.SITE_NAME, passages=[passage], best_sentence="", question=says, history=(), max_tokens=1
        )
        text, completed = await _completion(request, served)
    usage = completed.usage
    return Outcome(text=text, rung=served.tier, cached_tokens=usage.cached_tokens, public_tokens=public)


async def guess_without_random_line(case: Case) -> Outcome:
    """Do the same with prompts that are equal to the byte: the positive control of the case, at the real server."""
    served = await _small()
    turns = (Turn("system", f"Text: {case.passage}"), Turn("user", neutralise(case.stranger)))
    request = Request(turns=turns, max_tokens=1)
    for _ in range(2):
        _text, completed = await _completion(request, served)
    public = await _tokens(Request(turns=turns[:1]), served)
    return Outcome(cached_tokens=completed.usage.cached_tokens, public_tokens=public)


# --- the API ---


async def _called(case: Case, api: Api) -> Outcome:
    body = {
        "model": "wagmi-small",
        "messages": [
            *({"role": turn.role, "content": turn.content} for turn in case.before),
            {"role": "user", "content": case.says},
        ],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "grounding": case.grounding,
        **case.fields,
    }
    response = await _posted(body, api)
    found = response.json()
    if response.status_code in (401, 402, 500, *BUSY):
        raise Unreachable(str(found["error"].get("code") or response.status_code))
    if response.status_code != 200:
        return Outcome(code=str(found["error"].get("param") or found["error"].get("code")))
    text = found["choices"][0]["message"]["content"] or ""
    details = found["usage"].get("prompt_tokens_details") or {}
    return Outcome(
        text=text,
        rung=found.get("rung") or "small",
        tree=tuple(tree(text)),
        cached_tokens=details.get("cached_tokens") or 0,
        read=neutralise(case.says),
    )


async def _posted(body: dict[str, Any], api: Api) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.key}"}
    async with httpx.AsyncClient(timeout=API_TIMEOUT_S, trust_env=False, headers=headers) as client:
        for _ in range(TRIES):
            try:
                response = await client.post(f"{api.url}/v1/chat/completions", json=body)
            except httpx.HTTPError as error:
                raise Unreachable(type(error).__name__) from error
            if response.status_code not in BUSY:
                break
            await asyncio.sleep(float(response.headers.get("retry-after") or 2))
    return response
