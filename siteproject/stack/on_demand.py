"""The large tier's server as a part of the stack: it waits on loopback, and the model runs only while it is awake."""

import os
from pathlib import Path

from siteproject.stack.children import Child, bare_environment, python_module
from siteproject.stack.folder import Folder
from siteproject.stack.llama import WEIGHTS_SHA256, packaged_weights
from siteproject.stack.part import Part
from siteproject.stack.probe import free_port, http_status

ALIAS = "wagmi-large"


class OnDemandServer(Part):
    """A control port and the model server behind it. ``weights`` None: the small model's, as a stand-in."""

    name = "large"
    title = "Large model, asleep"

    def __init__(
        self,
        folder: Folder,
        *,
        key: str,
        token: str,
        weights: Path | None = None,
        weights_sha256: str = "",
        idle_s: float = 180.0,
        lifetime_s: float = 43_200.0,
        settings: dict[str, str] | None = None,
    ) -> None:
        """Prepare a server; ``settings`` are further ``LLAMA_*`` variables of ``llama_server``."""
        super().__init__()
        self.key = key
        self.token = token
        self.port = free_port()
        self.control_port = free_port()
        self.pid_file = folder.run / "large.pid"
        self.log = folder.log / "large.log"
        self.stand_in = weights is None
        self.weights_sha256 = weights_sha256 or (WEIGHTS_SHA256 if weights is None else "")
        self._weights = weights
        self._idle_s = idle_s
        self._lifetime_s = lifetime_s
        self._settings = settings or {}

    @property
    def control_url(self) -> str:
        """The address of the control port, without a path."""
        return f"http://127.0.0.1:{self.control_port}"

    def addresses(self) -> dict[str, str]:
        """Return what the site's processes have to know; the key and the token are secrets of their own."""
        return {
            "LLM_GPU_URL": f"http://127.0.0.1:{self.port}",
            "LLM_GPU_RUNTIME": "llamacpp",
            "LLM_GPU_MODEL": ALIAS,
            "LLM_GPU_WEIGHTS_SHA256": self.weights_sha256,
            "LLM_GPU_PID_FILE": str(self.pid_file),
            "LLM_GPU_STAND_IN": "1" if self.stand_in else "0",
            "LLM_GPU_DRIVER": "on_demand",
            "LLM_GPU_WAKE_URL": f"{self.control_url}/wake",
            "LLM_GPU_SLEEP_URL": f"{self.control_url}/sleep",
            "LLM_GPU_STATE_URL": f"{self.control_url}/state",
            # Nobody sends a bill for it: its seconds are counted and cost nothing.
            "LLM_GPU_USD_PER_HOUR": os.environ.get("LLM_GPU_USD_PER_HOUR") or "0",
        }

    def start(self) -> None:
        """Start the control port; the model stays asleep."""
        environment = bare_environment() | {
            "LLAMA_WEIGHTS": str(self._weights or packaged_weights()),
            "LLAMA_WEIGHTS_SHA256": self.weights_sha256,
            "LLAMA_ALIAS": ALIAS,
            "LLAMA_KEY": self.key,
            "LLAMA_PORT": str(self.port),
            **self._settings,
            "ON_DEMAND_PORT": str(self.control_port),
            "ON_DEMAND_TOKEN": self.token,
            "ON_DEMAND_LOG": str(self.log),
            "ON_DEMAND_PID_FILE": str(self.pid_file),
            "ON_DEMAND_IDLE_S": str(self._idle_s),
            "ON_DEMAND_LIFETIME_S": str(self._lifetime_s),
        }
        self.child = Child(python_module("siteproject.stack.on_demand_server"), log=self.log, environment=environment)

    def ready(self) -> bool:
        """Say whether the control port answers."""
        return self.pid is not None and http_status("127.0.0.1", self.control_port, "/health") == 200


def wanted() -> bool:
    """Whether this stack is to make the large tier itself: no address is given, and no other driver."""
    return not os.environ.get("LLM_GPU_URL") and (os.environ.get("LLM_GPU_DRIVER") or "on_demand") == "on_demand"


def from_environment(folder: Folder, *, key: str, token: str) -> OnDemandServer:
    """Return the server as the operator chose it: weights, slots, context, limits."""
    weights = os.environ.get("LLM_GPU_WEIGHTS")
    slots = int(os.environ.get("LLM_GPU_SLOTS") or 2)
    context = int(os.environ.get("LLM_GPU_CONTEXT") or 2048)
    # Its own limit stands behind ours: it acts when nobody tells it to.
    limit_s = float(os.environ.get("LLM_GPU_PROVIDER_LIMIT_S") or 0) or _seconds("IDLE", 120) + _seconds("SWITCH", 60)
    return OnDemandServer(
        folder,
        key=key,
        token=token,
        weights=Path(weights) if weights else None,
        weights_sha256=os.environ.get("LLM_GPU_WEIGHTS_SHA256") or "",
        idle_s=limit_s,
        lifetime_s=_seconds("LIFETIME", 43_200),
        settings={"LLAMA_SLOTS": str(slots), "LLAMA_CONTEXT": str(slots * context)},
    )


def _seconds(name: str, default: float) -> float:
    return float(os.environ.get(f"LLM_GPU_{name}_S") or default)
