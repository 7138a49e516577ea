"""Texts that try to run, load, hide or pass for something else wherever they are shown."""

from tests.chat.test_tree import HOSTILE as OF_THE_TREE

# What was written against Markdown, and what aims at the screens of staff.
HOSTILE = [
    *(text for text in OF_THE_TREE if "\x00" not in text and "\ud800" not in text),
    "<script>window.ran = 1</script>",
    "<img src=https://evil.example/p.png onerror=\"window.ran = 1\">",
    "</textarea><script>window.ran = 1</script>",
    "\"><input autofocus onfocus=\"window.ran = 1\">",
    "' onmouseover='window.ran = 1",
    "</pre></div></bdi><form action=https://evil.example><button>Decide</button>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<video><source onerror=window.ran=1></video>",
    "<a href=\"&#106;&#97;vascript:window.ran=1\">x</a>",
    "<template><script>window.ran = 1</script></template>",
    "<review-keys data-preview=https://evil.example></review-keys>",
    "{% debug %}{{ request.user.email }}{{ settings.SECRET_KEY }}",
    "{{ constructor.constructor('window.ran=1')() }}",
    "\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007",
    "\u202eteg ot siht sserp\u202c",
    "Dismiss\u200b\u200c\u200d\u2060\ufeff me",
    "a" + "\u0301" * 500,
    "\u2066\u2067\u2068" * 40 + "x",
    "W" * 4_000,
    "=HYPERLINK(\"https://evil.example\")",
]  # fmt: skip
