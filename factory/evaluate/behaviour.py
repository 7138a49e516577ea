"""Refuses weights that invent facts, repeat themselves, never end, or write another language than they claim to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from factory.evaluate import bounds
from factory.evaluate.answers import FACTS, Answer
from factory.evaluate.intervals import ppm

# What each word of the verdict is counted by, in the order in which it is said.
FAULTS = {
    "invents facts": ("invents_ppm", lambda each: bool(FACTS & set(each.reasons))),
    "repeats itself": ("loops_ppm", lambda each: each.loops),
    "does not end": ("unended_ppm", lambda each: each.finish == "length" or each.finish.startswith("model_timeout")),
    "writes another language": ("other_language_ppm", lambda each: each.in_other_language),
    "fails": ("fails_ppm", lambda each: each.rung == "failed" and not each.finish.startswith("model_timeout")),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about weights. ``faults`` say what is wrong, with count and bound; none where they may serve.

    ``texts`` is how many were judged; too few of them are a fault of the run and refuse as well.
    """

    texts: int
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.faults


def judge(answers: Sequence[Answer], limits: Mapping[str, int] | None = None) -> Verdict:
    """Return whether a model that wrote these answers may serve; ``limits`` default to ``[evaluation.behaviour]``.

    Only texts by a model count. What the product would mark as not supported is held against the model all the same.
    """
    limits = bounds.evaluation()["behaviour"] if limits is None else limits
    texts = [each for each in answers if each.by_model]
    if len(texts) < limits["least_texts"]:
        return Verdict(len(texts), (f"only {len(texts)} texts by the model, {limits['least_texts']} are needed",))
    faults = []
    for words, (limit, is_so) in FAULTS.items():
        count = sum(is_so(each) for each in texts)
        if ppm(count, len(texts)) > limits[limit]:
            faults.append(f"{words}: {count} of {len(texts)}, at most {limits[limit] / 10_000:g} %")
    return Verdict(len(texts), tuple(faults))
