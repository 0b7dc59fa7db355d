"""What runs a network: one record an engine, behind one small protocol."""

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from headroom.errors import FeatureError
from headroom.features.network import Network

PROBE_LIMIT = 0.02
REDUCED = ("bfloat16", "float16")
Pending = Callable[[], np.ndarray]


class NoDevice(FeatureError):
    """An engine cannot run on this machine as it is set up."""


class Engine(Protocol):
    """A loaded network that embeds batches of one fixed shape."""

    def start(self, pixels: np.ndarray) -> Pending:
        """Begin to embed uint8 ``(batch, size, size, 3)``; what is returned waits for the float32 ``(batch, dim)``."""


@dataclass(frozen=True)
class EngineRecord:
    """One way to run a network.

    Attributes
    ----------
    name : str
    module : str
        Module with ``set_up(networks, folder)``, ``load(network, precision, folder) -> Engine``,
        ``reduced_precisions() -> tuple of str`` and ``devices() -> list of environment variables``, one item a device.
    batch, probe : int
        Images a batch, and in the one of a probe: as many where another shape would be compiled anew.
    """

    name: str
    module: str
    batch: int
    probe: int = 16

    def set_up(self, networks: Sequence[Network], folder: Path) -> None:
        """Do what can be done for several networks side by side before each is loaded.

        Raises
        ------
        NoDevice
            The engine cannot run here.
        """
        importlib.import_module(self.module).set_up(networks, folder)

    def load(self, network: Network, precision: str, folder: Path) -> Engine:
        """Load a network at one precision; ``folder`` keeps what a later run can use again."""
        return importlib.import_module(self.module).load(network, precision, folder)

    def reduced_precisions(self) -> tuple[str, ...]:
        """Return the reduced precisions that this machine computes natively, the preferred one first."""
        return importlib.import_module(self.module).reduced_precisions()

    def devices(self) -> list[dict[str, str]]:
        """Return what a process must find in its environment to run on one device; one item a device."""
        return importlib.import_module(self.module).devices()


def _cpu_batch() -> int:
    """Images a batch on the CPU: enough micro-batches for every core; a power of two, for blocks are one."""
    return min(max(8 * (1 << ((os.cpu_count() or 1) - 1).bit_length()), 32), 256)


ENGINES: dict[str, EngineRecord] = {
    row.name: row
    for row in (
        EngineRecord("openvino", "headroom.features.engines.openvino", _cpu_batch()),
        EngineRecord("keras", "headroom.features.engines.keras", 128, probe=128),
    )
}


def choose_engine(asked: str) -> EngineRecord:
    """Return the engine that ``--engine`` names; ``auto`` is the first one that sees a GPU, else the first of all."""
    if asked != "auto":
        return ENGINES[asked]
    rows = list(ENGINES.values())
    return next((row for row in rows if row.devices() != [{}]), rows[0])


@dataclass(frozen=True)
class Decision:
    """At which precision a network runs on which engine, and how far its vectors were from float32 where it is less."""

    precision: str
    engine: str | None
    error: float | None = None


UNDECIDED = Decision("auto", None)


def load_probed(
    record: EngineRecord, network: Network, asked: str, folder: Path, probe: Callable[[], np.ndarray]
) -> tuple[Engine, Decision]:
    """Load a network at the precision that was asked for, or with ``auto`` at the best that passes the probe.

    ``probe`` gives one batch of real images, uint8 ``(batch, size, size, 3)``.

    Raises
    ------
    FeatureError
        A reduced precision was asked for by name and differs from float32 by more than 2 %.
    """
    candidates = [name for name in (record.reduced_precisions() if asked == "auto" else (asked,)) if name in REDUCED]
    exact = record.load(network, "float32", folder)
    if candidates:
        batch = probe()
        vectors = exact.start(batch)()
    for precision in candidates:
        fast = record.load(network, precision, folder)
        error = relative_error(fast.start(batch)(), vectors)
        if error <= PROBE_LIMIT:
            return fast, Decision(precision, record.name, error)
    if asked in REDUCED:
        raise FeatureError(
            got=f"{asked} vectors of {network.model} differ from float32 by {error:.1%} (limit {PROBE_LIMIT:.0%})",
            remedy="use --precision auto or float32",
        )
    return exact, Decision("float32", record.name)


def relative_error(values: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest relative distance of a row from its exact row; infinite where a value is not finite.

    Examples
    --------
    >>> round(relative_error(np.array([[3.0, 4.1]]), np.array([[3.0, 4.0]])), 3)
    0.02
    """
    if not np.isfinite(values).all():
        return float("inf")
    scale = np.linalg.norm(exact, axis=1)
    return float((np.linalg.norm(values - exact, axis=1) / np.maximum(scale, np.finfo(np.float32).tiny)).max())
