"""What an author gets wrong is said in one line with file and line; what is right is not complained about."""

from pathlib import Path

import pytest

from content.library import library, pictures
from content.soundness import errors, gaps
from tests.content.conftest import Write

# The front matter takes eleven lines.
FIRST = 12


def wrong(folder: Path, language: str = "en") -> list[str]:
    found = [str(error) for error in errors(library(root=folder))]
    return [line for line in found if f"/{language}.md" in line]


def test_a_sound_post_is_not_complained_about(folder: Path, write_post: Write) -> None:
    write_post(
        "alpha", "Words {{ chat_questions }}.\n\n## One\n\n[Here](#one), [there](/blog/alpha/#one), [list](/blog/)."
    )

    assert errors(library(root=folder)) == []


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[a](/nowhere/)", 0, "link to /nowhere/: there is no such page, or it is a draft"),
        ("[a](/blog/hidden/)", 0, "link to /blog/hidden/: there is no such page, or it is a draft"),
        ("[a](/fr/blog/)", 0, "link to /fr/blog/: there is no such page, or it is a draft"),
        ("## One\n\n[a](#two)", 2, "link to #two: no heading two; there are one"),
        ("[a](http://example.org)", 0, "link to http://example.org: expected https"),
        ("[a](page.html)", 0, "link to page.html: expected a path from the root, such as /blog/"),
        ("Text\n\n<script>alert(1)</script>", 2, "<script: HTML is shown as text here, write Markdown"),
        ("{{ nobody_knows }}", 0, "{{ nobody_knows }}: no value of this name; content/values.py says how to add one"),
        ("# One", 0, "expected ## and ### headings, found #: the title is in front"),
        ("![a](missing.png)", 0, "no picture missing.png beside the text"),
        ("![a](diagram:missing)", 0, "no diagram missing in templates/diagrams"),
        ("```python manage.py\nimport oss\n```", 0, "manage.py has no line 'import oss' there"),
        (
            "```python ../../../etc/passwd\nroot\n```",
            0,
            "../../../etc/passwd has no line 'at all: there is no such file in this repository' there",
        ),
        ("Text \x01.", 0, "a control character (U+0001), which no feed can carry"),
        (
            "```python nowhere.py\nx\n```",
            0,
            "nowhere.py has no line 'at all: there is no such file in this repository' there",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, write_post: Write, text: str, line: int, problem: str) -> None:
    write_post("hidden", "Not yet.", status="draft")
    write_post("alpha", text)

    assert wrong(folder) == [f"content/posts/alpha/en.md:{FIRST + line}: {problem}"]


def test_an_excerpt_may_skip_lines_but_not_change_their_order(folder: Path, write_post: Write) -> None:
    write_post("alpha", "```python manage.py\nimport os\n...\nexecute_from_command_line(sys.argv)\n```")
    assert wrong(folder) == []

    write_post("alpha", "```python manage.py\nimport sys\nimport os\n```")
    assert "has no line 'import os' there" in wrong(folder)[0]


def test_a_picture_of_three_megabytes_is_refused(folder: Path, write_post: Write) -> None:
    (write_post("alpha", "Words.") / "large.png").write_bytes(bytes(3_000_000))

    assert [str(error) for error in errors(library(root=folder))] == [
        "content/posts/alpha/large.png:1: 3.0 MB, a picture has at most 0.3 MB"
    ]


def test_a_link_to_a_file_elsewhere_is_no_picture(folder: Path, write_post: Write, tmp_path: Path) -> None:
    secret = tmp_path / "env"
    secret.write_text("SECRET_KEY=x", encoding="utf-8")
    (write_post("alpha", "![a](p.webp)") / "p.webp").symlink_to(secret)

    assert list(pictures(folder)) == []
    assert wrong(folder) == [f"content/posts/alpha/en.md:{FIRST}: no picture p.webp beside the text"]


def test_a_text_named_as_a_picture_is_refused(folder: Path, write_post: Write) -> None:
    (write_post("alpha", "Words.") / "p.webp").write_text("SECRET_KEY=x", encoding="utf-8")

    assert [str(error) for error in errors(library(root=folder))] == ["content/posts/alpha/p.webp:1: not a picture"]


@pytest.mark.parametrize(
    ("published", "problem"),
    [
        ("2026-13-45", "published: month must be in 1..12: 2026-13-45"),
        ("!!int x", "published: invalid literal for int() with base 10: 'x': x"),
    ],
)
def test_a_date_that_no_calendar_has_names_its_line(
    folder: Path, write_post: Write, published: str, problem: str
) -> None:
    write_post("alpha", "Words.", published=published)

    assert wrong(folder) == [f"content/posts/alpha/en.md:5: {problem}"]


def test_an_alias_is_refused_before_it_can_grow(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.", title="&a [*a]")

    assert wrong(folder) == ["content/posts/alpha/en.md:2: title[0]: an alias (*) of this value: write it twice"]


def test_a_list_that_is_not_utf8_is_named(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.")
    (folder / "topics.yaml").write_bytes("privacy: {en: Privacy, fr: Vie privée}".encode("latin-1"))

    assert "content/topics.yaml:1: not UTF-8 at byte 35" in [str(each) for each in errors(library(root=folder))]


def test_what_an_editor_leaves_behind_is_not_looked_at(folder: Path, write_post: Write) -> None:
    path = write_post("alpha", "Words.")
    for name in (".en.md.swp", ".DS_Store", "en.md~"):
        (path / name).write_bytes(b"\0")

    assert errors(library(root=folder)) == []


def test_languages_must_agree_about_dates(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.")
    write_post("alpha", "Mots.", "fr", published="2026-11-20")

    assert wrong(folder, "fr") == ["content/posts/alpha/fr.md:5: published: 2026-11-20 here and 2026-11-21 in en.md"]


def test_a_wrong_date_names_its_line_and_what_was_expected(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.", published="yesterday")

    assert wrong(folder) == ["content/posts/alpha/en.md:5: published: invalid RFC3339 encoded date"]


def test_a_missing_translation_is_an_error_and_stands_in_the_table(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.", "en")

    assert wrong(folder, "fr") == ["content/posts/alpha/fr.md:1: missing: every language is needed"]
    assert gaps(library(root=folder)) == [("posts", "alpha", ["fr"])]


def test_an_unknown_topic_names_those_there_are(folder: Path, write_post: Write) -> None:
    (folder / "topics.yaml").write_text("speed: {en: Speed, fr: Vitesse}\n", encoding="utf-8")
    write_post("alpha", "Words.")

    assert wrong(folder) == ["content/posts/alpha/en.md:7: topics[0]: no topic privacy; there are speed"]


def test_a_document_cannot_take_the_address_of_another_page(folder: Path, write_post: Write) -> None:
    write_post("archive", "Words.")

    assert wrong(folder) == ["content/posts/archive/en.md:1: the address /blog/archive/ is taken by content:archive"]
