"""The digest under which a cell is stored: equal keys mean that fitting again would give the same."""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from heads.balancing import BALANCERS
from heads.classifiers import HEADS, HeadRecord
from heads.problem import Problem
from heads.settings import GridSettings

FORMAT = 2  # raised whenever the same settings would lead to other scores

DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "sklearnex": "scikit-learn-intelex",
    "imblearn": "imbalanced-learn",
    "xgboost": "xgboost",
    "heads": "keras",
}
_WITHOUT_EFFECT = ("name", "title", "note", "cost")


def cell_key(problem: Problem, head: str, balance: str, settings: GridSettings) -> str:
    """Digest of problem, parameters, settings, format and the versions of the libraries that serve.

    Parameters
    ----------
    problem : Problem
    head, balance : str
    settings : GridSettings

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    described = {"problem": problem.fingerprint, "format": FORMAT, **describe(head, balance, settings)}
    if BALANCERS[balance].views and problem.views is not None:
        described["views"] = hashlib.sha256(np.ascontiguousarray(problem.views).data).hexdigest()
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def describe(head: str, balance: str, settings: GridSettings) -> dict[str, Any]:
    """Settings, parameters and library versions of a cell, ready for JSON."""
    records = {name: _parameters(HEADS[name], settings) for name in (head, *HEADS[head].members)}
    balancer = {name: value for name, value in asdict(BALANCERS[balance]).items() if name not in _WITHOUT_EFFECT}
    paths = [balancer["sampler"], *(record[path] for record in records.values() for path in ("build", "fast"))]
    modules = {"sklearn", *(path.partition(".")[0].partition(":")[0] for path in paths if path)}
    return {
        **asdict(settings),
        "heads": records,
        "balancer": balancer,
        "versions": {module: _version(DISTRIBUTIONS[module]) for module in sorted(modules)},
    }


def _parameters(record: HeadRecord, settings: GridSettings) -> dict[str, Any]:
    """What of a head's record determines its scores."""
    unread = _WITHOUT_EFFECT if settings.tune else (*_WITHOUT_EFFECT, "tune")
    return {name: value for name, value in asdict(record).items() if name not in unread}


@lru_cache
def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
