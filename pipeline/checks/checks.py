"""What may be wrong with a study: numbered checks, one record each, pure functions over `Evidence`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headroom.heads.balancing import BALANCERS, BalancerRecord
from headroom.heads.cell import Cell
from headroom.heads.samples import Problem
from headroom.heads.scores.comparing import contrast, plan_comparisons
from headroom.heads.scores.intervals import few_patients
from headroom.heads.scores.metrics import METRICS, number
from headroom.heads.scores.paired import SIGNIFICANT, detectable, holm
from headroom.heads.scores.recalibration import p_worse
from headroom.heads.scores.scored import Scored
from headroom.pipeline.cache import Cached
from headroom.pipeline.checks.facts import FILE_PROPERTIES, Evidence, gather
from headroom.pipeline.names import pick

USUAL_FOLDS = 5
USUAL_BALANCER = "smote"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    code, title : str
    find : callable
        Maps `Evidence` to a message, or to None where there is nothing to say.
    meaning, remedy : str
        Why it matters, what to do; a sentence or two.
    severity : str
        ``"error"``: the cache is damaged; ``"warning"``: numbers may mislead; ``"note"``: they could say more.
    """

    code: str
    title: str
    find: Callable[[Evidence], str | None]
    meaning: str
    remedy: str
    severity: str = "warning"

    @property
    def docs(self) -> str:
        """Where it is explained at length."""
        return f"docs/checks.md#{self.code.lower()}"

    def finding(self, message: str) -> dict[str, str]:
        """A message with all that is known of its check."""
        told = {"title": self.title, "meaning": self.meaning, "remedy": self.remedy}
        return {"code": self.code, "severity": self.severity, "message": message, "docs": self.docs} | told


def findings(
    cached: Cached,
    cells: Iterable[Cell],
    problems: Mapping[str, Problem],
    scored: Mapping[str, Scored],
    datasets: Iterable[str],
    data_dir: Path,
    ignored: Iterable[str] = (),
) -> list[dict[str, str]]:
    """Gather what is known of these data sets and judge it; as `run_checks` returns it.

    The images of a data set are looked for where they were embedded, then in ``data_dir``.
    """
    cells = list(cells)
    evidence = [gather(dataset, cached, cells, problems, scored, data_dir) for dataset in datasets]
    return run_checks([one for one in evidence if one is not None], ignored)


def run_checks(evidence: Iterable[Evidence], ignored: Iterable[str] = ()) -> list[dict[str, str]]:
    """Run every check but the ignored ones on every data set.

    Returns
    -------
    list of dict
        ``code``, ``severity``, ``message``, ``docs``, ``title``, ``meaning``, ``remedy``; in the order of the codes.
    """
    evidence, ignored = list(evidence), set(ignored)
    return [
        check.finding(f"{one.problem.dataset}: {message}")
        for check in CHECKS.values()
        if check.code not in ignored
        for one in evidence
        if (message := check.find(one)) is not None
    ]


