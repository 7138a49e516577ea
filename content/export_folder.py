"""Write the exported site as one folder that is always whole.

``OUT`` is a symbolic link to ``OUT.<digest>`` beside it. A new export is built in ``OUT.<digest>.part``, gets its name
once it is complete, and then the link is replaced in one step (rename(2)), so a reader sees the old site or the new
one, and a kill at any moment leaves the old one whole. What did not change is linked from the export before it (the
same inode, the same time), so a copy to another machine carries only what changed. The export before stays for
readers who are in the middle of it and for going back; older ones are removed.
"""

import fcntl
import gzip
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import brotli

from content.export import ExportFailed

CHECKSUMS = "CHECKSUMS"
COMPRESSIBLE = (".css", ".html", ".js", ".json", ".svg", ".txt", ".webmanifest", ".xml")
DIGEST_CHARS = 16


@dataclass(frozen=True, slots=True)
class Written:
    """What an export did: ``changed`` are the names of files that were new or different."""

    folder: Path
    files: int
    changed: tuple[str, ...]


def write(files: dict[str, bytes], out: Path) -> Written:
    """Make ``out`` show exactly ``files``, each compressible one with ``.gz`` and ``.br`` beside it, and CHECKSUMS.

    Writes nothing at all when nothing changed. Raises ExportFailed when ``out`` is something else than an export, and
    when the system refuses: a full disk, a folder that may not be written.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow the link that is to be replaced
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not _may_be_replaced(out):
            raise ExportFailed([f"{out} is not an earlier export; name a path that does not exist."])
        with _alone(out):
            return _write(files, out)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ExportFailed([f"{error.filename or out} cannot be written: {reason}."]) from error


def read_checksums(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of an export by its name; empty where there is none."""
    try:
        lines = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {name: digest for digest, _space, name in (line.partition("  ") for line in lines)}


def _write(files: dict[str, bytes], out: Path) -> Written:
    before = out.resolve() if out.is_symlink() else None
    kept = _sound_files(before) if before else {}
    old = {name: digest for name, (digest, _path) in kept.items()}
    contents = dict(sorted(_with_compressed(files, kept)))
    checksums = {name: _sha256(content) for name, content in contents.items()}
    text = "".join(f"{digest}  {name}\n" for name, digest in checksums.items())
    folder = out.with_name(f"{out.name}.{_sha256(text.encode())[:DIGEST_CHARS]}")
    changed = tuple(name for name, digest in checksums.items() if old.get(name) != digest)
    if folder == before and old == checksums:
        return Written(folder, len(contents), ())
    _build(folder, contents, checksums, kept, text)
    _point(out, folder)
    _remove_older(out, folder, before)
    return Written(folder, len(contents), changed)


def _build(
    folder: Path,
    contents: dict[str, bytes],
    checksums: dict[str, str],
    kept: dict[str, tuple[str, Path]],
    text: str,
) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        _fill(part, contents, checksums, kept, text)
    except OSError:
        # On a full disk half an export would keep everybody else from writing too.
        shutil.rmtree(part, ignore_errors=True)
        raise
    if folder.exists():
        # The same digest, and yet it is built again: something in it was damaged.
        folder.rename(folder.with_name(f"{folder.name}.damaged"))
    part.rename(folder)


def _fill(
    part: Path,
    contents: dict[str, bytes],
    checksums: dict[str, str],
    kept: dict[str, tuple[str, Path]],
    text: str,
) -> None:
    for name, content in contents.items():
        path = part / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, same = kept.get(name, ("", path))
        if digest == checksums[name]:
            os.link(same, path)
        else:
            path.write_bytes(content)
    (part / CHECKSUMS).write_text(text, encoding="utf-8")
    _readable(part)
    # Names may not reach the disk before what they name: after a power cut the link would lead to empty files.
    os.sync()


def _point(out: Path, folder: Path) -> None:
    """Replace the link in one step."""
    link = out.with_name(f"{out.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    if out.is_dir() and not out.is_symlink():
        out.rmdir()
    link.replace(out)


def _remove_older(out: Path, folder: Path, before: Path | None) -> None:
    ours = re.compile(rf"{_name_of_ours(out)}(\.part|\.damaged)?")
    for other in out.parent.iterdir():
        if ours.fullmatch(other.name) and other not in (folder, before):
            shutil.rmtree(other, ignore_errors=True)


def _with_compressed(files: dict[str, bytes], kept: dict[str, tuple[str, Path]]) -> Iterator[tuple[str, bytes]]:
    """Yield every file and, where they are smaller, its compressed forms; those of unchanged files are read again."""
    for name, content in files.items():
        yield name, content
        if not name.endswith(COMPRESSIBLE):
            continue
        same = name in kept and kept[name][0] == _sha256(content)
        for suffix, compress in ((".br", _brotli), (".gz", _gzip)):
            packed = f"{name}{suffix}"
            smaller = kept[packed][1].read_bytes() if same and packed in kept else compress(content)
            if len(smaller) < len(content):
                yield packed, smaller


def _sound_files(folder: Path) -> dict[str, tuple[str, Path]]:
    """Return digest and path of the files of an export that still are what its CHECKSUMS say."""
    found = {}
    for name, digest in read_checksums(folder).items():
        path = folder / name
        if path.is_file() and _sha256(path.read_bytes()) == digest:
            found[name] = (digest, path)
    return found


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold the lock of this export; a second one at the same time is refused."""
    # Where others may write too, a link could lie in the lock's place: it is not followed, and nothing is truncated.
    flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = os.open(out.with_name(f"{out.name}.lock"), flags, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ExportFailed([f"Another export to {out} is running."]) from error
    finally:
        os.close(lock)


def _readable(folder: Path) -> None:
    """Let the edge's user read everything, whatever the umask of who exported: it is all public."""
    for path in (folder, *folder.rglob("*")):
        mode = 0o755 if path.is_dir() else 0o644
        if path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)


def _may_be_replaced(out: Path) -> bool:
    """Whether ``out`` is free, an empty folder, or the link to an export of ours, which somebody may have deleted."""
    if not out.is_symlink():
        return not out.exists() or _empty_folder(out)
    target = Path(os.path.normpath(out.parent / out.readlink()))
    if target.parent != out.parent or not re.fullmatch(_name_of_ours(out), target.name):
        return False
    return not target.exists() or (target / CHECKSUMS).is_file()


def _name_of_ours(out: Path) -> str:
    """Return the pattern of the names that exports to ``out`` have."""
    return rf"{re.escape(out.name)}\.[0-9a-f]{{{DIGEST_CHARS}}}"


def _empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _brotli(content: bytes) -> bytes:
    return brotli.compress(content, quality=11)


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=9, mtime=0)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
