"""Compares ways to lay out the prompt for the small model: ``python -m bench.layouts``.

It asks the English calibration questions that pages answer and no approved pair does (even half, and the even fresh
ones), so that what is settled by it can be reported on the others. One server, temperature 0, one question at a time.
"""

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
from django.conf import settings

from bench.answers import Case, cases, has_fact
from bench.writing import Writer, Written, history_of, model_server, product_request, totals
from chat.grounding import Grounded, ground
from chat.prompts import system_turn
from chat.quotes import begin_with
from inference.backends.base import Request, Turn
from inference.backends.llamacpp import LlamaCpp
from inference.backends.tokens import neutralise
from siteproject.stack.llama import ALIAS

LANGUAGE = "en"
HALVES = ("even", "fresh-even")


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to ask.

    ``words``: how many of the best sentence the answer is begun with; ``named``: the best sentence, or the two best,
    are named once more; ``repeat_last_n``: how many tokens back a repetition is punished; ``only``: one kind of
    question.
    """

    name: str
    words: int = 0
    named: Literal["", "best", "two"] = ""
    repeat_last_n: int = 16
    history: bool = True
    only: str = ""


LAYOUTS = (
    Layout("plain"),
    Layout("plain, penalty over 64", repeat_last_n=64),
    Layout("two best sentences named", named="two"),
    Layout("begun with 4 words", words=4),
    Layout("begun with 6 words", words=6),
    Layout("begun with 6, penalty over 64", words=6, repeat_last_n=64),
    Layout("begun with 6, best named", words=6, named="best"),
    Layout("begun with 6, two best named", words=6, named="two"),
    Layout("begun with 8 words", words=8),
    Layout("begun with 8, two best named", words=8, named="two"),
    Layout("follow-ups, with history", words=6, named="best", only="followup"),
    Layout("follow-ups, without", words=6, named="best", only="followup", history=False),
)


class Penalised(LlamaCpp):
    """The product's client, its repetition penalty looking back over another number of tokens."""

    repeat_last_n = 16

    def _body(self, request: Request) -> bytes:
        body = msgspec.json.decode(super()._body(request))
        return msgspec.json.encode(body | {"repeat_last_n": self.repeat_last_n})


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and on request each text."""
    parser = argparse.ArgumentParser(prog="python -m bench.layouts", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print each text, for a person to read")
    parser.add_argument("--layout", action="append", choices=[layout.name for layout in LAYOUTS], help="default: all")
    options = parser.parse_args(arguments)
    layouts = [layout for layout in LAYOUTS if layout.name in (options.layout or [layout.name])]
    asked = list(questions())
    print(f"{len(asked)} questions\n\n{HEADER}")
    with model_server() as (url, key):
        for layout in layouts:
            chosen = [(case, found) for case, found in asked if layout.only in ("", case.kind)]
            with writer_for(layout, url, key) as writer:
                texts = [
                    writer.write(request(layout, case, found), found.sources[0].passage, case.question, LANGUAGE)
                    for case, found in chosen
                ]
            print(row(layout, [case for case, _found in chosen], texts), flush=True)
            for (case, _found), text in zip(chosen, texts, strict=True) if options.show else ():
                print(f"    {case.id} {case.question}\n      {','.join(text.reasons) or 'passed'}: {text.text}")
    return 0


def questions() -> Iterator[tuple[Case, Grounded]]:
    """Yield the questions a model writes for, with what was found."""
    for case in [case for half in HALVES for case in cases(LANGUAGE, half=half) if case.answerable]:
        found = ground(case.question, previous=case.before, language=LANGUAGE)
        if found.answerable and not found.verified and not found.contact:
            yield case, found


@contextmanager
def writer_for(layout: Layout, url: str, key: str) -> Iterator[Writer]:
    client = Penalised(url, key, ALIAS)
    client.repeat_last_n = layout.repeat_last_n
    writer = Writer(client)
    try:
        yield writer
    finally:
        writer.close()


def request(layout: Layout, case: Case, found: Grounded) -> Request:
    """Return the product's request, changed as ``layout`` says."""
    best = found.sources[0]
    history = history_of(case.before, LANGUAGE) if layout.history else ()
    asked = product_request(case.question, found, history)
    _system, *others = asked.turns
    text = system_turn(settings.SITE_NAME, best.passage) + f"\nConversation {secrets.token_hex(4)}"
    if layout.named:
        # It depends on the question, so it stands after the random line, out of the part that is shared.
        named = best.quote if layout.named == "two" else best.best_sentence
        text += f"\nMost useful: {neutralise(named)}"
    return replace(asked, turns=(Turn("system", text), *others), begun=begin_with(best.best_sentence, layout.words))


HEADER = (
    "| Layout | asked | right fact | passes | both | copied | loops | ends by itself | tokens | first, whole (p50) |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def row(layout: Layout, asked: list[Case], texts: list[Written]) -> str:
    """Return one line of the table. ``copied``: the text is, from first to last letter, part of its passage."""
    sums = totals(texts)
    right = [has_fact(case, [text.text]) for case, text in zip(asked, texts, strict=True)]
    both = sum(fact and not text.reasons for fact, text in zip(right, texts, strict=True))
    times = f"{sums.first_token_p50_ms:.0f}, {sums.duration_p50_ms:.0f} ms"
    cells = [layout.name, len(texts), sum(right), sums.passed, both, sums.copied, sums.loops, sums.ended]
    return "| " + " | ".join(map(str, cells)) + f" | {sums.mean_tokens:.0f} | {times} |"


if __name__ == "__main__":
    sys.exit(main())
