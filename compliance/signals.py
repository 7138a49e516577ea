"""What happens to records, for the apps above to act on: they connect in ``AppConfig.ready``."""

from django.dispatch import Signal

# sender=EvidenceRecord, record: both chains were checked for the day, inside the transaction that records it.
day_checked = Signal()
