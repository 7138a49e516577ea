"""Energy and cost: modelled, in a range, and adding up."""

import os

import pytest

from inference.energy import METHOD, Effort, Meter, process_cpu_s


def test_the_range_is_ordered_and_follows_the_method() -> None:
    energy = Effort(10.0, METHOD).energy_j

    assert energy == {"low": 24.0, "mid": 48.0, "high": 120.0}


def test_cost_is_the_share_of_the_machine(settings) -> None:  # type: ignore[no-untyped-def]
    settings.MACHINE_USD_PER_MONTH = 50.0
    whole_month = (os.cpu_count() or 1) * 730 * 3600.0

    assert Effort(whole_month, METHOD).cost_usd == pytest.approx(50.0)


def test_cpu_time_of_a_process_is_read_and_a_gone_one_is_none() -> None:
    assert (process_cpu_s(os.getpid()) or 0) > 0
    assert process_cpu_s(2**22 + 1) is None


def test_two_answers_at_once_share_what_the_process_used(tmp_path) -> None:  # type: ignore[no-untyped-def]
    pid_file = tmp_path / "pid"
    pid_file.write_text(str(os.getpid()))
    meter = Meter(str(pid_file))
    before = process_cpu_s(os.getpid()) or 0

    meter.begin(1)
    burn(0.15)
    meter.begin(2)
    burn(0.15)
    second = meter.end(2)
    first = meter.end(1)
    after = process_cpu_s(os.getpid()) or 0

    assert first is not None and second is not None and first > second > 0
    assert first + second == pytest.approx(after - before, abs=0.06)


def test_without_a_process_the_meter_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    meter = Meter(str(tmp_path / "none"))
    meter.begin(1)

    assert meter.end(1) is None


def burn(seconds: float) -> None:
    start = sum(os.times()[:2])
    while sum(os.times()[:2]) - start < seconds:
        sum(range(1000))
