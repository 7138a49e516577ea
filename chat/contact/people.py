"""What contact holds about a person: a part of their export, and its end with the account."""


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
