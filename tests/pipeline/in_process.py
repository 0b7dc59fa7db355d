"""Cells fitted in the process of the tests, for workers take seconds to start."""

import warnings

import pytest

from headroom.heads.crossval import fit_task


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit whatever a test fits in this process."""

    def here(tasks, *, jobs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for task in tasks:
                yield task, fit_task(task)

    monkeypatch.setattr("headroom.heads.grid.run_tasks", here)
    monkeypatch.setattr("headroom.heads.grid.has_intelex", lambda: False)  # it cannot share a process with OpenVINO
