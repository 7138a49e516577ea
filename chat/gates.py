"""What the first page proves: whoever asks is told that it is an AI, before the box and tied to it (AI Act, 50(1)).

The page is fetched as a visitor's browser does it, through every middleware, without script.
"""

from html.parser import HTMLParser
from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from compliance.gates import Failed, Outcome, Passed, gate

NOTICE = "ai-notice"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
CONTROLS = {"a", "button", "input", "select", "summary", "textarea"}


class Page(HTMLParser):
    """Where notice and question field stand on a page; ``feed`` it, then ask for ``problems``."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.controls_inside = 0
        self.hidden = self.described = self.notice_first = self.seen_question = False
        self._open: list[tuple[str, bool]] = []  # the elements around this place, and whether each hides its content
        self._inside = 0  # how many of them are the notice or within it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        is_notice = said.get("id") == NOTICE
        hides = "hidden" in said or said.get("aria-hidden") == "true"
        if is_notice:
            self.hidden = hides or any(hidden for _tag, hidden in self._open)
        if self._inside and tag in CONTROLS:
            self.controls_inside += 1
        if tag == "textarea" and said.get("name") == "question" and not self.seen_question:
            self.seen_question = True
            self.notice_first = bool(self.words) and not self._inside
            self.described = NOTICE in (said.get("aria-describedby") or "").split()
        if tag not in VOID:
            self._open.append((tag, hides or tag in ("template", "details", "dialog", "noscript")))
            self._inside += bool(self._inside or is_notice)

    def handle_endtag(self, tag: str) -> None:
        if any(tag == name for name, _hidden in self._open):
            while self._open:
                name, _hidden = self._open.pop()
                self._inside = max(0, self._inside - 1)
                if name == tag:
                    break

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.words += data.split()

    def problems(self) -> list[str]:
        """Return what a reader or a screen reader would miss."""
        looks = {
            "no question field": not self.seen_question,
            "no notice before the question field": not self.notice_first,
            "the notice is hidden": self.hidden,
            "the notice holds a control, so it may be dismissed": self.controls_inside > 0,
            "the question field is not described by the notice": not self.described,
        }
        return [text for text, wrong in looks.items() if wrong]


def problems_of(html: str) -> list[str]:
    """Return what is wrong with the AI notice of a page, nothing when it is as it must be."""
    page = Page()
    page.feed(html)
    return page.problems()


@gate("ai-notice", tags={"release", "ai-act"}, title="the chat says that it is an AI, before the box and tied to it")
def notice_gate() -> Outcome:
    """Fetch the chat in every language that the site promises, with script and without."""
    host = urlsplit(settings.SITE_URL)
    client = Client(SERVER_NAME=host.hostname or "localhost", raise_request_exception=False)
    paths = []
    for language in settings.COMPLETE_LANGUAGES:
        with translation.override(language):
            paths += [reverse("content:chat"), reverse("chat:live", args=[language])]
    for path in paths:
        response = client.get(path, secure=settings.HTTPS)
        if response.status_code != 200:
            return Failed(f"{path} answers {response.status_code}")
        problems = problems_of(response.content.decode())
        if problems:
            return Failed(f"{path}: {', '.join(problems)}")
    return Passed(", ".join(paths))
