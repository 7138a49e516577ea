"""What the content folder proves for a release."""

from compliance.gates import Failed, Outcome, Passed, gate
from content.library import library
from content.soundness import errors


@gate("content-sound", tags={"release"}, title="pages, posts and knowledge are sound")
def content_gate() -> Outcome:
    """Read every document: links, pictures, dates, translations, quoted code."""
    found = library()
    wrong = errors(found)
    if wrong:
        return Failed(f"{len(wrong)} problems, the first: {wrong[0]}")
    return Passed(f"{len(found.documents)} documents")
