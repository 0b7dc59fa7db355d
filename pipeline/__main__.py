"""``python -m pipeline`` is ``headroom``."""

from pipeline.commands import main

main()
