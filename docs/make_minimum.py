"""Write tests/minimum.txt, the oldest versions that pyproject.toml allows: ``make docs``; CI tests with them too."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "tests" / "minimum.txt"
LEAST = re.compile(r"([\w.-]+)>=([\d.]+).*")


def page() -> str:
    """A line for each dependency, as pip takes them with ``--constraint``."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    return "".join(LEAST.sub(r"\1==\2", dependency) + "\n" for dependency in dependencies)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
