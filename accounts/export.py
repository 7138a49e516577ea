"""Everything we hold about one person, as a ZIP file: JSON to process, one page of HTML to read.

Each app names its parts with ``part`` when it is ready; what has expired is left out because they read it the way
their pages do. The row ``DataExport`` is the job. The file is closed to others, waits ``EXPORT_KEPT_S``, is given out
once and is then gone.
"""

import base64
import datetime
import hashlib
import io
import json
import logging
import os
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.functional import Promise

from accounts import mailqueue
from accounts.errors import ExportGone, ExportRefused
from accounts.models import DataExport, User
from compliance import audit

logger = logging.getLogger(__name__)

SALT = "accounts.export-link"
MOST_A_DAY = 5
# A file without a row is what a killed worker left behind, once it is older than any worker needs.
ORPHANED_S = 3600


@dataclass(frozen=True, slots=True)
class Part:
    """What one app holds about a person. On the page to read, ``labels`` stand for its keys and ``words`` for such of
    its values as are names of ours."""

    name: str
    read: Callable[[User], Any]
    title: str | Promise
    labels: Mapping[str, str | Promise]
    words: Mapping[str, str | Promise]


_parts: dict[str, Part] = {}


def part(
    name: str,
    read: Callable[[User], Any],
    *,
    title: str | Promise = "",
    labels: Mapping[str, str | Promise] | None = None,
    words: Mapping[str, str | Promise] | None = None,
) -> None:
    """Add ``name``.json to every export: what ``read`` returns, lists and objects of plain values, dates and UUIDs."""
    _parts[name] = Part(name, read, title or name, labels or {}, words or {})


def request(user: User) -> DataExport:
    """Ask for an export; the one that is already asked for or waiting is returned again.

    Raises ExportRefused after ``MOST_A_DAY`` in 24 hours.
    """
    day = Now() - datetime.timedelta(days=1)
    expire()
    open_one = current(user)
    if open_one:
        return open_one
    if user.exports.filter(requested_at__gt=day).count() >= MOST_A_DAY:
        raise ExportRefused
    try:
        with transaction.atomic():
            # Whoever deletes something of this person holds this row too: what they delete is gone before we read.
            User.objects.select_for_update(no_key=True).get(pk=user.pk)
            export = DataExport.objects.create(user=user)
            audit.record("export.requested", actor=user, object_kind="export", object_id=export.public_id)
    except IntegrityError:  # two presses at once: the other one made it
        return user.exports.get(state__in=[DataExport.State.REQUESTED, DataExport.State.READY])
    return export


def current(user: User) -> DataExport | None:
    """Return the export that is being made or waits to be fetched."""
    open_ones = user.exports.filter(state__in=[DataExport.State.REQUESTED, DataExport.State.READY])
    return open_ones.exclude(expires_at__lte=Now()).first()


def make(export_id: int) -> bool:
    """Make the file of an export. False when there is nothing to do: made, or somebody else is at it.

    Twice is harmless: one of two workers moves the row, puts its file in place, writes the mail and is done. So is
    something in it being deleted meanwhile: the row is then due again, and what was read before is thrown away.
    """
    if not DataExport.objects.claim(export_id):
        return False
    export = DataExport.objects.select_related("user").get(pk=export_id)
    with translation.override(export.user.language):
        draft = _write(path_of(export.public_id), archive(export.user))
    try:
        return _finish(export, draft)
    finally:
        _delete_file(draft)


@transaction.atomic
def _finish(export: DataExport, draft: Path) -> bool:
    """Put the file in place. False where somebody else has claimed the row since, or ``start_again`` has called."""
    kept = datetime.timedelta(seconds=settings.EXPORT_KEPT_S)
    # Each claim sets its own due time, so it tells ours from those of others.
    ours = DataExport.objects.filter(pk=export.pk, state=DataExport.State.REQUESTED, due_at=export.due_at)
    if not ours.update(state=DataExport.State.READY, ready_at=Now(), expires_at=Now() + kept):
        return False
    draft.replace(path_of(export.public_id))
    mailqueue.queue(export.user, "export-ready", str(export.public_id))
    audit.record("export.ready", actor=audit.SYSTEM, object_kind="export", object_id=export.public_id)
    return True


def start_again(people: Any) -> int:
    """Let go of what was read about these people: files that wait are deleted, those being made are begun again.

    Call it in the transaction that deletes what is in them, before. A file goes first: a transaction that fails
    afterwards costs them a new export, and nothing else. Returns how many files people can no longer fetch.
    """
    open_ones = DataExport.objects.filter(
        user__in=people, state__in=[DataExport.State.REQUESTED, DataExport.State.READY]
    )
    held = {each.pk: each for each in open_ones.select_for_update().order_by("pk")}
    for each in held.values():
        _delete_file(path_of(each.public_id))
    ours = DataExport.objects.filter(pk__in=held)
    ours.filter(state=DataExport.State.REQUESTED).update(due_at=Now(), tries=0)
    return ours.filter(state=DataExport.State.READY).update(state=DataExport.State.EXPIRED)


