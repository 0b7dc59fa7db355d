"""``headroom`` in a process of its own, with the fake engine: ``python -m tests.launch extract ...``.

Before it leaves, it writes the heavy packages that were imported to the file that LAUNCH_MODULES names.
"""

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

HEAVY = (
    *("tensorflow", "keras", "openvino", "torch", "jax"),
    *("numpy", "sklearn", "imblearn", "xgboost", "matplotlib"),
)
BLOCK = "BLOCK_IMAGES"


def install() -> None:
    """Put the fake backbones and the fake engine into the tables."""
    import headroom.features.backbones
    import headroom.features.engines
    from tests import fake_engine

    for record in (fake_engine.BACKBONE, fake_engine.OTHER_BACKBONE):
        headroom.features.backbones.BACKBONES[record.name] = record
    headroom.features.engines.ENGINES["openvino"] = headroom.features.engines.EngineRecord(
        "openvino", "tests.fake_engine", fake_engine.BATCH
    )
    if "LAUNCH_BLOCK" in os.environ:
        for module in with_block_size():
            setattr(module, BLOCK, int(os.environ["LAUNCH_BLOCK"]))


def with_block_size() -> list[ModuleType]:
    """Return the modules of stage one that know how many images make a block."""
    import headroom.features.extract  # noqa: F401 - it imports the others

    return [
        module
        for name, module in sys.modules.items()
        if name.startswith("headroom.features.") and hasattr(module, BLOCK)
    ]


if __name__ == "__main__":
    from headroom.pipeline.commands import main

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start deaf to it
    if os.environ.get("LAUNCH_PLAIN") is None:
        install()
    try:
        main()
    finally:
        if "LAUNCH_MODULES" in os.environ:
            Path(os.environ["LAUNCH_MODULES"]).write_text(" ".join(name for name in HEAVY if name in sys.modules))
