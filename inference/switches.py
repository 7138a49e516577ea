"""The switches of staff: a model, a backend, and waking it. Read by every process within ``SWITCH_CHECK_S``."""

from django.db import transaction

from compliance import audit
from inference.models import Backend, Model

Switchable = Model | Backend
SWITCHES = ("enabled", "wake_enabled")


@transaction.atomic
def switch(row: Switchable, *, actor: audit.Person, **wanted: bool) -> bool:
    """Set switches of a row, with before and after in the audit log. False, and no entry, where nothing changed."""
    found = type(row)._default_manager.select_for_update().get(pk=row.pk)
    changed = {name: on for name, on in wanted.items() if getattr(found, name) != on}
    if not changed:
        return False
    before: dict[str, audit.Value] = {name: getattr(found, name) for name in changed}
    for name, on in changed.items():
        setattr(found, name, on)
    found.save(update_fields=[*changed])
    kind = found._meta.model_name or ""
    audit.record(
        f"inference.{kind}-switch",
        actor=actor,
        object_kind=kind,
        object_id=str(found),
        before=before,
        after={**changed},
    )
    return True
