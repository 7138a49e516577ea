"""How much a deletion took: counted in the transaction that deletes, summed up by the evidence."""

from dataclasses import dataclass

from chat.models import DeletedBatch


@dataclass(frozen=True, slots=True)
class Deleted:
    """How much went: rows of conversations and of messages to the team, and flags that lost their texts."""

    messages: int = 0
    conversations: int = 0
    flags: int = 0
    team_messages: int = 0

    def __add__(self, other: "Deleted") -> "Deleted":
        return Deleted(
            self.messages + other.messages,
            self.conversations + other.conversations,
            self.flags + other.flags,
            self.team_messages + other.team_messages,
        )

    def __bool__(self) -> bool:
        return bool(self.messages or self.conversations or self.flags or self.team_messages)


def counted(done: Deleted) -> Deleted:
    """Write the count down, in the transaction of the caller, and return it."""
    if done:
        DeletedBatch.objects.create(
            messages=done.messages,
            conversations=done.conversations,
            flags=done.flags,
            team_messages=done.team_messages,
        )
    return done
