"""Whether the cache can be read back as it was written."""

from collections.abc import Iterator
from pathlib import Path

from headroom.errors import FeatureError, HeadError
from headroom.features.store import read_header, read_vectors
from headroom.heads.results import Results

ROWS = 8192


def damages(cache: Path) -> Iterator[str]:
    """Read every embedding file, whose vectors and settings carry checksums, and the results database.

    Parameters
    ----------
    cache : Path

    Yields
    ------
    str
        One line for each file that is damaged.
    """
    for path in sorted((cache / "embeddings").glob("*/*.h5")):
        try:
            rows = len(read_header(path).ids)
            for start in range(0, rows, ROWS):
                read_vectors(path, start, min(start + ROWS, rows))
        except FeatureError as error:
            yield f"{error.got}: {error.remedy}"
    database = cache / "results.db"
    if database.is_file():
        try:
            with Results(database) as results:
                for fingerprint in {cell.problem for cell in results.cells()}:
                    results.problem_info(fingerprint)
        except HeadError as error:
            yield f"{error.got}: {error.remedy}"


def leftovers(cache: Path) -> list[str]:
    """Say which extractions were interrupted; their finished blocks wait for the next run."""
    folders = sorted((cache / "embeddings").glob("*/*.blocks"))
    return [f"{folder} is of an interrupted extraction; run the same extract again to finish it" for folder in folders]
