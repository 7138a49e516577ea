"""The tree holds only what the page may build, whatever the text tries."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from chat.tree import MAX_CHARACTERS, MAX_DEPTH, tree

TAGS = {"p", "ul", "ol", "li", "strong", "em", "code", "pre", "a", "br", "blockquote"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Plain words.", [["p", {}, "Plain words."]]),
        ("One\n\nTwo", [["p", {}, "One"], ["p", {}, "Two"]]),
        ("One\nTwo", [["p", {}, "One", "\n", "Two"]]),
        ("One  \nTwo", [["p", {}, "One", ["br", {}], "Two"]]),
        ("A **strong** and *soft* `code`",
         [["p", {}, "A ", ["strong", {}, "strong"], " and ", ["em", {}, "soft"], " ", ["code", {}, "code"]]]),
        ("- a\n- b", [["ul", {}, ["li", {}, ["p", {}, "a"]], ["li", {}, ["p", {}, "b"]]]]),
        ("1. a", [["ol", {}, ["li", {}, ["p", {}, "a"]]]]),
        ("> said", [["blockquote", {}, ["p", {}, "said"]]]),
        ("```python\nx = 1\n```", [["pre", {}, ["code", {}, "x = 1\n"]]]),
        ("## Heading", [["p", {}, ["strong", {}, "Heading"]]]),
        ("[here](/knowledge/x/#y)", [["p", {}, ["a", {"href": "/knowledge/x/#y"}, "here"]]]),
        ("[own](https://wagmi.test/a)", [["p", {}, ["a", {"href": "https://wagmi.test/a"}, "own"]]]),
        ("[away](https://example.org/a)",
         [["p", {}, ["a", {"href": "https://example.org/a", "rel": "noopener nofollow"}, "away"], " (example.org)"]]),
        ("![a cat](https://example.org/cat.png)", [["p", {}, "a cat"]]),
        ("<b>bold</b>", [["p", {}, "<b>bold</b>"]]),
        ("&lt;b&gt; &amp;", [["p", {}, "<b> &"]]),
        ("Fish & chips", [["p", {}, "Fish & chips"]]),
    ],
)  # fmt: skip
@override_settings(SITE_URL="https://wagmi.test")
def test_markdown_becomes_nodes(text: str, expected: list[Any]) -> None:
    assert joined(tree(text)) == expected


HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>",
    "<a href='javascript:1'>x</a>",
    "<iframe src=//evil.example></iframe>", "<!-- comment -->", "<![CDATA[x]]>", "<?php x ?>", "<style>*{}</style>",
    "<math><mi xlink:href='javascript:1'></math>", "<form action=//evil.example><input>", "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0>", "</p></div><script>", "<scr<script>ipt>", "<div hx-get=/x x-data=y>z</div>",
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))", "[x](javascript&#58;alert(1))", "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:image/png;base64,AAAA)", "[x](vbscript:msgbox)", "[x](file:///etc/passwd)", "[x](ftp://example.org/)",
    "[x](mailto:a@example.org)", "[x](tel:+1)", "[x](blob:https://wagmi.test/1)", "[x](//evil.example/x)",
    "[x](/\\evil.example)", "[x](\\\\evil.example)", "[x](/\t/evil.example)", "[x](https:evil.example)",
    "[x](https:///x)",
    "[x](https://wagmi.test@evil.example/)", "[x](https://user:pass@wagmi.test/)", "[x](http://[::1)",
    "[x](http://a:b/)",
    "[x](https://wagmi.test:99999/)", "[x](<https://evil.example/ space>)", "[x]( javascript:1 )",
    "[x](%6Aavascript:1)",
    "[x](ws://evil.example)", "[x](relative/path)", "[x](?query)", "[x](https://wagmi.test.evil.example/)",
    "[https://wagmi.test](https://evil.example)", "[x](https://\u0430pple.example/)",
    "[x](https://evil.example\u3002com)",
    "<javascript:alert(1)>", "<https://evil.example/a>", "<a@example.org>", "[x][y]\n\n[y]: javascript:alert(1)",
    "![x](javascript:alert(1))", "![<b>](x)", "[![x](https://evil.example/p.png)](javascript:1)",
    "![track](https://evil.example/?q=secret)", "```html\n<script>alert(1)</script>\n```", "`<script>`",
    "    <script>indented</script>", "safe\u202egnp.exe", "a\u200bb\ufeffc\u2066d\u2069",
    "bell\x07 nul\x00 esc\x1b[31m",
    "\ud800 lone", "\U000e0041\U000e0042 tags", "[\u202etxet](https://evil.example)", "# <script>", "> <script>",
    "- <img src=x>\n- [x](javascript:1)", "***\n---\n___", "| a | b |\n|---|---|\n| <b> | x |", "$$<script>$$",
    "{{ 7*7 }} ${7*7} <%= 7 %>", "__proto__ constructor", "[a](/x 'title\" onclick=alert(1)')",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@override_settings(SITE_URL="https://wagmi.test")
def test_nothing_hostile_becomes_more_than_text(text: str) -> None:
    for node in nodes(tree(text)):
        if isinstance(node, str):
            assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in node)
            assert not any(letter in node for letter in "\u202e\u2066\u200b\ufeff\U000e0041\x7f\ud800")
            continue
        tag, attributes = node[0], node[1]
        assert tag in TAGS
        assert set(attributes) <= ({"href", "rel"} if tag == "a" else set())
        if tag == "a":
            href = attributes["href"]
            own = href.startswith(("/", "#", "https://wagmi.test/")) and not href.startswith(("//", "/\\"))
            assert own or (href.startswith(("https://", "http://")) and attributes["rel"] == "noopener nofollow")
            assert "@" not in href.partition("//")[2].partition("/")[0]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b>x</b>"])
def test_raw_html_stays_visible_as_text(text: str) -> None:
    assert "".join(node for node in nodes(tree(text)) if isinstance(node, str)) == text


@override_settings(SITE_URL="https://wagmi.test")
def test_a_link_that_pretends_to_be_ours_shows_where_it_leads() -> None:
    words = "".join(node for node in nodes(tree("[https://wagmi.test](https://evil.example)")) if isinstance(node, str))

    assert words == "https://wagmi.test (evil.example)"


@override_settings(SITE_URL="https://wagmi.test")
def test_a_host_in_foreign_letters_is_shown_as_the_network_sees_it() -> None:
    words = "".join(node for node in nodes(tree("[x](https://\u0430pple.example/)")) if isinstance(node, str))

    assert words == "x (xn--pple-43d.example)"


@pytest.mark.parametrize(
    "text",
    ["> " * 500 + "deep", "- " * 300 + "deep", "*" * 10_000, "[" * 10_000, "[x](" * 3_000, "`" * 9_999, "![" * 5_000,
     "**a *b " * 2_000, "a\n" * 10_000, "1. x\n" * 4_000, "x" * 100_000, "&" * 20_000, "<" * 20_000, "\\" * 20_000],
)  # fmt: skip
def test_size_depth_and_time_are_bounded(text: str) -> None:
    started = time.perf_counter()
    found = tree(text)

    assert time.perf_counter() - started < 3
    assert depth(found) <= MAX_DEPTH
    assert sum(1 for _ in nodes(found)) <= 2_001
    assert sum(len(node) for node in nodes(found) if isinstance(node, str)) <= MAX_CHARACTERS


def nodes(found: list[Any]) -> Iterator[Any]:
    for node in found:
        yield node
        if isinstance(node, list):
            yield from nodes(node[2:])


def depth(found: list[Any]) -> int:
    return max((1 + depth(node[2:]) for node in found if isinstance(node, list)), default=0)


def joined(found: list[Any]) -> list[Any]:
    """Return the nodes with neighbouring strings put together, except line breaks."""
    result: list[Any] = []
    for node in found:
        if isinstance(node, list):
            result.append([node[0], node[1], *joined(node[2:])])
        elif result and isinstance(result[-1], str) and "\n" not in (node, result[-1]):
            result[-1] += node
        else:
            result.append(node)
    return result
