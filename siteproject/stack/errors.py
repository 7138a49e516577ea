"""What the stack says when it cannot do its work."""


class StackError(Exception):
    """An expected failure: one sentence that says what is wrong, and one that says what to do."""

    def __init__(self, sentence: str, advice: str = "") -> None:
        super().__init__(f"{sentence} {advice}".strip())
        self.sentence = sentence
        self.advice = advice
