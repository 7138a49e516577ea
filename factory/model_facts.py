"""What is known of weights: name, family, licence, source, size, and what the training of the base took."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings

MODELS = Path(__file__).with_name("models.toml")
# A forward and a backward pass over one token take about six operations for each parameter (Kaplan et al., 2020).
FLOP_PER_PARAMETER_AND_TOKEN = 6


@dataclass(frozen=True, slots=True)
class Facts:
    """One file of weights. ``training_tokens`` and all that follows from it are empty where nobody states them."""

    name: str
    family: str
    sha256: str
    licence: str
    source: str
    author: str = ""
    distribution: str = ""
    package: str = ""
    file: str = ""
    file_sha256: str = ""
    parameters: int | None = None
    quantisation: str = ""
    languages: tuple[str, ...] = ()
    training_tokens: str = ""
    training_tokens_source: str = ""
    paper: str = ""

    @property
    def revision(self) -> str:
        """Return the version of the package that carries the weights, empty where none does."""
        return installed(self.distribution)

    @property
    def training_flop(self) -> str:
        """Return the estimated compute of the base's training as digits, empty where it cannot be estimated."""
        if not self.training_tokens or self.parameters is None:
            return ""
        return str(FLOP_PER_PARAMETER_AND_TOKEN * self.parameters * int(self.training_tokens))

    def path(self) -> Path | None:
        """Return the file in the installed package, which is found without being imported."""
        spec = find_spec(self.package) if self.package else None
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (found := Path(place) / self.file).is_file():
                return found
        return None


def known() -> dict[str, Facts]:
    """Return the facts by sha256: ours and those of the operator, who has the last word."""
    own = Path(settings.MODEL_FACTS_FILE) if settings.MODEL_FACTS_FILE else None
    return {each.sha256: each for each in (*_read(MODELS), *(_read(own) if own else ()))}


def installed(distribution: str) -> str:
    """Return the version of an installed package, empty when it is not there."""
    try:
        return version(distribution) if distribution else ""
    except PackageNotFoundError:
        return ""


@cache
def _read(path: Path) -> tuple[Facts, ...]:
    found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["models"]
    return tuple(Facts(**(each | {"languages": tuple(each.get("languages", ()))})) for each in found)
