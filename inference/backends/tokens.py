"""Foreign text must not speak the chat template's own language.

llama.cpp reads ``<|im_end|>`` inside a message as the real control token, so a visitor, a page or an
API message could forge a system turn (ggml-org/llama.cpp #24382, #26273). A blank after the bracket
turns the sequence into plain characters: measured, seven harmless tokens instead of one.
"""

import re
import unicodedata

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


def neutralise(text: str) -> str:
    """Return ``text`` in NFC without invisible characters and with every control token broken up."""
    visible = "".join(
        char
        for char in unicodedata.normalize("NFC", text)
        if char in KEPT or unicodedata.category(char) not in INVISIBLE
    )
    return CONTROL.sub(lambda match: match.group() + " ", visible)
