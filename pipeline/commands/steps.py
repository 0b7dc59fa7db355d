"""Run other commands of headroom as a user would, each in a process of its own."""

import subprocess
import sys
from collections.abc import Iterable

from headroom.pipeline.console import COULD_NOT, say, stop


def run_step(arguments: list[str], *, needed: bool = True) -> bool:
    """Run one command of headroom and show it; its failure ends everything where it is ``needed``."""
    say(f"\n$ headroom {' '.join(arguments)}")
    done = subprocess.run([sys.executable, "-P", "-m", "headroom", *arguments], check=False)
    if done.returncode and needed:
        stop(f"'headroom {arguments[0]}' ended with exit code {done.returncode}", "see its error above", COULD_NOT)
    return done.returncode == 0


def repeat(option: str, values: Iterable[str]) -> list[str]:
    """An option once for each value: ``--head svm --head knn``."""
    return [word for value in values for word in (option, value)]
