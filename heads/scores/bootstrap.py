"""Bootstrap of metrics with whole groups drawn, for intervals and for paired differences.

Groups (patients, identical images) are drawn with replacement, not rows, because rows of one group are not
independent (Field and Welsh 2007, "Bootstrapping clustered data").
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from headroom.heads.scores.metrics import METRICS, MetricRecord, evaluate
from headroom.heads.scores.predictions import Sums

REPLICATES = 1000
BLOCK_VALUES = 8_000_000  # case weights that are worked on at a time: bounds the memory of large data sets


def draw_weights(groups: np.ndarray, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """Draw bootstrap replicates of whole groups.

    Parameters
    ----------
    groups : ndarray, shape (n,)
        Group of each case.
    replicates : int
    seed : int

    Returns
    -------
    ndarray of uint16, shape (n, replicates), read-only
        How often each case counts in each replicate; equal within a group. The same groups and seed give the same
        replicates, so that results of different heads are paired.

    Examples
    --------
    >>> import numpy as np
    >>> draw_weights(np.array([7, 7, 3]), replicates=4)
    array([[2, 1, 0, 0],
           [2, 1, 0, 0],
           [0, 1, 2, 2]], dtype=uint16)
    """
    _, of_case = np.unique(groups, return_inverse=True)
    return _drawn(of_case.astype(np.int64).tobytes(), replicates, seed)


@lru_cache(maxsize=2)
def _drawn(of_case: bytes, replicates: int, seed: int) -> np.ndarray:
    """Weights for group numbers 0, 1, ...; kept, because the cells of one problem follow each other."""
    groups = np.frombuffer(of_case, np.int64)
    n_groups = int(groups.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    weights = np.empty((n_groups, replicates), np.uint16)
    for replicate in range(replicates):
        weights[:, replicate] = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
    of_cases = weights[groups]
    of_cases.flags.writeable = False
    return of_cases


def drawn_metrics(
    repeats: Sequence[Sums], ordinal: bool, tables: Sequence[Mapping[str, MetricRecord]] = (METRICS,)
) -> list[dict[str, np.ndarray]]:
    """Compute metrics on bootstrap replicates.

    Parameters
    ----------
    repeats : sequence of Sums
        The predictions of each repeat of the cross-validation, with the weights of `draw_weights`.
    ordinal : bool
        Whether the classes are ordered.
    tables : sequence of mapping of str to MetricRecord
        Of `METRICS` and `PER_CLASS`.

    Returns
    -------
    list of dict of str to ndarray, shape (b,), or (b, k) for `PER_CLASS`
        One a table. Each metric averaged over the repeats; NaN where it is undefined in a replicate.

    Examples
    --------
    >>> import numpy as np
    >>> from headroom.heads.scores.predictions import Predictions
    >>> predictions = Predictions(np.array([0, 1, 1]), np.array([0, 1, 0]), np.eye(2)[[0, 1, 0]], 2)
    >>> sums = Sums(predictions, np.array([[1, 2], [1, 1], [1, 0]]))
    >>> drawn_metrics([sums], False)[0]["accuracy"].round(3)
    array([0.667, 1.   ])
    """
    found = [[evaluate(block, ordinal, table=table) for table in tables] for block in blocks(repeats)]
    return [{name: np.concatenate([each[name] for each in of]) for name in of[0]} for of in zip(*found, strict=True)]


def blocks(repeats: Sequence[Sums]) -> Iterator[list[Sums]]:
    """A few replicates at a time, in single precision (exact for counts up to 16 million)."""
    cases, replicates = repeats[0].weights.shape
    size = max(BLOCK_VALUES // max(cases, 1), 16)
    for start in range(0, replicates, size):
        here = slice(start, start + size)
        yield [Sums(sums.predictions, sums.weights[:, here].astype(np.float32)) for sums in repeats]
