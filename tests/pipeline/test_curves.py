"""The drawing of the trade-off."""

from dataclasses import replace

import pytest

from headroom.heads.scores.lift import curve_of
from headroom.pipeline.report.curves import draw_tradeoff
from headroom.pipeline.report.style import drawing
from tests.heads.cells import make_cell, make_problem, scored_of


@pytest.mark.filterwarnings("default")
def test_the_points_are_the_heads_as_fitted_and_equal_scores_share_a_curve():
    problem = make_problem()
    none = make_cell(problem)
    cells = [make_cell(problem, balance="smote", skill=0.8), none, replace(none, key="t", balance="threshold")]
    scored = scored_of(cells, problem)
    with drawing() as figure:
        axes = figure.add_subplot()
        said = draw_tradeoff(axes, [(cell, scored[cell.key]) for cell in cells])
        lines = [line for line in axes.lines if line.get_linestyle() != "None"]
        points = {line.get_label(): line.get_xydata()[0].tolist() for line in axes.lines if line not in lines}
    assert len(lines) == 2
    curve = curve_of(scored[none.key])
    assert lines[0].get_xdata().tolist() == curve.accuracy[0][curve.best].tolist()
    assert list(points) == ["no balancing", "SMOTE", "thresholds"]
    for cell, point in zip((none, cells[0]), points.values(), strict=False):
        assert point == [scored[cell.key].metrics[name] for name in ("accuracy", "recall_macro")]
    assert f"SMOTE {points['SMOTE'][0]:.3f} / {points['SMOTE'][1]:.3f}" in said
