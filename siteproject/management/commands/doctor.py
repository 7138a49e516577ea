"""Look at every part and say in one line each what is well and what is not."""

import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis
from django.conf import settings
from django.core import checks
from django.core.cache import cache
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from billing import audit_ledger
from chat import retention
from compliance import alarms
from content import library, passages
from inference import drivers
from inference.drivers.base import DriverError
from siteproject.stack import environment
from siteproject.stack.errors import StackError
from siteproject.stack.folder import var_folder
from siteproject.stack.llama import WEIGHTS_SHA256, packaged_weights
from siteproject.stack.llama_server import sha256_of
from siteproject.tasks import HEARTBEAT_KEY

WELL, WARNING, BAD = "well", "warning", "bad"
DISK_WARNING_MB = 1000
TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``text`` never holds a secret, an address with a password, or anybody's text."""

    subject: str
    state: str
    text: str


def python() -> Finding:
    version = ".".join(str(number) for number in sys.version_info[:3])
    return Finding("python", WELL if sys.version_info >= (3, 11) else BAD, version)


def disk() -> Finding:
    folder = var_folder().path
    free_mb = shutil.disk_usage(folder if folder.exists() else settings.BASE_DIR).free // 1_000_000
    return Finding("disk", WELL if free_mb >= DISK_WARNING_MB else WARNING, f"{free_mb} MB free")


def stack() -> Finding:
    if environment.running():
        return Finding("stack", WELL, f"runs in {var_folder().path}")
    if settings.DATABASES["default"]["OPTIONS"].get("host") != "/nonexistent":
        return Finding("stack", WELL, "not ours: the environment names the servers")
    return Finding("stack", BAD, "not running; start it with bin/up")


def postgresql() -> Finding:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0]
        executor = MigrationExecutor(connection)
        due = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as error:
        return Finding("postgresql", BAD, f"no answer ({type(error).__name__})")
    if due:
        return Finding("postgresql", BAD, f"{version}, {due} migrations are due; run manage.py migrate")
    return Finding("postgresql", WELL, f"{version}, migrated")


def redis_server() -> Finding:
    """Persistence is a fault here: what is in the resume buffer must be gone with the memory."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        facts = client.info()
        save = client.config_get("save").get("save")
    except redis.ResponseError:
        return Finding("redis", WARNING, "answers, but does not say whether it writes to disk")
    except (redis.RedisError, OSError) as error:
        return Finding("redis", BAD, f"no answer ({type(error).__name__})")
    finally:
        client.close()
    if facts.get("aof_enabled") or save:
        return Finding("redis", WARNING, f'{facts["redis_version"]} writes to disk: set save "" and appendonly no')
    return Finding("redis", WELL, f"{facts['redis_version']}, nothing on disk, {facts['used_memory_human']} used")


def model_server() -> Finding:
    if not settings.LLM_CPU["url"]:
        return Finding("model server", BAD, "LLM_CPU_URL is not set")
    return _asked("model server", "LLM_CPU", settings.LLM_CPU)


def embeddings() -> Finding:
    """None is well: a machine with little memory starts none, and the site needs none."""
    if not settings.LLM_EMBED["url"]:
        return Finding("embeddings", WELL, "none; EMBEDDINGS=1 starts a server for them")
    return _asked("embeddings", "LLM_EMBED", settings.LLM_EMBED)


def _asked(subject: str, prefix: str, backend: dict[str, Any]) -> Finding:
    headers = {"Authorization": f"Bearer {backend['key']}"} if backend["key"] else {}
    try:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = client.get(f"{backend['url'].rstrip('/')}/v1/models", headers=headers)
        names = [model["id"] for model in answer.json()["data"]] if answer.status_code == 200 else []
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Finding(subject, BAD, f"no usable answer ({type(error).__name__})")
    if answer.status_code != 200:
        return Finding(subject, BAD, f"answers {answer.status_code}; {prefix}_KEY may be wrong")
    if backend["model"] not in names:
        return Finding(subject, BAD, f"does not list {backend['model']}")
    return Finding(subject, WELL, f"{backend['runtime']} lists {backend['model']}")


def large_model() -> Finding:
    """Asked of its provider, which wakes nothing."""
    gpu = settings.LLM_GPU
    if not gpu["url"] or settings.LLM_GPU_DRIVER == "none":
        return Finding("large model", WELL, "none")
    try:
        state = drivers.driver().state()
    except DriverError as error:
        return Finding("large model", BAD, f"its provider does not answer ({type(error).__name__})")
    kind = "stand-in, " if gpu["stand_in"] else ""
    return Finding("large model", WELL, f"{kind}{gpu['name']} on the {gpu['hardware'].upper()}: {state}")


def weights() -> Finding:
    if not settings.LLM_CPU_PID_FILE and settings.LLM_CPU["url"]:
        declared = settings.LLM_CPU["weights_sha256"][:12] or "none"
        return Finding("weights", WELL, f"on another server, digest declared: {declared}")
    try:
        digest = sha256_of(packaged_weights())
    except StackError as error:
        return Finding("weights", BAD, str(error))
    if digest != WEIGHTS_SHA256:
        return Finding("weights", BAD, f"sha256 {digest[:12]}… is not the pinned {WEIGHTS_SHA256[:12]}…")
    return Finding("weights", WELL, f"sha256 {digest[:12]}… as pinned")


def worker() -> Finding:
    """The heartbeat proves beat, broker and worker at once; it comes every ten seconds."""
    try:
        beat = cache.get(HEARTBEAT_KEY)
    except (redis.RedisError, OSError):
        return Finding("worker", BAD, "unknown: Redis does not answer")
    if beat is None:
        return Finding("worker", BAD, "no heartbeat within a minute; see var/log/worker.log")
    return Finding("worker", WELL, f"heartbeat {max(0, int(time.time()) - int(beat))} s ago")


def knowledge() -> Finding:
    wrong = library.library().errors
    if wrong:
        return Finding("content", BAD, str(wrong[0]))
    counts = {language: len(passages.passages(language)) for language in library.languages()}
    text = ", ".join(f"{count} passages in {language}" for language, count in counts.items())
    return Finding("content", WELL if all(counts.values()) else BAD, text)


def languages() -> Finding:
    sources = [path for folder in settings.LOCALE_PATHS for path in Path(folder).glob("*/LC_MESSAGES/django.po")]
    stale = [path.parent.parent.name for path in sources if not _compiled(path)]
    if stale:
        return Finding("languages", BAD, f"not compiled: {', '.join(stale)}; run manage.py compilecatalogs")
    if not sources:
        return Finding("languages", WARNING, "no catalogs in locale/: every page is in the words of the source")
    return Finding("languages", WELL, f"compiled: {', '.join(sorted(path.parent.parent.name for path in sources))}")


def _compiled(source: Path) -> bool:
    target = source.with_suffix(".mo")
    return target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns


def alarm_findings() -> Iterator[Finding]:
    """Yield what the apps say needs somebody now, or one line that nothing does."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield Finding("alarms", BAD, f"unknown: PostgreSQL does not answer ({type(error).__name__})")
        return
    found = alarms.active()
    for alarm in found:
        yield Finding("alarms", BAD, f"{alarm.id}: {alarm.text}")
    if not found:
        yield Finding("alarms", WELL, "nothing needs an operator now")