def as_promised(found: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Of each finding what ``--json`` promises."""
    return [{name: one[name] for name in ("code", "severity", "message", "docs")} for one in found]


def muted(codes: Iterable[str]) -> list[str]:
    """The codes that ``--ignore`` names, in any case."""
    return pick("check", [code.upper() for code in codes], CHECKS)


def _conflicting(evidence: Evidence) -> str | None:
    if evidence.header is None:
        return None
    pairs = set(zip(evidence.header.content_hash.tolist(), evidence.problem.labels.tolist(), strict=True))
    conflicts = sum(labels > 1 for labels in Counter(content for content, _ in pairs).values())
    return f"{_number(conflicts, 'group')} of identical images with different labels" if conflicts else None


def _across_parts(evidence: Evidence) -> str | None:
    if evidence.header is None:
        return None
    trained, tested = (evidence.header.content_hash[evidence.problem.split == side] for side in ("train", "test"))
    shared = len(np.intersect1d(trained, tested))
    return f"{_number(shared, 'image')} with the same content in the official train and test parts" if shared else None


def _near_duplicates(evidence: Evidence) -> str | None:
    found = max(evidence.models, key=lambda model: model.near, default=None)
    if found is None or not found.near:
        return None
    one, two = found.pair
    pairs = _number(found.near, "pair")
    return f"{pairs} of near-duplicates may lie across folds (cosine above 0.99, {found.model}): {one} and {two}"


def _no_patients(evidence: Evidence) -> str | None:
    unknown = evidence.header is not None and not any(evidence.header.groups)
    return "no patient ids: two images of one patient may lie on both sides of a fold" if unknown else None


def _partly_patients(evidence: Evidence) -> str | None:
    groups = [] if evidence.header is None else list(evidence.header.groups)
    unknown = sum(not group for group in groups)
    said = f"{unknown:,} of {len(groups):,} images have no patient id: each counts as a patient of its own"
    return said if 0 < unknown < len(groups) else None


def _missing_class(evidence: Evidence) -> str | None:
    problem, cells = evidence.problem, evidence.scored.values()
    for k, name in enumerate(problem.classes):
        lacking = sum(int(((cell.tested[:, k] == 0) | (cell.before[:, k] == 0)).sum()) for cell in cells)
        if lacking:
            return f"class {name} is missing from one side of {_number(lacking, 'fold')}"
        independent = len(np.unique(problem.groups[problem.labels == k]))
        if not cells and independent < USUAL_FOLDS:
            return f"class {name} has {_number(independent, 'independent image')}, too few for {USUAL_FOLDS} folds"
    return None


def _few_neighbours(evidence: Evidence) -> str | None:
    folds, problem = [cell.before.min(axis=0) for cell in evidence.scored.values()], evidence.problem
    usual = np.bincount(problem.labels, minlength=len(problem.classes)) * (USUAL_FOLDS - 1) // USUAL_FOLDS
    smallest = np.min(folds or [usual], axis=0)
    at = int(smallest.argmin())
    kin, used = BALANCERS[USUAL_BALANCER], list(map(_balancer, evidence.cells)) or [BALANCERS[USUAL_BALANCER]]
    asked = {
        f"{kin.title} and its kin need {kin.least}"
        if record.synthetic and record.least == kin.least
        else f"{record.title} needs {record.least}"
        for record in used
        if record.least > max(smallest[at], 1)
    }
    images = _number(int(smallest[at]), "training image")
    return f"class {problem.classes[at]} has {images} in a fold; {_listed(asked)}" if asked else None


def _stale(evidence: Evidence) -> str | None:
    outdated = ", ".join(evidence.outdated)
    said = [f"{_number(len(evidence.changed), 'image')} changed or gone since extract"] * bool(evidence.changed)
    said += [f"results of {outdated} are from earlier embeddings"] * bool(outdated)
    return "; ".join(said) or None


def _unreadable(evidence: Evidence) -> str | None:
    if evidence.header is None or not evidence.header.bad:
        return None
    name, reason = next(iter(evidence.header.bad.items()))
    return f"{_number(len(evidence.header.bad), 'image')} could not be read and took no part: {name} ({reason}), ..."


HIGH_DIMENSION = 100


def _crowded_neighbours(evidence: Evidence) -> str | None:
    dims = {model.model: model.dim for model in evidence.models}
    found = {
        cell.balance: dims[cell.model]
        for cell in evidence.cells
        if cell.head == "knn" and _balancer(cell).synthetic and not cell.settings.get("reduce")
        if dims.get(cell.model, 0) > HIGH_DIMENSION
    }
    return f"k-NN with {_listed(found)} on {max(found.values())} columns" if found else None


FOUND_BY = "recall_macro"


def _worse_calibration(evidence: Evidence) -> str | None:
    pairs = [pair for pair in _honest_pairs(evidence) if _resamples(pair[0])]
    losses = [[evidence.scored[cell.key].calibration_loss for cell in pair] for pair in pairs]
    ranks = holm([number(p_worse(*each)) for each in losses])
    worse = {
        f"{cell.head} {cell.balance}": float(loss[0] - base[0])
        for (cell, _), (loss, base), p in zip(pairs, losses, ranks, strict=True)
        if p is not None and p < SIGNIFICANT
    }
    if not worse:
        return None
    worst = max(worse, key=lambda name: worse[name])
    many = f"{len(worse)} of {_number(len(pairs), 'resampled cell')}"
    return f"miscalibration costs more log loss in {many} (p < 0.05, Holm); most in {worst}: {worse[worst]:+.3f}"


SMALL = 0.03  # a difference in macro recall that is worth knowing of


def _insensitive(evidence: Evidence) -> str | None:
    tested = (contrast([cell], [base], evidence.scored, [FOUND_BY]) for cell, base in _honest_pairs(evidence))
    results = [each[FOUND_BY] for each in tested]
    found = [detectable(result.error, result.freedom) for result in results if result.error and result.freedom]
    if not found or min(found) <= SMALL:
        return None
    return (
        f"even the most sensitive test alone finds a true difference in {METRICS[FOUND_BY].title} in 80 % of cases "
        f"only if it is above {min(found):.3f}"
    )


def _no_simple_baseline(evidence: Evidence) -> str | None:
    fitted = [cell for cell in evidence.cells if cell.status == "fitted"]
    simple = {(cell.model, cell.head) for cell in fitted if _balancer(cell).weighted or _balancer(cell).threshold}
    lacking = {cell.head for cell in fitted if _resamples(cell) and (cell.model, cell.head) not in simple}
    return f"resampling without class-weight or threshold to compare with: {_listed(lacking)}" if lacking else None


DEAD_SHARE = 0.05


def _dead_columns(evidence: Evidence) -> str | None:
    said = [
        f"{model.model} has {_number(model.not_finite, 'column')} with values that are no numbers and "
        f"{model.dead} that never change, of {model.dim}"
        for model in evidence.models
        if model.not_finite or model.dead > DEAD_SHARE * model.dim
    ]
    return "; ".join(said) or None


def _too_few(evidence: Evidence) -> str | None:
    problem, protocols = evidence.problem, {cell.protocol for cell in evidence.cells}
    reason = few_patients(problem.groups, problem.labels)
    if reason or "split" not in protocols:
        return reason or None
    tested = problem.split == "test"
    reason = few_patients(problem.groups[tested], problem.labels[tested])
    return f"in the official test part {reason}" if reason else None


TELLING_SHARE = 0.25  # of the majority guess's errors that file properties may avoid


def _source(evidence: Evidence) -> str | None:
    told = evidence.files
    if told is None or (told.accuracy - told.majority) / (1 - told.majority) < TELLING_SHARE:
        return None
    return (
        f"the files give the class away: {', '.join(FILE_PROPERTIES)} alone predict it with accuracy "
        f"{told.accuracy:.2f} (majority {told.majority:.2f}), {told.telling} most"
    )


def _honest_pairs(evidence: Evidence) -> list[tuple[Cell, Cell]]:
    """Balanced cells with their baselines, but for those that leak."""
    cells = [cell for cell in evidence.cells if cell.protocol != "leaky"]
    return list(plan_comparisons(cells, evidence.scored).pairs)


def _balancer(cell: Cell) -> BalancerRecord:
    """The record of a cell's balancer; results may be of one that this installation does not know."""
    return BALANCERS.get(cell.balance, BalancerRecord(cell.balance, cell.balance))


def _resamples(cell: Cell) -> bool:
    return bool(_balancer(cell).sampler or _balancer(cell).views)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


# fmt: off
DAMAGE = Check("M000", "the cache is damaged", lambda _: None,
               "A file in the cache cannot be read back as it was written.",
               "Delete the file named and run the command that wrote it again; nothing else is lost.", severity="error")
"""Found by reading the cache (`headroom.pipeline.cache`); not to be muted."""

_RECORDS = (
    Check("M001", "identical images with different labels", _conflicting,
          "The same file carries two labels, so at least one is wrong and no head can get both right.",
          "Decide which label holds, or leave these images out."),
    Check("M002", "duplicates across parts", _across_parts,
          "Test images that were trained on flatter every published result on this split.",
          "Nothing here: protocol cv groups identical images, protocol split drops their training copies."),
    Check("M003", "near-duplicates across folds", _near_duplicates,
          "Neighbouring slices, re-encoded copies or two shots of one lesion are not independent, but are not grouped.",
          "Give patient ids (--group-column, --group-pattern), or look at the pairs and remove copies."),
    Check("M004", "no patient ids", _no_patients,
          "Images of one patient resemble each other; tested on a patient it was trained on, a head looks better.",
          "Give ids with --group-column or --group-pattern; if every image is another patient, mute this check."),
    Check("M005", "class missing from a fold", _missing_class,
          "Where a class is missing from a fold, its recall there is undefined and the mean over classes is another.",
          "Use fewer folds, add images of other patients, or leave the class out."),
    Check("M006", "class smaller than the neighbours asked", _few_neighbours,
          "SMOTE makes points between an image and its 5 nearest of the same class; with fewer it cannot.",
          "Use random-over, class-weight or threshold, use fewer folds, or add images."),
    Check("M007", "stale cache", _stale,
          "The report shows images as they were, not as they are.",
          "Run extract, then fit again; only what changed is computed."),
    Check("M008", "unreadable images", _unreadable,
          "Images left out are rarely left out at random: one scanner or one class may be missing.",
          "Mend or remove them and run extract again; extract --json lists all of them with reasons."),
    Check("M009", "k-NN with SMOTE in high dimension", _crowded_neighbours,
          "In many columns synthetic points lie nearer to everything than real images do, and win the vote.",
          "Use another head, random-over, or --reduce pca:50; see the k-NN rows of the leaderboard."),
    Check("M010", "resampling worsens calibration", _worse_calibration,
          "Resampling tells a head that classes are equally common; its probabilities then overstate the rare ones.",
          "Use threshold where probabilities are read; calibration on images that were not resampled did not suffice."),
    Check("M011", "only large differences can be found", _insensitive,
          "With few images, or few patients of a class, even a true gain is lost in the noise: 'no change shown' says "
          "little then.",
          "Collect more patients of the rarest class; more --repeats take out the noise of the folds.",
          severity="note"),
    Check("M012", "no class-weight or threshold baseline", _no_simple_baseline,
          "Much of what resampling gains comes from moving the decision; weights and thresholds need no new points.",
          "Fit with --balance class-weight --balance threshold too.", severity="note"),
    Check("M013", "dead or NaN columns", _dead_columns,
          "Columns that never change carry nothing; values that are no numbers mean a broken network or weights file.",
          "Check weights and preprocessing of that model, then run extract again."),
    Check("M014", "a class that comes from one source", _source,
          "Classes collected from different places differ in how files were made; a network can learn that instead.",
          "Collect all classes from every source, or re-encode all images alike and test on a set from elsewhere."),
    Check("M016", "too few patients", _too_few,
          "Intervals and p values rest on patients, not on images. With so few they miss their level: most are too "
          "wide, those of AUROC over repeats too short. What training on other patients would change is in none.",
          "Report the values of this set as a pilot; collect more patients of the class that is named."),
    Check("M017", "patients missing for part of the images", _partly_patients,
          "Images whose patient is unknown may be of one patient, and lie on both sides of a fold like strangers.",
          "Give a --group-pattern or --group-column that fits every image, or leave the others out."),
)
# fmt: on

CHECKS: dict[str, Check] = {record.code: record for record in _RECORDS}
"""Every check by code."""
