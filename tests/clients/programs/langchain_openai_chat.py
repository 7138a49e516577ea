"""langchain-openai: ChatOpenAI and OpenAIEmbeddings. It lists no models."""

from typing import Any

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
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


def model(name: str = SCRIPTED, key: str = KEY, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=BASE, api_key=key, **options)


def tokens(usage: Any) -> list[int] | None:
    return usage and [usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]]


@step
def chat() -> Facts:
    found = model().invoke(SAY)
    return {
        "text": found.content,
        "role": "assistant" if found.type == "ai" else found.type,
        "reason": found.response_metadata["finish_reason"],
        "model": found.response_metadata["model_name"],
        "usage": tokens(found.usage_metadata),
    }


@step
def real() -> Facts:
    found = model(REAL, max_tokens=8, seed=1).invoke("Which licence?")
    used = tokens(found.usage_metadata)
    return {"text": found.content, "model": found.response_metadata["model_name"], "tokens": used and used[1]}


@step
def stream() -> Facts:
    chunks = list(model().stream(SAY))
    reasons = [
        chunk.response_metadata["finish_reason"] for chunk in chunks if "finish_reason" in chunk.response_metadata
    ]
    return {
        "text": "".join(chunk.content for chunk in chunks),
        "reason": reasons[0],
        "usages": sum(chunk.usage_metadata is not None for chunk in chunks),
    }


@step
def usage() -> Facts:
    chunks = list(model(stream_usage=True).stream(SAY))
    usages = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    return {"usages": len(usages), "usage": tokens(usages[0])}


@step
def tools() -> Facts:
    return {"text": model().bind_tools([TOOL]).invoke(SAY).content}


@step
def embeddings() -> Facts:
    made = OpenAIEmbeddings(model=EMBED, base_url=BASE, api_key=KEY, check_embedding_ctx_length=False)
    unset = made.embed_documents(TEXTS)
    floats = OpenAIEmbeddings(
        model=EMBED,
        base_url=BASE,
        api_key=KEY,
        check_embedding_ctx_length=False,
        model_kwargs={"encoding_format": "float"},
    ).embed_documents(TEXTS)
    pairs = zip(unset, floats, strict=True)
    return {
        "lengths": [len(each) for each in unset],
        "apart": max(abs(a - b) for one, two in pairs for a, b in zip(one, two, strict=True)),
        "norm": sum(value * value for value in unset[0]),
    }


@step
def unauthorized() -> Facts:
    return {"text": model(key="wag_wrong").invoke(SAY).content}


@step
def missing() -> Facts:
    return {"text": model(NONE).invoke(SAY).content}


@step
def spent() -> Facts:
    return {"text": model(key=SPENT_KEY).invoke(SAY).content}


@step
def limited() -> Facts:
    """At the limit of the minute: what one attempt is told, and that the retries of another one wait long enough."""
    none = model(NONE, LIMITED_KEY, max_retries=0)
    let_in = drain(lambda: none.invoke(SAY), openai.NotFoundError, openai.RateLimitError)
    try:
        none.invoke(SAY)
    except openai.RateLimitError as error:
        told = raised(error)
    found, waited = timed(lambda: model(key=LIMITED_KEY).invoke(SAY))
    return {**told, "let_in": let_in, "text": found.content, "waited": waited}


@step
def busy() -> Facts:
    return {"text": model(max_retries=1).invoke(SAY).content}


@step
def late() -> Facts:
    """The first token comes after twice the client's timeout."""
    return {"text": "".join(chunk.content for chunk in model(timeout=1.5).stream(LATE))}


@step
def timeout() -> Facts:
    return {"text": model(timeout=0.5, max_retries=1).invoke(NEVER).content}


@step
def broken() -> Facts:
    pieces = []
    try:
        for chunk in model().stream(BREAK):
            pieces.append(chunk.content)
    except Exception as error:
        return {**raised(error), "pieces": "".join(pieces)}
    return {"pieces": "".join(pieces)}


@step
def broken_whole() -> Facts:
    return {"text": model(max_retries=0).invoke(BREAK).content}


@step
def abort() -> Facts:
    pieces = 0
    chunks = model().stream(ENDLESS)
    for chunk in chunks:
        pieces += bool(chunk.content)
        if pieces == 3:
            break
    chunks.close()
    return left(pieces)


main()