def stored_chats() -> Finding:
    """What is there an hour after its time is a broken promise, whatever the worker says of itself."""
    try:
        age, late = retention.oldest(), retention.overdue()
    except DatabaseError as error:
        return Finding("stored chats", BAD, f"unknown ({type(error).__name__})")
    text = "none" if age is None else f"oldest {age.days} d {age.seconds // 3600} h of {settings.RETENTION_DAYS} d"
    if late:
        return Finding("stored chats", BAD, f"{text}; something should have been deleted over an hour ago")
    return Finding("stored chats", WELL, text)


def usage_ledger() -> Finding:
    """The last nightly comparison; that it differs, or is too old, is an alarm as well."""
    try:
        last = audit_ledger.last()
    except DatabaseError as error:
        return Finding("usage ledger", BAD, f"unknown ({type(error).__name__})")
    if last is None:
        return Finding("usage ledger", WELL, "not checked yet")
    text = f"{last.compared} quotas compared on {last.day}, {last.differing} differ"
    return Finding("usage ledger", BAD if last.differing else WELL, text)


def settings_checks() -> Iterator[Finding]:
    """Yield what Django's and our own system checks found, or one line that all is well."""
    found = [message for message in checks.run_checks() if not message.is_silenced()]
    for message in found:
        state = BAD if message.is_serious() else WARNING
        yield Finding("settings", state, f"{message.id}: {message.msg}")
    if not found:
        yield Finding("settings", WELL, "all system checks pass")


LOOKS: tuple[Callable[[], Finding], ...] = (
    python,
    disk,
    stack,
    postgresql,
    redis_server,
    model_server,
    large_model,
    embeddings,
    weights,
    worker,
    knowledge,
    languages,
    stored_chats,
    usage_ledger,
)


class Command(BaseCommand):
    help = "Say what is well and what is not; exit status 1 when something is not. Shows no secret."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.WARNING)  # what libraries complain about is said below, once and in our words
        findings = [*(look() for look in LOOKS), *alarm_findings(), *settings_checks()]
        styles = {WELL: self.style.SUCCESS, WARNING: self.style.WARNING, BAD: self.style.ERROR}
        for finding in findings:
            self.stdout.write(f"{styles[finding.state](f'{finding.state:<8}')} {finding.subject:<13} {finding.text}")
        if any(finding.state == BAD for finding in findings):
            sys.exit(1)
