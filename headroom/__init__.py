"""Which frozen CNN, classical head and class balancing is best on your images, and is SMOTE worth it?

Three functions do what the commands of their names do, take their options by the same names, and return what
``--json`` writes; a fourth hands the vectors to code of your own. `docs/python.md` walks through all of them.

The signatures and the sentences on parameters are also what the command line offers and what ``--help`` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from headroom.errors import FeatureError, HeadError, HeadroomError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from headroom.pipeline.notebook import EmbeddedSet

Place = str | PathLike[str]

__all__ = ["FeatureError", "HeadError", "HeadroomError", "UsageError", "extract", "fit", "load_embeddings", "report"]


def extract(
    model: str | Sequence[str],
    dataset: Place,
    *,
    weights: Place | Sequence[Place] = "imagenet",
    labels: Place | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    group_pattern: str | None = None,
    ordinal: bool = False,
    name: str | None = None,
    size: int | None = None,
    pooling: Literal["avg", "max"] = "avg",
    preprocessing: Literal["none", "unit", "caffe", "torch"] | None = None,
    engine: Literal["auto", "openvino", "keras"] = "auto",
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    views: int = 0,
    mirror: bool | None = None,
    max_bad: float = 0.01,
    data_dir: Place | None = None,
    cache: Place | None = None,
    jobs: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Turn images into pooled embeddings of frozen CNNs, once; what is cached is not computed again.

    Parameters
    ----------
    model : str or sequence of str
        Backbone (``headroom models`` lists them), wildcard such as ``"densenet*"``, or ``.keras`` file; several share
        one pass over the images.
    dataset : str or path
        Name (``headroom datasets`` lists them) or folder.
    weights : str, path or sequence of them
        ``"imagenet"``, ``"random"``, or a Keras weights file; once for all models or once each.
    labels : path, optional
        CSV file with one image a row; without it a ``labels.csv`` in the folder, else one folder a class.
    image_column : str, default: recognised
        Column of that file with the image names.
    label_column : str, default: recognised
        Column with the labels.
    group_column : str, default: recognised
        Column with the patients.
    group_pattern : str, optional
        Regular expression; its first group in a file's path is the patient.
    ordinal : bool
        The classes are ordered grades.
    name : str, default: the folder's
        Keep the data set under this name.
    size : int, default: the backbone's own
        Side of the input in pixels.
    pooling : {"avg", "max"}
        How feature maps become vectors.
    preprocessing : {"none", "unit", "caffe", "torch"}, optional
        For a ``.keras`` file of your own that does not rescale inside.
    engine : {"auto", "openvino", "keras"}
        ``"auto"``: Keras on a GPU, OpenVINO on a CPU.
    precision : {"auto", "float32", "bfloat16", "float16"}
        ``"auto"``: reduced where the hardware has it and vectors stay within 2 %.
    views : int, 0 to 50
        Augmented views to embed too, for class balancing by ``"augment"``.
    mirror : bool, default: by data set; else yes
        Whether views may be mirrored.
    max_bad : float, 0 to 1
        Share of unreadable images that is still no error.
    data_dir : path, default: ``$HEADROOM_DATA`` or ``data``
        Where data sets lie, each in a folder of its name.
    cache : path, default: ``$HEADROOM_CACHE`` or ``cache``
        Where embeddings, results and reports are kept.
    jobs : int, 0 or more
        Threads at a time; 0: all cores.
    seed : int, 0 or more
        Seed of everything that is drawn at random.
    progress : bool
        Show progress and notes on stderr.

    Returns
    -------
    dict
        ``dataset``, its name in the cache; ``runs``, a dict for each model and view: ``model``, ``view``, ``dim``,
        ``images``, ``computed``, ``reused``, ``bad`` (path and reason each), ``seconds``, ``images_per_second``,
        ``engine``, ``precision``, ``precision_error``, ``weights``, ``file``; ``without_patient``, images
        without a patient id; ``notes``, lines worth reading.

    Raises
    ------
    UsageError
        An option or a name is wrong; the nearest right ones are named.
    FeatureError
        Weights or labels do not fit, or more than ``max_bad`` of the images are unreadable.

    Examples
    --------
    >>> done = headroom.extract(["mobilenet", "xception"], "scans")
    >>> [(run["model"], run["dim"], run["computed"], run["reused"]) for run in done["runs"]]
    [('mobilenet', 1024, 72, 0), ('xception', 2048, 72, 0)]
    """
    return _notebook().answer("extract", **locals())


