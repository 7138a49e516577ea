"""Charts: sound SVG without a style of its own, foreign words escaped, every figure in the table."""

import re
from xml.etree import ElementTree

import pytest
from django.conf import settings
from django.utils.translation import override

from content import charts

DAYS = ["1", "2", "3"]
SVG = "{http://www.w3.org/2000/svg}"


def one_bar_each(**changes: object) -> str:
    given = {"name": "gpu", "title": "GPU seconds", "column": "seconds", "unit": "s"} | changes
    return charts.bars(DAYS, [120, 0, 61.5], **given)  # type: ignore[arg-type]


def stacked(count: int = 3) -> str:
    series = {f"rung {number}": [number, 2.0 * number, 0] for number in range(1, count + 1)}
    return charts.stacked_bars(DAYS, series, name="rungs", title="Answers")


def band(**changes: object) -> str:
    given = {"name": "cost", "title": "Cost", "columns": ("p5", "p50", "p95"), "unit": "USD", "decimals": 2} | changes
    return charts.quantile_band(DAYS, [1, 2, 3], [2, 3.25, 4], [3, 5, 99.5], **given)  # type: ignore[arg-type]


def cells(chart: str) -> list[str]:
    return [cell.text or "" for cell in ElementTree.fromstring(chart).findall(".//tbody//td")]


@pytest.mark.parametrize("chart", [one_bar_each(limit=200), stacked(), stacked(5), band(limit=100)])
def test_a_chart_is_well_formed_and_brings_no_look_of_its_own(chart: str) -> None:
    figure = ElementTree.fromstring(chart)

    attributes = {name for element in figure.iter() for name in element.attrib}
    assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
    assert not list(figure.iter("style")) and not list(figure.iter("script"))


@pytest.mark.parametrize("chart", [one_bar_each(), stacked(), band()])
def test_a_chart_is_an_image_with_a_title_and_a_sentence(chart: str) -> None:
    svg = next(ElementTree.fromstring(chart).iter("svg"))

    named = [element for element in svg if element.get("id") in svg.attrib["aria-labelledby"].split()]
    assert svg.get("role") == "img"
    assert [element.tag for element in named] == ["title", "desc"]
    assert all(element.text for element in named)


def test_the_table_holds_every_figure() -> None:
    assert cells(one_bar_each(decimals=1)) == ["120.0", "0.0", "61.5"]
    assert cells(stacked(2)) == ["1", "2", "3", "2", "4", "6", "0", "0", "0"]
    assert cells(band()) == ["1.00", "2.00", "3.00", "2.00", "3.25", "5.00", "3.00", "4.00", "99.50"]


def test_words_that_are_not_ours_are_escaped() -> None:
    chart = charts.stacked_bars(
        ["<b>"], {"<i>": [1], "\"'&": [2]}, name="odd", title="<script>alert(1)</script>", unit="<u>"
    )

    assert not re.search(r"<(b|i|u|script)\b", chart)
    ElementTree.fromstring(chart)


def test_bars_are_as_tall_as_their_values() -> None:
    tall = [float(bar.attrib["height"]) for bar in ElementTree.fromstring(one_bar_each()).iter("rect")]

    assert len(tall) == 2  # nothing is drawn for nothing
    assert tall[0] / tall[1] == pytest.approx(120 / 61.5, abs=0.01)


def test_stacked_series_stand_on_one_another_and_are_named_in_a_legend() -> None:
    rects = [rect.attrib for rect in ElementTree.fromstring(stacked(2)).iter("rect")]
    first, second = rects[0], rects[1]

    assert float(second["y"]) + float(second["height"]) == pytest.approx(float(first["y"]), abs=0.11)
    assert "rung 1</text>" in stacked(2) and "rung 2</text>" in stacked(2)


def test_a_chart_speaks_the_readers_language_but_its_coordinates_do_not() -> None:
    with override("fr"):
        chart = one_bar_each(decimals=1)

    assert cells(chart) == ["120,0", "0,0", "61,5"]
    ElementTree.fromstring(chart)
    assert not re.search(r' (x|y|width|height)="[^"]*,', chart)


def test_a_chart_of_nothing_says_so() -> None:
    assert "<svg" not in charts.bars([], [], name="empty", title="GPU seconds", column="s")
    ElementTree.fromstring(charts.bars(DAYS, [0, 0, 0], name="zero", title="GPU seconds", column="s"))


def test_more_series_than_fills_are_refused() -> None:
    with pytest.raises(ValueError, match="told apart"):
        stacked(6)


def test_a_drawing_can_stand_alone_as_a_file() -> None:
    file = ElementTree.fromstring(charts.standalone(band()))

    assert file.tag == f"{SVG}svg"
    assert "--paper" in (file.findtext(f"{SVG}style") or "")


def test_every_class_of_a_chart_is_in_the_sheet() -> None:
    sheet = (settings.BASE_DIR / "static" / "css" / "chart.css").read_text()
    everything = "".join(
        [one_bar_each(limit=1), stacked(5), band(), charts.bars([], [], name="e", title="", column="")]
    )

    names = {name for found in re.findall(r'class="([^"]+)"', everything) for name in found.split()}
    plain = {"c-series-2", "c-series-4"}  # filled by their pattern
    assert {name for name in names - plain if f".{name}" not in sheet} == set()
