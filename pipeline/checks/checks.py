"""What may be wrong with a study: numbered checks, one record each, pure functions over `Evidence`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from headroom.heads.balancing import BALANCERS
from headroom.heads.cell import Cell
from headroom.heads.scores.comparing import plan_comparisons
from headroom.pipeline.checks.facts import FILE_PROPERTIES, Evidence
from headroom.pipeline.names import pick

USUAL_FOLDS = 5
FEW_DIFFERENCES = 10
HIGH_DIMENSION = 100
WORSE_CALIBRATION = 0.02
DEAD_SHARE = 0.05
TELLING_SHARE = 0.25  # of the majority guess's errors that file properties may avoid
NEIGHBOURS = max(record.least for record in BALANCERS.values())
SYNTHETIC = {name for name, record in BALANCERS.items() if record.least == NEIGHBOURS}
RESAMPLING = {name for name, record in BALANCERS.items() if record.sampler or record.views}
WITHOUT_RESAMPLING = ("class-weight", "threshold")


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    code, title : str
    severity : str
        ``"error"``: the cache is damaged; ``"warning"``: numbers may mislead; ``"note"``: they could say more.
    find : callable
        Maps `Evidence` to a message, or to None where there is nothing to say.
    meaning, remedy : str
        Why it matters, what to do; a sentence or two.
    """

    code: str
    title: str
    severity: str
    find: Callable[[Evidence], str | None]
    meaning: str
    remedy: str

    @property
    def docs(self) -> str:
        """Where it is explained at length."""
        return f"docs/checks.md#{self.code.lower()}"

    def finding(self, message: str) -> dict[str, str]:
        """Return a message with all that is known of its check."""
        told = {"title": self.title, "meaning": self.meaning, "remedy": self.remedy}
        return {"code": self.code, "severity": self.severity, "message": message, "docs": self.docs} | told


def run_checks(evidence: Iterable[Evidence], ignored: Iterable[str] = ()) -> list[dict[str, str]]:
    """Run every check on every data set.

    Parameters
    ----------
    evidence : iterable of Evidence
    ignored : iterable of str
        Codes that are muted.

    Returns
    -------
    list of dict
        ``code``, ``severity``, ``message``, ``docs``, ``title``, ``meaning``, ``remedy``; in the order of the codes.
    """
    evidence, ignored = list(evidence), set(ignored)
    return [
        check.finding(f"{one.dataset}: {message}")
        for check in CHECKS.values()
        if check.code not in ignored
        for one in evidence
        if (message := check.find(one)) is not None
    ]


