"""What is read once stays read; what changes is seen; what is being edited does not take the site down."""

from pathlib import Path

from content import library as module
from content.bodies import MAX_PASSAGE_TOKENS, estimated_tokens
from content.library import cache_file, library
from content.passages import passages
from tests.content.conftest import Write


def test_a_long_section_becomes_passages_that_land_on_its_heading(folder: Path, write_post: Write) -> None:
    paragraph = "This sentence is one of many that fill a paragraph with words. " * 8
    write_post("alpha", f"Intro.\n\n## Long\n\n{paragraph}\n\n{paragraph}\n\n{paragraph * 3}")

    found = passages("en", root=folder)

    assert [passage.id for passage in found][:3] == ["posts/alpha#", "posts/alpha#long", "posts/alpha#long~2"]
    assert {passage.url for passage in found} == {"/blog/alpha/", "/blog/alpha/#long"}
    assert all(estimated_tokens(passage.text, "en") <= MAX_PASSAGE_TOKENS for passage in found)
    assert " ".join(passage.text for passage in found[1:]) == " ".join((paragraph * 5).split())


def test_tables_code_figures_and_notes_are_no_passages(folder: Path, write_post: Write) -> None:
    text = "Words.[^1]\n\n| a |\n|---|\n| cell |\n\n```\ncode\n```\n\n![alt](diagram:x)\n\n[^1]: A note."
    write_post("alpha", text)

    assert [passage.text for passage in passages("en", root=folder)] == ["Words."]


def test_values_are_quoted_as_readers_write_them(folder: Path, write_post: Write, settings) -> None:  # type: ignore[no-untyped-def]
    settings.MACHINE_USD_PER_MONTH = 1234.5
    write_post("alpha", "It costs {{ machine_usd_per_month }} USD and belongs to {{ operator_name }}.")

    assert passages("en", root=folder)[0].text == "It costs 1,234.5 USD and belongs to not filled in."
    assert passages("fr", root=folder)[0].text.startswith("It costs 1\xa0234,5 USD")


def test_a_draft_is_nowhere_and_a_new_post_is_seen(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.")
    write_post("beta", "Secret.", status="draft")
    assert [each.slug for each in library(root=folder).published("posts", "en")] == ["alpha"]
    assert [passage.text for passage in passages("en", root=folder)] == ["Words."]

    write_post("beta", "No secret.")
    assert [passage.text for passage in passages("en", root=folder)] == ["Words.", "No secret."]


def test_a_file_that_is_being_edited_keeps_its_last_sound_text(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.")
    assert library(root=folder).errors == ()

    write_post("alpha", "Words.", "en", published="soon")

    found = library(root=folder)
    assert len(found.errors) == 1
    assert found.find("posts", "alpha", "en") is not None
    assert [passage.text for passage in passages("en", root=folder)] == ["Words."]


def test_a_folder_that_is_being_replaced_does_not_empty_the_site(folder: Path, write_post: Write) -> None:
    write_post("alpha", "Words.")
    assert len(library(root=folder).documents) == 2

    folder.rename(folder.with_name("away"))

    assert len(library(root=folder).documents) == 2


def test_a_second_process_reads_what_the_first_has_parsed(folder: Path, write_post: Write, settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.CACHE_DIR = tmp_path / "cache"
    write_post("alpha", "Words.")
    library(root=folder).read_bodies()
    assert cache_file(folder).is_file()

    module._shelves.clear()  # what a new process begins with
    assert library(root=folder).unread() == 0

    module._shelves.clear()
    write_post("alpha", "Other words.", "en")
    assert library(root=folder).unread() == 1

    cache_file(folder).write_bytes(b"torn")
    module._shelves.clear()
    assert library(root=folder).unread() == 2
