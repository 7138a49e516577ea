"""Says what a month would cost, from given figures or from the ledger."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from content import charts
from inference import forecast_assumptions, forecast_ledger, forecast_report, gpu_limits
from inference.forecast_assumptions import Assumptions
from inference.models import GpuLimit

# Options that set an assumption, named like it.
GIVEN = {
    "visitors_per_day": float,
    "questions_per_visitor": float,
    "sign_ins_per_day": float,
    "large_share": float,
    "answer_tokens": float,
    "wake_s": float,
    "usd_per_gpu_hour": float,
    "base_usd": float,
    "paying_share": float,
}


class Command(BaseCommand):
    help = "Simulate months of the large model: cost by item, GPU hours, caps that bind, what people would notice."

    def add_arguments(self, parser: CommandParser) -> None:
        hints = Assumptions.hints()
        for name, kind in GIVEN.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=hints[name].replace("%", "%%"))
        parser.add_argument("--months", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--svg", type=Path, help="write the drawing to this file")
        parser.add_argument(
            "--from-ledger", action="store_true", help="arrivals, answers and wakes of the last 30 days"
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["months"] < 1:
            raise CommandError("At least one month.")
        assumed = forecast_assumptions.from_settings()
        seen: tuple[str, ...] = ()
        if options["from_ledger"]:
            try:
                assumed = forecast_assumptions.from_ledger(assumed, now=timezone.now())
            except forecast_assumptions.TooLittleData as error:
                raise CommandError(_too_little(error)) from error
            seen = forecast_assumptions.FROM_LEDGER
        try:
            assumed = forecast_assumptions.given(assumed, **{name: options[name] for name in GIVEN})
        except ValueError as error:
            raise CommandError(str(error)) from error
        caps = forecast_ledger.in_seconds(gpu_limits.caps(GpuLimit.Scope.values), assumed.usd_per_gpu_hour)
        forecast = forecast_report.run(assumed, caps, months=options["months"], seed=options["seed"])
        found = forecast_report.summary(forecast)
        for name, fact in found["assumptions"].items():
            if options.get(name) is not None:
                fact["source"] = "given"
            elif name == "usd_per_gpu_hour" and settings.LLM_GPU_USD_PER_HOUR:
                fact["source"] = "LLM_GPU_USD_PER_HOUR"
            elif name in seen:
                fact["source"] = f"ledger, last {forecast_assumptions.LEDGER_DAYS} days"
        if options["svg"]:
            options["svg"].write_text(charts.standalone(forecast_report.drawing(forecast)), encoding="utf-8")
        self.stdout.write(json.dumps(found, indent=1) if options["json"] else "\n".join(_lines(found)))


def _too_little(error: forecast_assumptions.TooLittleData) -> str:
    return (
        f"Too little data: {error.days} days with {error.answers} large answers, {error.wakes} wakes. Needed: "
        f"{forecast_assumptions.FEWEST_DAYS} days, {forecast_assumptions.FEWEST_ANSWERS} answers, "
        f"{forecast_assumptions.FEWEST_WAKES} wakes. Give the figures instead, see --help."
    )


def _lines(found: dict[str, Any]) -> list[str]:
    """Return the forecast as a table for a terminal."""
    rows = [
        ("Cost of a month, USD", "half below", "95 % below"),
        *((f"  {item}", f"{usd['p50']:.2f}", f"{usd['p95']:.2f}") for item, usd in found["usd_by_item"].items()),
        ("  in all", f"{found['usd_p50']:.2f}", f"{found['usd_p95']:.2f}"),
        ("GPU hours", f"{found['gpu_hours_p50']:.1f}", f"{found['gpu_hours_p95']:.1f}"),
        ("Wait for a wake, s", f"{found['wait_s_p50']:.0f}", f"{found['wait_s_p95']:.0f}"),
    ]
    facts = [
        ("The dearest month, USD", f"{found['usd_max']:.2f}"),
        (f"Months at {found['usd_limit']:.0f} USD or more", _percent(found["p_above_limit"])),
        ("Months in which the GPU cap was overrun", str(found["cap_overruns"])),
        ("Months in which a cap binds", _percent(found["p_cap_binds"])),
        *((f"  {cap}", _percent(share)) for cap, share in found["p_binds_by_cap"].items()),
        ("Questions for the large model, a month", f"{found['questions_p50']:.0f}"),
        ("  that stay on the CPU", _percent(found["share_on_cpu"])),
        *((f"    {reason}", _percent(share)) for reason, share in found["share_on_cpu_by_reason"].items()),
        ("  that waited for a wake", _percent(found["share_waited"])),
        ("  answered while the budget was tight", _percent(found["share_under_tight_budget"])),
    ]
    return [
        f"{found['months']} months, seed {found['seed']}",
        "",
        *(f"{name:44}{half:>12}{most:>12}" for name, half, most in rows),
        "",
        *(f"{name:44}{value:>12}" for name, value in facts),
        "",
        "Assumptions",
        *(
            f"  {name:24}{_value(fact['value']):>10}  {fact['what']} [{fact['source']}]"
            for name, fact in found["assumptions"].items()
        ),
    ]


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _value(value: Any) -> str:
    return "24 weights" if isinstance(value, tuple) else f"{value:g}"
