"""One group of cells against another, paired on the folds that they share."""

from collections.abc import Mapping, Sequence

import numpy as np

from headroom.errors import HeadError
from headroom.heads.cell import Cell
from headroom.heads.scores.comparing import PAIRED_TESTS, test_train_ratio
from headroom.heads.scores.paired import ROPE, PairedResult
from headroom.heads.scores.pooled import ProblemInfo


def contrast(
    group: Sequence[Cell], against: Sequence[Cell], problems: Mapping[str, ProblemInfo], names: Sequence[str]
) -> dict[str, PairedResult]:
    """Test the mean of one group of cells against the mean of another, fold by fold.

    Parameters
    ----------
    group, against : sequence of Cell
        Fitted on the same folds of the same images; heads and models may differ.
    problems : mapping of str to ProblemInfo
        By fingerprint.
    names : sequence of str
        Metrics.

    Returns
    -------
    dict of str to PairedResult
        Group less against; the corrected resampled t-test of Nadeau and Bengio (2003) on the differences of the means.

    Raises
    ------
    HeadError
        A group is empty, or the cells do not share their folds.
    """
    if not group or not against:
        raise HeadError(got="a contrast with an empty group", remedy="fit the cells that it compares first")
    layouts = {
        tuple((fold.repeat, fold.fold, fold.labels.tobytes()) for fold in cell.folds) for cell in (*group, *against)
    }
    if len(layouts) > 1:
        raise HeadError(
            got="cells whose folds differ cannot be compared fold by fold",
            remedy="fit them with the same --folds, --repeats and --seed on the same images",
        )
    test = PAIRED_TESTS[group[0].protocol]
    means = [
        {
            name: np.mean([test.measure(cell, problems[cell.problem], [name])[name] for cell in cells], axis=0)
            for name in names
        }
        for cells in (group, against)
    ]
    ratio = test_train_ratio(group[0])
    return {name: test.test(means[0][name] - means[1][name], ratio, ROPE) for name in names}
