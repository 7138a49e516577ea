"""What a release proves while it is up: its health, three rounds with its chat, and its pages on request.

Asked over HTTP at ``SITE_URL`` and ``CHAT_URL``. Where nobody listens the checks were not run, and that blocks.
"""

import httpx
from django.conf import settings

from chat.rounds import NoServer, rounds
from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from content.site import public_pages
from siteproject import page_audit

ANSWER_S = 10.0
MOST_NAMED = 5


def client_at(url: str) -> httpx.Client:
    """Return a client for one site: no proxy of the environment, no redirect followed."""
    return httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False)


@gate("health", tags={"release"}, title="the site answers that it is well")
def health_gate() -> Outcome:
    return health_outcome(settings.SITE_URL)


@gate("chat-rounds", tags={"release"}, title="three questions to the chat end with done, receipt and seal")
def chat_rounds_gate() -> Outcome:
    return rounds_outcome(settings.CHAT_URL or settings.SITE_URL)


@gate("page-audit", tags={"release"}, title="every public page is whole and safe", optional=True)
def page_audit_gate() -> Outcome:
    return pages_outcome(settings.SITE_URL)


def health_outcome(url: str) -> Outcome:
    """Ask ``/health``, which says that and nothing else."""
    try:
        with client_at(url) as client:
            response = client.get("/health")
    except httpx.HTTPError as error:
        return NotRun(f"no server answers at SITE_URL ({type(error).__name__})")
    if response.status_code != 200 or response.text.replace(" ", "") != '{"status":"ok"}':
        return Failed(f"status {response.status_code}, and not just that it is well")
    return Passed(f"{response.elapsed.total_seconds() * 1000:.0f} ms")


def rounds_outcome(url: str) -> Outcome:
    """Have the rounds of ``chat.rounds``."""
    try:
        with client_at(url) as client:
            found = rounds(client)
    except NoServer:
        return NotRun("no server answers at CHAT_URL")
    wrong = [f"{each.name}: {each.problem}" for each in found if each.problem]
    return Failed("; ".join(wrong)) if wrong else Passed(", ".join(f"{each.name} {each.rung}" for each in found))


def pages_outcome(url: str) -> Outcome:
    """Fetch every public page and say what is wrong with the first few."""
    pages = public_pages()
    try:
        with client_at(url) as client:
            wrong = [
                f"{page.path}: {problem}"
                for page in pages
                for problem in page_audit.problems(client.get(page.path), language=page.language)
            ]
    except httpx.HTTPError as error:
        return NotRun(f"no server answers at SITE_URL ({type(error).__name__})")
    if wrong:
        return Failed(f"{len(wrong)} problems: {'; '.join(wrong[:MOST_NAMED])}")
    return Passed(f"{len(pages)} pages")
