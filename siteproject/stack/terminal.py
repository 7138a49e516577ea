"""What ``bin/up`` says: one line per step, nothing while all is well, and what the developer asked to see."""

import contextlib
import sys
from pathlib import Path

MAIL_SHOWN_BYTES = 4_000


class Terminal:
    """Lines to standard output. A terminal that went away is no reason to stop the site."""

    def __init__(self, *, verbose: bool = False, logs: Path | None = None, mail: Path | None = None) -> None:
        self.verbose = verbose
        self._logs = logs
        self._mail = mail
        self._positions: dict[Path, int] = {path: path.stat().st_size for path in self._log_files()}
        self._letters: dict[Path, int] = {}
        self._shown = set(self._mail_files())

    def say(self, text: str) -> None:
        """Print one line."""
        with contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def done(self, step: str, seconds: float) -> None:
        """Print one finished step with the time it took."""
        self.say(f"  {step:<34} {seconds:5.1f} s")

    def complain(self, text: str) -> None:
        """Print one line to standard error."""
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)

    def show_news(self) -> None:
        """Print new mail and, when verbose, what the parts have written since the last time."""
        self._show_mail()
        if self.verbose:
            self._show_logs()

    def _show_logs(self) -> None:
        for path in self._log_files():
            start, size = self._positions.get(path, 0), path.stat().st_size
            with path.open("rb") as file:
                file.seek(start if start <= size else 0)  # a log that was turned over begins anew
                lines = file.read(200_000).decode("utf-8", "replace").splitlines()
                self._positions[path] = file.tell()
            for line in lines:
                self.say(f"{path.stem:>9} | {line}")

    def _show_mail(self) -> None:
        """Print letters that are complete: those that have not grown since the last look."""
        for path in self._mail_files():
            if path in self._shown:
                continue
            size = path.stat().st_size
            if size and size == self._letters.get(path):
                self.say(f"Mail written to {path}:\n{path.read_text('utf-8', 'replace')[:MAIL_SHOWN_BYTES]}")
                self._shown.add(path)
            self._letters[path] = size

    def _log_files(self) -> list[Path]:
        return sorted(self._logs.glob("*.log")) if self._logs else []

    def _mail_files(self) -> list[Path]:
        return (
            sorted(path for path in self._mail.iterdir() if path.is_file())
            if self._mail and self._mail.is_dir()
            else []
        )
