"""Documents as HTML: our elements, no foreign markup, nothing the policy forbids."""

from pathlib import Path

from lxml import html
from PIL import Image

from content.library import library
from content.rendering import render
from tests.content.conftest import Write

TEXT = """Intro with a note.[^1]

## First heading

| Name | Figure |
|---|---:|
| one | 1 |

```python manage.py
import os
```

> A callout.

## Deux

[a post](/blog/alpha/#deux) [the list](/blog/) [facts](/api/facts) [out](https://example.org/?a=1&b=2)

![What is seen](seen.png "The caption")

[^1]: The note.
"""


def rendered(folder: Path, write_post: Write, text: str = TEXT, language: str = "fr") -> str:
    Image.new("RGB", (30, 20)).save(write_post("alpha", text) / "seen.png")
    found = library(root=folder)
    document = found.find("posts", "alpha", language)
    assert document
    return render(found, document).html


def test_headings_carry_anchors_and_make_the_contents(folder: Path, write_post: Write) -> None:
    rendered(folder, write_post)
    found = library(root=folder)
    contents = render(found, found.find("posts", "alpha", "en")).contents  # type: ignore[arg-type]

    assert [(each.anchor, each.text) for each in contents] == [("first-heading", "First heading"), ("deux", "Deux")]


def test_links_follow_the_readers_language(folder: Path, write_post: Write) -> None:
    tree = html.fromstring(f"<div>{rendered(folder, write_post)}</div>")
    hrefs = [link.get("href") for link in tree.iter("a")]

    assert "/fr/blog/alpha/#deux" in hrefs and "/fr/blog/" in hrefs
    assert "/api/facts" in hrefs and "https://example.org/?a=1&b=2" in hrefs


def test_figures_have_a_size_and_a_caption(folder: Path, write_post: Write) -> None:
    tree = html.fromstring(f"<div>{rendered(folder, write_post)}</div>")
    picture = tree.find(".//figure[@class='figure']/img")

    assert picture is not None
    assert (picture.get("width"), picture.get("height"), picture.get("alt")) == ("30", "20", "What is seen")
    assert tree.findtext(".//figure[@class='figure']/figcaption") == "The caption"


def test_tables_code_and_notes_need_no_style_and_no_script(folder: Path, write_post: Write) -> None:
    text = rendered(folder, write_post)

    assert "style=" not in text and "<script" not in text
    assert '<td class="number">1</td>' in text
    assert '<figcaption>manage.py</figcaption><pre class="code" tabindex="0"><code><span class="kn">import' in text
    assert 'href="#fn1" id="fnref1"' in text and '<li id="fn1">' in text


def test_an_excerpt_stands_at_the_margin_however_deep_it_stands_in_its_file(folder: Path, write_post: Write) -> None:
    text = rendered(folder, write_post, "```python manage.py\n    environment.require_stack(sys.argv)\n```")

    assert "<code><span" in text


def test_html_and_strange_links_of_an_author_stay_text(folder: Path, write_post: Write) -> None:
    text = rendered(folder, write_post, '<img src=x onerror=alert(1)> [x](javascript:alert(1)) [y](/a"onclick="b)')

    assert "<img" not in text and "javascript:" not in text.replace("(javascript:", "") and 'onclick="' not in text


def test_what_is_missing_in_a_text_does_not_take_its_page_away(folder: Path, write_post: Write) -> None:
    text = rendered(folder, write_post, "{{ nobody_knows }}\n\n![a drawing](diagram:none)\n\n![a view](none.png)")

    assert "nobody_knows" in text and "<em>a drawing</em>" in text and "<em>a view</em>" in text


def test_what_nobody_filled_in_is_marked(folder: Path, write_post: Write, settings) -> None:  # type: ignore[no-untyped-def]
    settings.IMPRINT_NAME = ""
    assert '<mark class="missing">' in rendered(folder, write_post, "By {{ operator_name }}.")

    settings.IMPRINT_NAME = "A <b> & C"
    assert "By A &lt;b&gt; &amp; C." in rendered(folder, write_post, "By {{ operator_name }}, now.").replace(
        ", now", ""
    )
