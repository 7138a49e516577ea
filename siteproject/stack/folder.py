"""Where the stack keeps its things: one folder, ``var`` beside ``manage.py`` unless ``VAR_DIR`` names another."""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from siteproject.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[2]

# The kernel's sockaddr_un holds 108 bytes, the last of them zero.
SOCKET_PATH_BYTES = 107
LONGEST_SOCKET = "postgres/.s.PGSQL.5432"


@dataclass(frozen=True)
class Folder:
    """The layout below one ``var`` folder. Nothing is created until ``make``."""

    path: Path

    @property
    def run(self) -> Path:
        """Lock, list of children, sockets: means nothing once the stack is down."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """One file of output per part."""
        return self.path / "log"

    @property
    def environment(self) -> Path:
        """Secrets and addresses, mode 600."""
        return self.path / "env"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.run / "lock"

    def make(self) -> None:
        """Create the folders, closed to other users but for the way through to PostgreSQL's own folder."""
        for folder in (self.path, self.run, self.log):
            folder.mkdir(parents=True, exist_ok=True)
        self.log.chmod(0o700)
        self.run.chmod(0o711)

    def sockets(self) -> Path:
        """Return the folder for unix sockets, made: ``run``, or where that is too long one in the temporary folder.

        Raises StackError when neither path fits into a socket address.
        """
        if _fits(self.run):
            return self.run
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        # The name is the same at every start, so that a start after a crash finds what the last one left.
        short = Path(tempfile.gettempdir()) / f"wagmi-{os.geteuid()}-{digest}"
        if not _fits(short):
            raise StackError(
                f"The folder {self.path} is too deep: a unix socket's path may have {SOCKET_PATH_BYTES} bytes.",
                "Move the project to a shorter path, or set TMPDIR to a short folder.",
            )
        short.mkdir(mode=0o711, exist_ok=True)
        found = short.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise StackError(
                f"The folder {short} belongs to somebody else.", "Remove it, or set TMPDIR to another folder."
            )
        short.chmod(0o711)
        return short


def var_folder() -> Folder:
    """Return the folder of this checkout, or the one ``VAR_DIR`` names."""
    return Folder(Path(os.environ.get("VAR_DIR") or ROOT / "var").absolute())


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / LONGEST_SOCKET)) <= SOCKET_PATH_BYTES
