"""What happens to people, for the apps above to act on: they connect in ``AppConfig.ready``."""

from django.dispatch import Signal

# sender=User, user: the person is about to be erased, inside the transaction that erases them. A receiver deletes what
# its app holds and returns how many rows of what: {"conversations": 3}. One that raises stops it until the next try.
account_closing = Signal()

# sender=UserSession, session_key: the person ended this session; whatever it keeps open is to be closed.
session_ended = Signal()