def fit(
    head: str | Sequence[str],
    *,
    balance: str | Sequence[str] | None = None,
    smote: bool = False,
    model: str | Sequence[str] | None = None,
    dataset: str | Sequence[str] | None = None,
    folds: int = 5,
    repeats: int | None = None,
    protocol: Literal["cv", "split", "leaky"] = "cv",
    reduce: str | None = None,
    tune: bool = False,
    criterion: Literal["recall_macro", "kappa_quadratic", "accuracy", "f1_macro", "cost"] = "recall_macro",
    cost: str | Sequence[str] | None = None,
    balance_seeds: int = 1,
    cache: Place | None = None,
    jobs: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Cross-validate heads with and without class balancing; a cell that is there is not fitted again.

    Without balancing every head is fitted too, to compare with. Whatever is fitted to data (scaling, reduction,
    balancing, head, calibration) sees the training part of a fold only.

    Parameters
    ----------
    head : str or sequence of str
        Classical head, wildcard or ``"all"``.
    balance : str or sequence of str, default: none
        Class balancing, wildcard or ``"all"``.
    smote : bool
        Short for balancing by ``"smote"``.
    model : str or sequence of str, default: all stored
        Stored embeddings; ``"mobilenet+xception"`` joins two.
    dataset : str or sequence of str, default: all stored
        Stored data set.
    folds : int, 2 to 100
        Folds of a repeat.
    repeats : int, 1 to 100, default: 3, or 1 above 10,000 images
        Repeats of the cross-validation.
    protocol : {"cv", "split", "leaky"}
        ``"cv"``: grouped cross-validation; ``"split"``: official split; ``"leaky"``: resampled before the split, which
        is not to be reported.
    reduce : str, optional
        ``"pca:50"`` keeps 50 principal components.
    tune : bool
        Search each head's parameters inside the folds.
    criterion : {"recall_macro", "kappa_quadratic", "accuracy", "f1_macro", "cost"}
        What ``tune`` and balancing by ``"threshold"`` look for; ``"kappa_quadratic"`` needs ordered classes.
    cost : str or sequence of str, default: 1 a class
        ``"severe=5"``: missing an image of this class costs 5, of a class not named 1; with criterion ``"cost"``.
    balance_seeds : int, 1 to 100
        Resample every fold with so many seeds, to show how much the numbers vary through them alone.
    cache : path, default: ``$HEADROOM_CACHE`` or ``cache``
        Where embeddings, results and reports are kept.
    jobs : int, 0 or more
        Processes at a time; 0: all cores.
    seed : int, 0 or more
        Seed of everything that is drawn at random.
    progress : bool
        Show progress and notes on stderr.

    Returns
    -------
    dict
        ``cells``, a flat dict each: ``dataset``, ``model``, ``head``, ``balance``, ``status`` ("fitted", "reused" or
        "failed"), ``reason``, ``seconds``, ``repeats``; ``seconds`` in all; ``notes``, lines worth reading.

    Raises
    ------
    UsageError
        An option or a name is wrong, or nothing is stored.
    HeadError
        No cell could be fitted.

    Examples
    --------
    >>> done = headroom.fit(["svm", "logreg"], smote=True, dataset="scans", model="mobilenet")
    >>> pandas.DataFrame(done["cells"])[["head", "balance", "status"]]
         head balance  status
    0     svm    none  fitted
    1  logreg    none  fitted
    2     svm   smote  fitted
    3  logreg   smote  fitted
    """
    return _notebook().answer("fit", **locals())


def report(
    *,
    dataset: str | Sequence[str] | None = None,
    model: str | Sequence[str] | None = None,
    criterion: Literal["recall_macro", "kappa_quadratic", "accuracy", "f1_macro"] = "recall_macro",
    rope: float = 0.01,
    positive: str | None = None,
    ignore: str | Sequence[str] | None = None,
    data_dir: Place | None = None,
    cache: Place | None = None,
) -> dict[str, Any]:
    """Show which combination is best, with intervals, and every balancer against none on the same folds.

    Parameters
    ----------
    dataset : str or sequence of str, default: all
        Only these data sets.
    model : str or sequence of str, default: all
        Only these models. No p changes: it is corrected for all that is fitted on a data set.
    criterion : {"recall_macro", "kappa_quadratic", "accuracy", "f1_macro"}
        What ranks and judges; kappa_quadratic needs ordered classes.
    rope : float, 0 to 1
        A difference no larger is practically none.
    positive : str, default: the rarer
        With two classes, the one whose recall is the sensitivity.
    ignore : str or sequence of str, default: none
        Mute a check, for example ``"M004"``.
    data_dir : path, default: ``$HEADROOM_DATA`` or ``data``
        Where data sets lie, each in a folder of its name; without the images only the checks on files are left out.
    cache : path, default: ``$HEADROOM_CACHE`` or ``cache``
        Where embeddings, results and reports are kept.

    Returns
    -------
    dict
        ``rows``, ``comparisons``, ``lifts`` and ``checks``, as ``report --json`` writes them. Each row also has its
        metrics and the bounds of their 95 % intervals as columns, such as ``mcc``, ``mcc_low`` and ``mcc_high`` (None
        where undefined), so that ``rows``, like the other three, makes a data frame as it is.

    Raises
    ------
    UsageError
        A name is wrong, or nothing is fitted.

    Examples
    --------
    >>> found = headroom.report(dataset="scans", ignore="M004")
    >>> rows = pandas.DataFrame(found["rows"])
    >>> bool(((rows["mcc_low"] <= rows["mcc"]) & (rows["mcc"] <= rows["mcc_high"])).all())
    True
    >>> gains = pandas.DataFrame(found["comparisons"]).query("metric == 'recall_macro'")
    >>> sorted(gains["head"] + ": " + gains["balance"] + " against " + gains["against"])
    ['logreg: smote against none', 'svm: smote against none']
    """
    return _notebook().report(**locals())


def load_embeddings(dataset: str, model: str, *, cache: Place | None = None) -> EmbeddedSet:
    """The vectors of one data set and model with labels and groups, for an estimator of your own.

    Parameters
    ----------
    dataset, model : str
        As stored by `extract`; ``"mobilenet+xception"`` joins two models, and ``"mobilenet@1a2b3c4d"`` is one of
        several files of a model.
    cache : path, default: ``$HEADROOM_CACHE`` or ``cache``
        Where embeddings, results and reports are kept.

    Returns
    -------
    EmbeddedSet
        Unpacks as ``X`` (n, d) float32, ``y`` (n,) and ``groups`` (n,); also has ``classes``, ``ids`` and ``split``.

    Raises
    ------
    UsageError
        Nothing of that name is stored.
    FeatureError
        The file is damaged.

    Examples
    --------
    Splitters that know of groups keep a patient's images, and copies of one image, on one side.

    >>> from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> X, y, groups = headroom.load_embeddings("scans", "mobilenet")
    >>> X.shape, y.shape, len(set(groups))
    ((72, 1024), (72,), 72)
    >>> folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    >>> len(cross_val_score(KNeighborsClassifier(), X, y, groups=groups, cv=folds))
    5
    """
    return _notebook().load_embeddings(**locals())


def _notebook() -> ModuleType:
    """What does the work: imported at the first call, so that ``import headroom`` stays light."""
    from headroom.pipeline import notebook

    return notebook


def __getattr__(name: str) -> str:
    """``__version__``, of what is installed."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(__name__)
    except PackageNotFoundError:
        return "a checkout that is not installed"
