"""The code that the documentation of a running site prints, as a customer would copy it."""

import re
from dataclasses import dataclass
from pathlib import Path

import httpx
import lxml.html

SOURCE = Path(__file__).parents[2] / "content/pages/api-docs"
FENCE = re.compile(r"^```(\w+)\n.*?^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code: bash, python or typescript."""

    language: str
    code: str


def blocks(site_url: str, language: str = "en") -> list[Block]:
    """Return the blocks of a site's documentation in the order of the page, with the site's own address in them.

    The languages are the Markdown's, the code is what the page shows.
    """
    path = "/api-docs/" if language == "en" else f"/{language}/api-docs/"
    page = lxml.html.fromstring(httpx.get(f"{site_url}{path}").raise_for_status().text)
    shown = [str(found.text_content()) for found in page.xpath('//pre[@class="code"]')]
    named = FENCE.findall((SOURCE / f"{language}.md").read_text(encoding="utf-8"))
    return [Block(*pair) for pair in zip(named, shown, strict=True)]


def program(found: list[Block], language: str, *, models: set[str]) -> str:
    """Return all blocks of a language as one program, without those about a model that the site does not have."""
    missing = {"wagmi-small", "wagmi-large", "wagmi-embed"} - models
    return "\n".join(
        block.code
        for block in found
        if block.language == language and not any(f'"{model}"' in block.code for model in missing)
    )
