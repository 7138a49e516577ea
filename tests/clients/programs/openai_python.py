"""The openai package for Python, its synchronous client."""

import openai
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

client = openai.OpenAI(base_url=BASE, api_key=KEY)
once = client.with_options(max_retries=0)


def asked(text: str, model: str = SCRIPTED) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


@step
def models() -> Facts:
    listed = client.models.list().data
    return {"ids": [each.id for each in listed], "one": client.models.retrieve(SCRIPTED).id}


@step
def chat() -> Facts:
    found = client.chat.completions.create(**asked(SAY))
    choice = found.choices[0]
    return {
        "text": choice.message.content,
        "role": choice.message.role,
        "reason": choice.finish_reason,
        "model": found.model,
        "usage": [found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens],
        "request_id": found._request_id,
    }


@step
def real() -> Facts:
    found = client.chat.completions.create(**asked("Which licence?", REAL), max_tokens=8, seed=1)
    return {"text": found.choices[0].message.content, "model": found.model, "tokens": found.usage.completion_tokens}


@step
def completion() -> Facts:
    found = client.completions.create(model=SCRIPTED, prompt=SAY)
    return {"text": found.choices[0].text, "reason": found.choices[0].finish_reason}


@step
def stream() -> Facts:
    chunks = list(client.chat.completions.create(**asked(SAY), stream=True))
    return {
        "text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "role": chunks[0].choices[0].delta.role,
        "reason": chunks[-1].choices[0].finish_reason,
        "usages": sum(chunk.usage is not None for chunk in chunks),
        "ids": len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}),
    }


@step
def usage() -> Facts:
    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(**asked(SAY), stream=True, stream_options=options))
    last = chunks[-1]
    return {
        "usages": sum(chunk.usage is not None for chunk in chunks),
        "choices": len(last.choices),
        "usage": [last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens],
    }


@step
def tools() -> Facts:
    return {"text": client.chat.completions.create(**asked(SAY), tools=[TOOL]).choices[0].message.content}


@step
def embeddings() -> Facts:
    unset = client.embeddings.create(model=EMBED, input=TEXTS)
    floats = client.embeddings.create(model=EMBED, input=TEXTS, encoding_format="float")
    pairs = zip(unset.data, floats.data, strict=True)
    return {
        "lengths": [len(each.embedding) for each in unset.data],
        "order": [each.index for each in unset.data],
        "apart": max(abs(a - b) for one, two in pairs for a, b in zip(one.embedding, two.embedding, strict=True)),
        "norm": sum(value * value for value in unset.data[0].embedding),
        "tokens": unset.usage.prompt_tokens,
    }


@step
def unauthorized() -> Facts:
    return {"ids": client.with_options(api_key="wag_wrong").models.list().data}


@step
def missing() -> Facts:
    return {"text": client.chat.completions.create(**asked(SAY, NONE)).id}


@step
def spent() -> Facts:
    return {"text": client.with_options(api_key=SPENT_KEY).chat.completions.create(**asked(SAY)).id}


@step
def limited() -> Facts:
    """At the limit of the minute: what one attempt is told, and that the retries of another one wait long enough."""
    mine = client.with_options(api_key=LIMITED_KEY)
    once = mine.with_options(max_retries=0)
    let_in = drain(
        lambda: once.chat.completions.create(**asked(SAY, NONE)), openai.NotFoundError, openai.RateLimitError
    )
    try:
        once.chat.completions.create(**asked(SAY, NONE))
    except openai.RateLimitError as error:
        told = raised(error)
    found, waited = timed(lambda: mine.chat.completions.create(**asked(SAY)))
    return {**told, "let_in": let_in, "text": found.choices[0].message.content, "waited": waited}


@step
def busy() -> Facts:
    return {"text": client.with_options(max_retries=1).chat.completions.create(**asked(SAY)).choices[0].message.content}


@step
def late() -> Facts:
    """The first token comes after twice the client's timeout."""
    chunks = list(client.with_options(timeout=1.5).chat.completions.create(**asked(LATE), stream=True))
    return {"text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks)}


@step
def timeout() -> Facts:
    return {"text": client.with_options(timeout=0.5, max_retries=1).chat.completions.create(**asked(NEVER)).id}


@step
def broken() -> Facts:
    pieces = []
    try:
        for chunk in client.chat.completions.create(**asked(BREAK), stream=True):
            pieces.append(chunk.choices[0].delta.content or "")
    except openai.APIError as error:
        return {**raised(error), "pieces": "".join(pieces)}
    return {"pieces": "".join(pieces)}


@step
def broken_whole() -> Facts:
    return {"text": once.chat.completions.create(**asked(BREAK)).id}


@step
def abort() -> Facts:
    pieces = 0
    with client.chat.completions.create(**asked(ENDLESS), stream=True) as chunks:
        for chunk in chunks:
            pieces += bool(chunk.choices[0].delta.content)
            if pieces == 3:
                break
    return left(pieces)


main()
