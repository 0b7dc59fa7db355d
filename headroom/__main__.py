"""``python -m headroom`` is ``headroom``."""

from headroom.pipeline.commands import main

main()