def archive(user: User) -> bytes:
    """Return the ZIP file about one person, in the language that is active."""
    made_at = timezone.now()
    contents = [(each, each.read(user)) for each in _parts.values()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for each, content in contents:
            text = json.dumps(content, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
            file.writestr(f"{each.name}.json", text + "\n")
        parts = [_readable(each, content) for each, content in contents]
        style = render_to_string("account_pages/_export_style.css")
        # The page is read from a disk, where no header guards it: its own style passes, nothing else that may be in it.
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        page = {"made_at": made_at, "parts": parts, "style": style, "style_digest": digest}
        file.writestr("index.html", render_to_string("account_pages/export_file.html", page))
    return buffer.getvalue()


def link_token(export: DataExport) -> str:
    """Return the signed name of an export, for a link; the row says until when it is good."""
    return signing.dumps(str(export.public_id), salt=SALT)


def public_id_of(token: str) -> uuid.UUID:
    """Return the export a link names. Raises ExportGone for a link that we did not write."""
    try:
        return uuid.UUID(
            signing.loads(token, salt=SALT, max_age=datetime.timedelta(seconds=settings.EXPORT_KEPT_S + 60))
        )
    except signing.BadSignature as error:
        raise ExportGone from error


def fetch(export: DataExport) -> bytes:
    """Give out the file, once, and delete it. Raises ExportGone when it was given out, is too old or not made yet.

    A download that breaks off is lost with it: the person asks for a new export, which costs nothing.
    """
    path = path_of(export.public_id)
    with transaction.atomic():
        ready = DataExport.objects.filter(pk=export.pk, state=DataExport.State.READY, expires_at__gt=Now())
        if not ready.update(state=DataExport.State.FETCHED):
            raise ExportGone
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise ExportGone from error
        audit.record("export.fetched", actor=export.user, object_kind="export", object_id=export.public_id)
    _delete_file(path)
    return content


def expire() -> int:
    """Let go of what nobody fetched in time, and of files without a row. Returns how many exports expired."""
    expired = DataExport.objects.filter(state=DataExport.State.READY, expires_at__lte=Now())
    count = expired.update(state=DataExport.State.EXPIRED)
    # The files before the rows: one that is put in place meanwhile is not among them.
    paths = list(folder().glob("*"))
    kept = {path_of(public_id).name for public_id in _open_ids()}
    oldest = timezone.now().timestamp() - ORPHANED_S
    for path in paths:
        if path.name not in kept and (path.suffix == ".zip" or _written_at(path) < oldest):
            _delete_file(path)
    return count


def delete_files(user: User) -> int:
    """Delete every file made for a person. Returns how many there were."""
    paths = [path_of(export.public_id) for export in user.exports.all()]
    there = [path for path in paths if path.exists()]
    for path in there:
        path.unlink(missing_ok=True)
    return len(there)


def folder() -> Path:
    return Path(settings.EXPORT_DIR)


def path_of(public_id: uuid.UUID) -> Path:
    return folder() / f"{public_id}.zip"


def _open_ids() -> list[uuid.UUID]:
    open_states = [DataExport.State.REQUESTED, DataExport.State.READY]
    return list(DataExport.objects.filter(state__in=open_states).values_list("public_id", flat=True))


def _delete_file(path: Path) -> None:
    """Delete a file. One that cannot be deleted holds up nothing else: ``expire`` tries again until it is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.error("export %s: not deleted (%s)", path.stem, type(error).__name__)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # its worker has put it in place or thrown it away since we saw it


def _write(path: Path, content: bytes) -> Path:
    """Write a draft beside ``path`` that only we may read, and return where it is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return draft


def _readable(each: Part, content: Any) -> dict[str, Any]:
    return {"name": each.name, "title": each.title, "content": _labelled(content, each)}


def _labelled(value: Any, each: Part) -> Any:
    """Return a value as the page reads it: ``pairs`` of label and value, ``rows``, a ``moment``, or the ``value``."""
    match value:
        case dict():
            return {"pairs": [(each.labels.get(key, key), _labelled(held, each)) for key, held in value.items()]}
        case list() | tuple():
            return {"rows": [_labelled(held, each) for held in value]}
        case datetime.datetime():
            return {"moment": value}
        case str():
            return {"value": each.words.get(value, value)}
        case _:
            return {"value": value}
