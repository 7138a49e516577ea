"""The staff's side of the chat: flags and corrections, messages to the team. Stored conversations are not here."""
