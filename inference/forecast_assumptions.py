"""What a forecast assumes, each figure with its source: the mission, a setting, the ledger, or ourselves."""

import math
import statistics
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Sum

from inference.errors import InferenceError
from inference.models import AnswerTally, Rung, Wake

OURS = "our assumption"
LEDGER_DAYS = 30
FEWEST_DAYS, FEWEST_WAKES, FEWEST_ANSWERS = 7, 5, 20
SIGN_IN_SHARE = 0.06  # of visitors, where only their number is given; our assumption
USD_PER_GPU_HOUR = 1.10  # for a card that holds 14B weights in 8 bits; our assumption, no quotation of any provider
# How the questions of a day spread over its hours (UTC): few at night, most in office hours and the evening.
HOURS = (1, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 7, 6, 7, 8, 8, 7, 6, 6, 7, 7, 5, 3, 2)


class TooLittleData(InferenceError):
    """The ledger does not say enough for a forecast."""

    def __init__(self, *, days: int, answers: int, wakes: int) -> None:
        super().__init__(days, answers, wakes)
        self.days, self.answers, self.wakes = days, answers, wakes


def _assumed(value: Any, source: str = OURS, *, hint: str) -> Any:
    return field(default=value, metadata={"source": source, "hint": hint})


@dataclass(frozen=True, slots=True)
class Assumptions:
    """All that a simulated month depends on besides its random numbers."""

    visitors_per_day: float = _assumed(100.0, hint="people who open the site in a day")
    questions_per_visitor: float = _assumed(3.0, hint="questions of one person in one visit, mean of a geometric law")
    sign_ins_per_day: float = _assumed(6.0, hint="visits of signed-in people in a day")
    paying_share: float = _assumed(0.0, hint="share of those visits by paying customers")
    people: int = _assumed(60, hint="different people who sign in, for the cap of each person")
    large_share: float = _assumed(0.6, hint="share of their questions that want the large model (not verified, known)")
    question_gap_s: float = _assumed(60.0, hint="mean pause between two questions of one visit")
    answer_tokens: float = _assumed(350.0, hint="mean length of a large answer")
    tokens_per_s: float = _assumed(30.0, hint="speed of the large model in one answer")
    slots: int = _assumed(2, "LLM_GPU_SLOTS", hint="answers the large model writes at once")
    queue_s: float = _assumed(60.0, hint="longest wait for a slot; beyond it the small answer stands")
    wake_s: float = _assumed(90.0, hint="median cold start, log-normal")
    wake_spread: float = _assumed(0.4, hint="standard deviation of the logarithm of the cold start")
    wake_failures: float = _assumed(0.02, hint="share of wakes that fail and are billed to the time limit")
    sleep_s: float = _assumed(15.0, hint="from the sleep call to the end of the bill")
    cool_down_s: float = _assumed(60.0, "LLM_GPU_COOL_DOWN_S", hint="no new wake after a failed one")
    base_usd: float = _assumed(
        50.0, "MACHINE_USD_PER_MONTH; mission A22: 45 to 55", hint="machine that is always on, a month"
    )
    base_spread: float = _assumed(0.1, "mission A22: 45 to 55 is 50 ± 10 %", hint="half width of the base's range")
    usd_per_gpu_hour: float = _assumed(USD_PER_GPU_HOUR, hint="price of the GPU, billed by the second while awake")
    usd_per_1000_mails: float = _assumed(1.0, hint="mail; one code for each sign-in")
    usd_per_gb_month: float = _assumed(0.1, hint="storage; questions and answers of seven days")
    kb_per_answer: float = _assumed(8.0, hint="question, answer and receipt as stored, with indexes")
    limit_usd: float = _assumed(100.0, "mission A22: under 100 USD in all", hint="what a month may cost in all")
    wake_limit_s: int = _assumed(300, "LLM_GPU_WAKE_TIMEOUT_S", hint="longest wake")
    answer_limit_s: int = _assumed(120, "LLM_GPU_ANSWER_MAX_S", hint="longest answer")
    idle_s: int = _assumed(120, "LLM_GPU_IDLE_S", hint="asleep after so long without an answer")
    switch_s: int = _assumed(60, "LLM_GPU_SWITCH_S", hint="the dead man's switch")
    granule_s: int = _assumed(1, "LLM_GPU_GRANULE_S; mission A22: billed by the second", hint="granule of the bill")
    max_tokens: int = _assumed(1024, "CHAT_MAX_TOKENS_LARGE", hint="cap on an answer")
    retention_days: int = _assumed(7, "RETENTION_DAYS", hint="stored that long")
    hours: tuple[float, ...] = _assumed(HOURS, hint="weight of each hour of the day, UTC")

    def __post_init__(self) -> None:
        """Refuse with ValueError what no month can have."""
        for name in ("large_share", "paying_share", "wake_failures", "base_spread"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1")
        for name in ("questions_per_visitor", "question_gap_s", "answer_tokens", "tokens_per_s", "wake_s", "slots"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is above 0")
        for name in ("visitors_per_day", "sign_ins_per_day", "base_usd", "usd_per_gpu_hour"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not below 0")

    @property
    def answer_limits_s(self) -> int:
        """What must be covered when an answer begins."""
        return self.answer_limit_s + self.idle_s + self.switch_s + self.granule_s

    @property
    def hard_limit_s(self) -> int:
        """What must be covered before a wake."""
        return self.wake_limit_s + self.answer_limits_s

    @classmethod
    def sources(cls) -> dict[str, str]:
        return {each.name: each.metadata["source"] for each in fields(cls)}

    @classmethod
    def hints(cls) -> dict[str, str]:
        return {each.name: each.metadata["hint"] for each in fields(cls)}


def from_settings() -> Assumptions:
    """Return the assumptions with what this machine's settings say."""
    return Assumptions(
        base_usd=settings.MACHINE_USD_PER_MONTH,
        # 0 is the stand-in on our own CPU; a forecast is about a GPU that is paid for.
        usd_per_gpu_hour=settings.LLM_GPU_USD_PER_HOUR or USD_PER_GPU_HOUR,
        slots=settings.LLM_GPU["slots"],
        wake_limit_s=math.ceil(settings.LLM_GPU_WAKE_TIMEOUT_S),
        answer_limit_s=math.ceil(settings.LLM_GPU_ANSWER_MAX_S),
        idle_s=math.ceil(settings.LLM_GPU_IDLE_S),
        switch_s=math.ceil(settings.LLM_GPU_SWITCH_S),
        granule_s=max(1, math.ceil(settings.LLM_GPU_GRANULE_S)),
        cool_down_s=settings.LLM_GPU_COOL_DOWN_S,
        max_tokens=settings.CHAT_MAX_TOKENS["large"],
        retention_days=settings.RETENTION_DAYS,
    )


def given(assumed: Assumptions, **changes: Any) -> Assumptions:
    """Return ``assumed`` with what somebody gave (None: not given). Visitors alone bring their share of sign-ins."""
    chosen = {name: value for name, value in changes.items() if value is not None}
    if "visitors_per_day" in chosen and "sign_ins_per_day" not in chosen:
        chosen["sign_ins_per_day"] = chosen["visitors_per_day"] * SIGN_IN_SHARE
    return replace(assumed, **chosen)


def from_ledger(assumed: Assumptions, *, now: datetime) -> Assumptions:
    """Return ``assumed`` with what the last 30 days say of arrivals, hours, answers and wakes.

    Raises TooLittleData below a week with answers of the large model, 20 such answers and 5 wakes. Only answers that
    were given are in the tally: questions that a spent budget turned away are not seen, so demand is at least this.
    """
    since = now - timedelta(days=LEDGER_DAYS)
    large = AnswerTally.objects.filter(day__gte=since.date(), rung=Rung.LARGE, answers__gt=0)
    found = large.aggregate(answers=Sum("answers"), tokens=Sum("completion_tokens"), ms=Sum("duration_ms"))
    days = large.values("day").distinct().count()
    answers = found["answers"] or 0
    wakes = Wake.objects.filter(requested_at__gte=since).exclude(state__in=Wake.OPEN)
    if days < FEWEST_DAYS or answers < FEWEST_ANSWERS or len(wakes) < FEWEST_WAKES:
        raise TooLittleData(days=days, answers=answers, wakes=len(wakes))
    started = [(wake.ready_at - wake.requested_at).total_seconds() for wake in wakes if wake.ready_at]
    # The days counted run from the first one with an answer, or a young site would look calmer than it is.
    span = max(1, (now.date() - large.order_by("day").values_list("day", flat=True)[0]).days)
    asked = answers / span
    timed = bool(found["tokens"] and found["ms"])
    by_hour = [1.0] * 24  # one wake of grace for each hour: thirty days do not prove that nobody asks at four
    for wake in wakes:
        by_hour[wake.requested_at.hour] += 1
    return replace(
        assumed,
        sign_ins_per_day=asked / (assumed.questions_per_visitor * assumed.large_share),
        hours=tuple(by_hour),
        answer_tokens=found["tokens"] / answers if timed else assumed.answer_tokens,
        tokens_per_s=found["tokens"] / (found["ms"] / 1000) if timed else assumed.tokens_per_s,
        wake_s=statistics.median(started) if started else assumed.wake_s,
        wake_failures=sum(wake.state == Wake.State.FAILED for wake in wakes) / len(wakes),
    )


FROM_LEDGER = ("sign_ins_per_day", "hours", "answer_tokens", "tokens_per_s", "wake_s", "wake_failures")
