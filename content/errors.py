"""What can be wrong with the files under content/."""


class ContentError(Exception):
    """A file that cannot be published as it is; reads like a compiler's message: ``file:line: problem``."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(file, line, problem)
        self.file = file
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"
