"""What the site as a whole proves for a release."""

import io

from django.conf import settings
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from siteproject.stack.errors import StackError
from siteproject.stack.llama import WEIGHTS_SHA256, packaged_weights
from siteproject.stack.llama_server import sha256_of


@gate("migrations", tags={"release"}, title="the database has every migration")
def migrations_gate() -> Outcome:
    """Compare what is applied with what the code brings."""
    executor = MigrationExecutor(connection)
    due = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if due:
        return Failed(f"{len(due)} migrations are due")
    return Passed(f"{len(executor.loader.applied_migrations)} applied")


@gate("translations", tags={"release"}, title="every word is translated into the languages the site promises")
def translations_gate() -> Outcome:
    """Compare the catalogs with the source, placeholders included."""
    said = io.StringIO()
    try:
        call_command("checkcatalogs", stdout=said, stderr=io.StringIO())
    except CommandError as error:
        return Failed(str(error))
    return Passed(said.getvalue().strip().splitlines()[-1])


@gate("system-checks", tags={"release"}, title="the settings pass all system checks of a deployment")
def system_checks_gate() -> Outcome:
    """Run Django's checks and ours; a warning is enough to fail, as ``check --deploy --fail-level WARNING``."""
    found = [
        message
        for message in checks.run_checks(include_deployment_checks=True)
        if message.level >= checks.WARNING and not message.is_silenced()
    ]
    if found:
        return Failed(", ".join(sorted({message.id or "without id" for message in found})))
    return Passed()


@gate("weights", tags={"release", "ai-act"}, title="the small model's weights on disk are the pinned ones")
def weights_gate() -> Outcome:
    """Read the file that our own model server loads."""
    if settings.LLM_CPU["url"] and not settings.LLM_CPU_PID_FILE:
        return NotRun("the model server is not ours; the digest of its weights is declared, not checked")
    try:
        digest = sha256_of(packaged_weights())
    except StackError as error:
        return Failed(str(error))
    if digest != WEIGHTS_SHA256:
        return Failed(f"sha256 {digest} is not the pinned {WEIGHTS_SHA256}")
    return Passed(f"sha256 {digest}")