def as_promised(found: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Keep of each finding what ``--json`` promises."""
    return [{name: one[name] for name in ("code", "severity", "message", "docs")} for one in found]


def muted(codes: Iterable[str]) -> list[str]:
    """Return the codes that ``--ignore`` names, in any case.

    Examples
    --------
    >>> muted(["m004"])
    ['M004']
    """
    return pick("check", [code.upper() for code in codes], CHECKS)


def _conflicting(evidence: Evidence) -> str | None:
    _, content = np.unique(evidence.contents, return_inverse=True)
    pairs = np.unique(np.column_stack([content, evidence.labels[: len(content)]]), axis=0)
    conflicts = int((np.bincount(pairs[:, 0]) > 1).sum()) if len(content) else 0
    return f"{_number(conflicts, 'group')} of identical images with different labels" if conflicts else None


def _across_parts(evidence: Evidence) -> str | None:
    trained, tested = (evidence.contents[evidence.split == side] for side in ("train", "test"))
    shared = len(np.intersect1d(trained, tested))
    return f"{_number(shared, 'image')} with the same content in the official train and test parts" if shared else None


def _near_duplicates(evidence: Evidence) -> str | None:
    found = max(evidence.models, key=lambda model: len(model.near), default=None)
    if found is None or not found.near:
        return None
    one, two = found.near[0]
    pairs = _number(len(found.near), "pair")
    return f"{pairs} of near-duplicates may lie across folds (cosine above 0.99, {found.model}): {one} and {two}"


def _no_patients(evidence: Evidence) -> str | None:
    unknown = bool(len(evidence.patients)) and not (evidence.patients != "").any()
    return "no patient ids: two images of one patient may lie on both sides of a fold" if unknown else None


def _missing_class(evidence: Evidence) -> str | None:
    folds = [sides for one in evidence.scored.values() for sides in zip(one.tested, one.before, strict=True)]
    for k, name in enumerate(evidence.classes):
        lacking = sum(not tested[k] or not before[k] for tested, before in folds)
        if lacking:
            return f"class {name} is missing from one side of {_number(lacking, 'fold')}"
        independent = len(np.unique(evidence.groups[evidence.labels == k]))
        if not folds and independent < USUAL_FOLDS:
            return f"class {name} has {_number(independent, 'independent image')}, too few for {USUAL_FOLDS} folds"
    return None


def _few_neighbours(evidence: Evidence) -> str | None:
    folds = [before for one in evidence.scored.values() for before in one.before]
    usual = np.bincount(evidence.labels, minlength=len(evidence.classes)) * (USUAL_FOLDS - 1) // USUAL_FOLDS
    least = np.min(folds or [usual], axis=0)
    if least.min() >= NEIGHBOURS:
        return None
    at = int(least.argmin())
    images = _number(int(least[at]), "training image")
    return f"class {evidence.classes[at]} has {images} in a fold; SMOTE and its kin need {NEIGHBOURS}"


def _stale(evidence: Evidence) -> str | None:
    outdated = [model.model for model in evidence.models if model.outdated]
    said = [f"{_number(len(evidence.changed), 'image')} changed or gone since extract"] * bool(evidence.changed)
    said += [f"results of {', '.join(outdated)} are from earlier embeddings"] * bool(outdated)
    return "; ".join(said) or None


def _unreadable(evidence: Evidence) -> str | None:
    if not evidence.unreadable:
        return None
    name, reason = next(iter(evidence.unreadable.items()))
    return f"{_number(len(evidence.unreadable), 'image')} could not be read and took no part: {name} ({reason}), ..."


def _crowded_neighbours(evidence: Evidence) -> str | None:
    dims = {model.model: model.dim for model in evidence.models}
    found = [
        cell.balance
        for cell in evidence.cells
        if cell.head == "knn" and cell.balance in SYNTHETIC and not cell.settings.get("reduce")
        if dims.get(cell.model, 0) > HIGH_DIMENSION
    ]
    return f"k-NN with {_listed(found)} on {max(dims.values())} columns" if found else None


def _calibration(evidence: Evidence, cell: Cell) -> float:
    return evidence.scored[cell.key].metrics["ece"] or 0.0


def _worse_calibration(evidence: Evidence) -> str | None:
    rises = {
        f"{cell.head} {cell.balance}": _calibration(evidence, cell) - _calibration(evidence, base)
        for cell, base in plan_comparisons(evidence.cells, evidence.scored).pairs
        if cell.balance in RESAMPLING
    }
    worse = [name for name, rise in rises.items() if rise > WORSE_CALIBRATION]
    if not worse:
        return None
    worst = max(worse, key=lambda name: rises[name])
    many = f"{len(worse)} of {_number(len(rises), 'resampled cell')}"
    return f"calibration error rises by more than {WORSE_CALIBRATION} in {many}; most in {worst}: {rises[worst]:+.3f}"


def _few_folds(evidence: Evidence) -> str | None:
    pairs = [cell for cell, _ in plan_comparisons(evidence.cells, evidence.scored).pairs if cell.protocol != "split"]
    folds = [len(evidence.scored[cell.key].tested) for cell in pairs]
    few = [count for count in folds if count < FEW_DIFFERENCES]
    return f"{_number(len(few), 'comparison')} rest on {min(few)} folds: small effects stay unseen" if few else None


def _no_simple_baseline(evidence: Evidence) -> str | None:
    fitted = {(cell.model, cell.head, cell.balance) for cell in evidence.cells if cell.status == "fitted"}
    resampled = {(model, head) for model, head, balance in fitted if balance in RESAMPLING}
    lacking = {
        head for model, head in resampled if not any((model, head, balance) in fitted for balance in WITHOUT_RESAMPLING)
    }
    return f"resampling without class-weight or threshold to compare with: {_listed(lacking)}" if lacking else None


def _dead_columns(evidence: Evidence) -> str | None:
    said = [
        f"{model.model} has {_number(model.not_finite, 'column')} with values that are no numbers and "
        f"{model.dead} that never change, of {model.dim}"
        for model in evidence.models
        if model.not_finite or model.dead > DEAD_SHARE * model.dim
    ]
    return "; ".join(said) or None


def _source(evidence: Evidence) -> str | None:
    """Let a small tree guess the label from the file, not the picture (Kapoor and Narayanan 2023 on such leaks)."""
    if evidence.properties is None or evidence.property_labels is None:
        return None
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    labels = evidence.property_labels
    counts = np.bincount(labels, minlength=1)
    if np.count_nonzero(counts) < 2 or counts[counts > 0].min() < USUAL_FOLDS:
        return None
    columns = np.column_stack([_as_numbers(column) for column in evidence.properties.T])
    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=max(5, len(labels) // 200), random_state=0)
    folds = StratifiedKFold(USUAL_FOLDS, shuffle=True, random_state=0)
    accuracy = float((cross_val_predict(tree, columns, labels, cv=folds) == labels).mean())
    majority = float(counts.max() / len(labels))
    if (accuracy - majority) / (1 - majority) < TELLING_SHARE:
        return None
    telling = FILE_PROPERTIES[int(tree.fit(columns, labels).feature_importances_.argmax())]
    return (
        f"the files give the class away: {', '.join(FILE_PROPERTIES)} alone predict it with accuracy {accuracy:.2f} "
        f"(majority {majority:.2f}), {telling} most"
    )


def _as_numbers(column: np.ndarray) -> np.ndarray:
    """Numbers as they are, texts by their rank."""
    if all(isinstance(value, int) for value in column):
        return column.astype(float)
    return np.unique(column.astype(str), return_inverse=True)[1].astype(float)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


DAMAGE = Check(
    "M000",
    "the cache is damaged",
    "error",
    lambda _: None,
    "A file in the cache cannot be read back as it was written.",
    "Delete the file named and run the command that wrote it again; nothing else is lost.",
)
"""Found by reading the cache (`headroom.pipeline.cache`); not to be muted."""

_RECORDS = (
    Check(
        "M001",
        "identical images with different labels",
        "warning",
        _conflicting,
        "The same file carries two labels, so at least one is wrong and no head can get both right.",
        "Decide which label holds, or leave these images out.",
    ),
    Check(
        "M002",
        "duplicates across parts",
        "warning",
        _across_parts,
        "Test images that were trained on flatter every published result on this split.",
        "Nothing here: protocol cv groups identical images, protocol split drops their training copies.",
    ),
    Check(
        "M003",
        "near-duplicates across folds",
        "warning",
        _near_duplicates,
        "Neighbouring slices, re-encoded copies or two shots of one lesion are not independent, but are not grouped.",
        "Give patient ids (--group-column, --group-pattern), or look at the pairs and remove copies.",
    ),
    Check(
        "M004",
        "no patient ids",
        "warning",
        _no_patients,
        "Images of one patient resemble each other; tested on a patient it was trained on, a head looks better.",
        "Give ids with --group-column or --group-pattern; if every image is another patient, mute this check.",
    ),
    Check(
        "M005",
        "class missing from a fold",
        "warning",
        _missing_class,
        "Where a class is missing from a fold, its recall there is undefined and the mean over classes is another.",
        "Use fewer folds, add images of other patients, or leave the class out.",
    ),
    Check(
        "M006",
        "class smaller than the neighbours asked",
        "warning",
        _few_neighbours,
        "SMOTE makes points between an image and its 5 nearest of the same class; with fewer it cannot.",
        "Use random-over, class-weight or threshold, use fewer folds, or add images.",
    ),
    Check(
        "M007",
        "stale cache",
        "warning",
        _stale,
        "The report shows images as they were, not as they are.",
        "Run extract, then fit again; only what changed is computed.",
    ),
    Check(
        "M008",
        "unreadable images",
        "warning",
        _unreadable,
        "Images left out are rarely left out at random: one scanner or one class may be missing.",
        "Mend or remove them and run extract again; extract --json lists all of them with reasons.",
    ),
    Check(
        "M009",
        "k-NN with SMOTE in high dimension",
        "warning",
        _crowded_neighbours,
        "In many columns synthetic points lie nearer to everything than real images do, and win the vote.",
        "Use another head, random-over, or --reduce pca:50; see the k-NN rows of the leaderboard.",
    ),
    Check(
        "M010",
        "resampling worsens calibration",
        "warning",
        _worse_calibration,
        "Resampling tells a head that classes are equally common; its probabilities then overstate the rare ones.",
        "Use threshold where probabilities are read, or calibrate on data that was not resampled.",
    ),
    Check(
        "M011",
        "few folds for a paired test",
        "note",
        _few_folds,
        "The corrected t test has as many differences as folds; with few it misses all but large effects.",
        "Fit with --repeats 5 or more.",
    ),
    Check(
        "M012",
        "no class-weight or threshold baseline",
        "note",
        _no_simple_baseline,
        "Much of what resampling gains comes from moving the decision; weights and thresholds need no new points.",
        "Fit with --balance class-weight --balance threshold too.",
    ),
    Check(
        "M013",
        "dead or NaN columns",
        "warning",
        _dead_columns,
        "Columns that never change carry nothing; values that are no numbers mean a broken network or weights file.",
        "Check weights and preprocessing of that model, then run extract again.",
    ),
    Check(
        "M014",
        "a class that comes from one source",
        "warning",
        _source,
        "Classes collected from different places differ in how files were made; a network can learn that instead.",
        "Collect all classes from every source, or re-encode all images alike and test on a set from elsewhere.",
    ),
)

CHECKS: dict[str, Check] = {record.code: record for record in _RECORDS}
"""Every check by code."""
