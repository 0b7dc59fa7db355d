"""The digest under which a cell is stored: equal keys mean that fitting again would give the same."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

import numpy as np

from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import GridSettings, package_of
from headroom.heads.classifiers import HEADS, HeadRecord
from headroom.heads.samples import Problem

FORMAT = 2  # raised whenever the same settings would lead to other scores
_DETERMINES_NOTHING = ("name", "title", "note", "cost", "library", "identity", "synthetic")


def cell_key(problem: Problem, head: str, balance: str, settings: GridSettings) -> str:
    """Digest of problem, parameters, settings, format and the versions of the libraries that serve."""
    described = {"problem": problem.fingerprint, "format": FORMAT, **describe(head, balance, settings)}
    if BALANCERS[balance].views and problem.views is not None:
        described["views"] = hashlib.sha256(np.ascontiguousarray(problem.views).data).hexdigest()
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def describe(head: str, balance: str, settings: GridSettings) -> dict[str, Any]:
    """Settings, parameters and library versions of a cell, ready for JSON."""
    records = [HEADS[name] for name in (head, *HEADS[head].members)]
    balancer = {name: value for name, value in asdict(BALANCERS[balance]).items() if name not in _DETERMINES_NOTHING}
    libraries = {"sklearn": "", package_of(balancer["sampler"]): ""}
    for record in records:
        libraries |= {package_of(record.fast): "", package_of(record.identity or record.build): record.library}
    return {
        **asdict(settings),
        "heads": {record.name: _parameters(record, settings) for record in records},
        "balancer": balancer,
        "versions": {package: _version(package, library) for package, library in sorted(libraries.items()) if package},
    }


def _parameters(record: HeadRecord, settings: GridSettings) -> dict[str, Any]:
    """What of a head's record determines its scores."""
    unread = _DETERMINES_NOTHING if settings.tune else (*_DETERMINES_NOTHING, "tune")
    known = {name: value for name, value in asdict(record).items() if name not in unread}
    return known | {"build": record.identity or record.build}


@cache
def _version(package: str, library: str) -> str:
    """Version of a library, or of the one that an import package belongs to."""
    libraries = [library] if library else _distributions().get(package, [package])
    try:
        return version(libraries[0])
    except PackageNotFoundError:
        return "not installed"


@cache
def _distributions() -> dict[str, list[str]]:
    """Which libraries hold which import package; reads the metadata of all that is installed."""
    return dict(packages_distributions())
