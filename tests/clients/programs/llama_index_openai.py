"""llama-index: the class of LLAMA_CLASS (OpenAI or OpenAILike) and its embeddings. It lists no models."""

import gc
import os
import time
from typing import Any

import openai
from llama_index.core.llms import ChatMessage
from steps import (
    BASE,
    BREAK,
    EMBED,
    ENDLESS,
    KEY,
    LATE,
    LIMITED_KEY,
    NEVER,
    NONE,
    REAL,
    SAY,
    SCRIPTED,
    SPENT_KEY,
    TEXTS,
    TOOL,
    Facts,
    drain,
    left,
    main,
    raised,
    step,
    timed,
)

if os.environ["LLAMA_CLASS"] == "OpenAI":
    from llama_index.embeddings.openai import OpenAIEmbedding as Embedding
    from llama_index.llms.openai import OpenAI as Llm
else:
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding as Embedding
    from llama_index.llms.openai_like import OpenAILike as Llm

KNOWN = "gpt-4.1-mini"


def model(name: str = SCRIPTED, key: str = KEY, **options: Any) -> Llm:
    if os.environ["LLAMA_CLASS"] == "OpenAILike":
        return Llm(model=name, api_base=BASE, api_key=key, **({"is_chat_model": True} | options))
    # It knows OpenAI's own names only, and refuses any other before it asks anybody.
    more = options.pop("additional_kwargs", {}) | {"model": name}
    return Llm(model=KNOWN, api_base=BASE, api_key=key, additional_kwargs=more, **options)


def said(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def tokens(raw: Any) -> list[int] | None:
    used = raw.usage
    return used and [used.prompt_tokens, used.completion_tokens, used.total_tokens]


@step
def chat() -> Facts:
    found = model().chat(said(SAY))
    return {
        "text": found.message.content,
        "role": found.message.role.value,
        "reason": found.raw.choices[0].finish_reason,
        "model": found.raw.model,
        "usage": tokens(found.raw),
    }


@step
def real() -> Facts:
    found = model(REAL, max_tokens=8).chat(said("Which licence?"))
    return {"text": found.message.content, "model": found.raw.model, "tokens": found.raw.usage.completion_tokens}


@step
def completion() -> Facts:
    """Of OpenAILike alone: without ``is_chat_model`` it asks /v1/completions."""
    found = model(is_chat_model=False).complete(SAY)
    return {"text": found.text, "reason": found.raw.choices[0].finish_reason}


@step
def stream() -> Facts:
    chunks = list(model().stream_chat(said(SAY)))
    return {
        "text": "".join(chunk.delta or "" for chunk in chunks),
        "reason": chunks[-1].raw.choices[0].finish_reason,
        "usages": sum(chunk.raw.usage is not None for chunk in chunks),
    }


@step
def usage() -> Facts:
    options = {"stream_options": {"include_usage": True}}
    usages = [tokens(chunk.raw) for chunk in model(additional_kwargs=options).stream_chat(said(SAY)) if chunk.raw.usage]
    return {"usages": len(usages), "usage": usages[0]}


@step
def tools() -> Facts:
    return {"text": model().chat(said(SAY), tools=[TOOL]).message.content}


@step
def embeddings() -> Facts:
    made = Embedding(model_name=EMBED, api_base=BASE, api_key=KEY)
    vectors = made.get_text_embedding_batch(TEXTS)
    return {"lengths": [len(each) for each in vectors], "norm": sum(value * value for value in vectors[0])}


@step
def unauthorized() -> Facts:
    return {"text": model(key="wag_wrong").chat(said(SAY)).message.content}


@step
def missing() -> Facts:
    return {"text": model(NONE).chat(said(SAY)).message.content}


@step
def spent() -> Facts:
    return {"text": model(key=SPENT_KEY).chat(said(SAY)).message.content}


@step
def limited() -> Facts:
    """At the limit of the minute: what one attempt is told, and that the retries of another one wait long enough."""
    none = model(NONE, LIMITED_KEY, max_retries=0)
    let_in = drain(lambda: none.chat(said(SAY)), openai.NotFoundError, openai.RateLimitError)
    try:
        none.chat(said(SAY))
    except openai.RateLimitError as error:
        told = raised(error)
    found, waited = timed(lambda: model(key=LIMITED_KEY).chat(said(SAY)))
    return {**told, "let_in": let_in, "text": found.message.content, "waited": waited}


@step
def busy() -> Facts:
    return {"text": model(max_retries=1).chat(said(SAY)).message.content}


@step
def late() -> Facts:
    """The first token comes after twice the client's timeout."""
    return {"text": "".join(chunk.delta or "" for chunk in model(timeout=1.5).stream_chat(said(LATE)))}


@step
def timeout() -> Facts:
    return {"text": model(timeout=0.5, max_retries=1).chat(said(NEVER)).message.content}


@step
def broken() -> Facts:
    pieces = []
    try:
        for chunk in model().stream_chat(said(BREAK)):
            pieces.append(chunk.delta or "")
    except Exception as error:
        return {**raised(error), "pieces": "".join(pieces)}
    return {"pieces": "".join(pieces)}


@step
def broken_whole() -> Facts:
    return {"text": model(max_retries=0).chat(said(BREAK)).message.content}


@step
def abort() -> Facts:
    """Closing its generator closes no connection: forgetting the generator does, and so does the end of the process."""
    facts = left(three_pieces())
    gc.collect()
    time.sleep(1)
    return facts


def three_pieces() -> int:
    pieces = 0
    for chunk in model().stream_chat(said(ENDLESS)):
        pieces += bool(chunk.delta)
        if pieces == 3:
            break
    return pieces


main()
