"""Foreign text must not speak the chat template's own language.

llama.cpp reads ``<|im_end|>`` inside a message as the real control token, so a visitor, a page or an
API message could forge a system turn (ggml-org/llama.cpp #24382, #26273). A blank after the bracket
turns the sequence into plain characters: measured, seven harmless tokens instead of one.
"""

import re
import unicodedata
from itertools import groupby, islice
from typing import Literal

# The families we serve or may serve: ChatML and Qwen (<|…|>), Llama 2 and Mistral ([INST], <<SYS>>, <s>),
# Gemma (<start_of_turn>), DeepSeek (<｜…｜>).
CONTROL = re.compile(
    r"<(?=\s*\|)|<(?=/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|think|tool_call|tool_response)>)"
    r"|<(?=[a-z]+(?:_[a-z]+)+>|reponame>|filename>)"
    r"|<(?=<SYS>>|</SYS>>)|\[(?=/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\])|<(?=｜)",
    re.IGNORECASE,
)
# What can hide a sequence from the pattern above and from a reader: format characters and controls, line ends kept.
INVISIBLE = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})
KEPT = frozenset("\n\t")
# Unicode's limit for a stream (UAX 15). No language comes near it.
MAX_MARKS = 30
# Every long run of marks is in a match of this: they are neither letters nor digits, spaces or ASCII.
PERHAPS_MARKS = re.compile(rf"[^\w\s\x00-\x7f]{{{MAX_MARKS + 1},}}")


def neutralise(text: str) -> str:
    """Return ``text`` in NFC without invisible characters and with every control token broken up."""
    visible = normalised("NFC", without(text, INVISIBLE))
    return CONTROL.sub(lambda match: match.group() + " ", visible)


def normalised(form: Literal["NFC", "NFD"], text: str) -> str:
    """Return ``text`` in one form of Unicode's, with at most ``MAX_MARKS`` combining marks in a row.

    To put marks into their order takes the square of their number, and no thread gets to run meanwhile: a text of
    128 KiB that is nothing else would stop the process for seconds.
    """
    return unicodedata.normalize(form, text if text.isascii() else PERHAPS_MARKS.sub(_fewer_marks, text))


def without(text: str, categories: frozenset[str]) -> str:
    """Return ``text`` without the characters of these categories of Unicode; line ends and tabs are kept."""
    # However long it is, a text has few different characters: to look at those takes a fraction of the time.
    left_out = [ord(char) for char in set(text) - KEPT if unicodedata.category(char) in categories]
    return text.translate(dict.fromkeys(left_out)) if left_out else text


def _fewer_marks(match: re.Match[str]) -> str:
    runs = groupby(match.group(), key=lambda char: unicodedata.category(char).startswith("M"))
    return "".join("".join(islice(run, MAX_MARKS) if marks else run) for marks, run in runs)
