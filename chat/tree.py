"""Turns an answer's Markdown into a small tree of allow-listed nodes, so that the page never parses HTML.

A node is a string or ``[tag, attributes, *children]``. Tags are those of ``_TAGS``; the only attributes are ``href``
and ``rel`` on ``a``. Pictures become their alt text, raw HTML stays visible as text.
"""

import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

Node = str | list[Any]

_TAGS = frozenset({"p", "ul", "ol", "li", "strong", "em", "code", "pre", "a", "br", "blockquote"})

# Far above any answer; what is over a bound is shown as plain text, so nothing a model wrote is lost unseen.
MAX_CHARACTERS = 20_000
MAX_NODES = 2_000
MAX_DEPTH = 16

_markdown = MarkdownIt("commonmark", {"html": False}).disable(["html_block", "html_inline", "hr", "reference"])


def tree(text: str) -> list[Node]:
    """Return ``text`` (Markdown) as a list of nodes; characters beyond MAX_CHARACTERS are cut off with an ellipsis."""
    clean = visible(text)
    if len(clean) > MAX_CHARACTERS:
        clean = clean[: MAX_CHARACTERS - 1] + "…"
    root: list[Node] = _build(_markdown.parse(clean))
    if _depth(root) > MAX_DEPTH or _count(root) > MAX_NODES:
        return [["p", {}, clean]]
    return root


def visible(text: str) -> str:
    """Return ``text`` without control and direction characters, which can make it read as something it is not."""
    # Cc: control. Cf: invisible, among them the bidi marks; joiners are kept only where scripts and emoji need them.
    return "".join(letter for letter in text if letter in "\n\t\u200c\u200d" or not _hidden(letter))


def _hidden(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cf", "Cs")


def _build(tokens: list[Token]) -> list[Node]:
    """Return the nodes of a flat token list; opening and closing tokens become nesting."""
    root: list[Node] = []
    stack: list[list[Any]] = [root]
    for token in tokens:
        if token.type == "inline":
            stack[-1].extend(_build(token.children or []))
        elif token.nesting == 1:
            node = _opened(token)
            stack[-1].append(node)
            stack.append(_innermost(node))
        elif token.nesting == -1:
            closed = stack.pop()
            if token.type == "link_close":
                _close_link(stack[-1], closed)
        else:
            stack[-1].extend(_leaf(token))
    return root


def _opened(token: Token) -> list[Any]:
    if token.type == "heading_open":
        # A heading would break the order of headings on the page around it.
        return ["p", {}, ["strong", {}]]
    if token.type == "link_open":
        return ["a", {"href": str(token.attrGet("href") or "")}]
    return [token.tag if token.tag in _TAGS else "p", {}]


def _innermost(node: list[Any]) -> list[Any]:
    return _innermost(node[2]) if len(node) > 2 else node


def _leaf(token: Token) -> list[Node]:
    match token.type:
        case "code_inline":
            return [["code", {}, token.content]]
        case "fence" | "code_block":
            return [["pre", {}, ["code", {}, token.content]]]
        case "softbreak":
            return ["\n"]
        case "hardbreak":
            return [["br", {}]]
        case _:
            # Text, and for a picture its alt text.
            return [token.content] if token.content else []


def _close_link(parent: list[Any], link: list[Any]) -> None:
    """Finish the link just closed: name the host of one that leads away, drop the address of one that we refuse."""
    href = link[1]["href"]
    host = _foreign_host(href)
    if host is None:
        parent[-1:] = link[2:]
    elif host:
        link[1]["rel"] = "noopener nofollow"
        parent.append(f" ({host})")


def _foreign_host(href: str) -> str | None:
    """Return the host a link leads to, '' within this site, None for an address that must not become a link."""
    if re.search(r"[\s\\\x00-\x1f\x7f]", href):
        return None
    try:
        parts = urlsplit(href)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme and not parts.netloc:
        return "" if re.match(r"[/#](?!/)", href) else None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    own = urlsplit(getattr(settings, "SITE_URL", ""))
    return "" if (parts.scheme, parts.netloc) == (own.scheme, own.netloc) else host


def _depth(nodes: list[Any]) -> int:
    return max((1 + _depth(node[2:]) for node in nodes if isinstance(node, list)), default=0)


def _count(nodes: list[Any]) -> int:
    return sum(1 + (_count(node[2:]) if isinstance(node, list) else 0) for node in nodes)
