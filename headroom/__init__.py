"""Which frozen CNN, classical head and class balancing is best on your images, and is SMOTE worth it?

Three functions do what the commands of their names do, take their options by the same names, and return what
``--json`` writes; a fourth hands the vectors to code of your own. `docs/python.md` walks through all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headroom.errors import FeatureError, HeadError, HeadroomError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from types import ModuleType
    from typing import Any, Literal

    from headroom.pipeline.notebook import EmbeddedSet

    Place = str | PathLike[str]

__all__ = [
    "FeatureError",
    "HeadError",
    "HeadroomError",
    "UsageError",
    "extract",
    "fit",
    "load_embeddings",
    "report",
]


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
        Backbones (``headroom models`` lists them), wildcards such as ``"densenet*"``, or ``.keras`` files; several
        share one pass over the images.
    dataset : str or path
        A name that ``headroom datasets`` lists, or a folder.
    weights : str, path or sequence of them
        ``"imagenet"``, ``"random"`` or a Keras weights file; once for all models or once each.
    labels : path, optional
        CSV file with one image a row; without it a ``labels.csv`` in the folder, else one folder a class.
    image_column, label_column, group_column : str, optional
        Columns of that file with image names, labels and patients; recognised by their names where left out.
    group_pattern : str, optional
        Regular expression; its first group in a file's path is the patient.
    ordinal : bool
        Whether the classes are ordered grades.
    name : str, optional
        Keep the data set under this name; default: the folder's.
    size : int, optional
        Side of the input in pixels; default: the backbone's own.
    pooling : {"avg", "max"}
        How feature maps become vectors.
    preprocessing : {"none", "unit", "caffe", "torch"}, optional
        For a ``.keras`` file of your own that does not rescale inside.
    engine : {"auto", "openvino", "keras"}
        Automatic is Keras on a GPU, OpenVINO on a CPU.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Automatic is reduced where the hardware has it and vectors stay within 2 %.
    views : int, 0 to 50
        Augmented views to embed too, for ``balance="augment"``.
    mirror : bool, optional
        Whether views may be mirrored; default: by data set, else yes.
    max_bad : float, 0 to 1
        Share of unreadable images that is still no error.
    data_dir, cache : path, optional
        Where data sets lie and where embeddings are kept; default: ``$HEADROOM_DATA`` or ``data``, and
        ``$HEADROOM_CACHE`` or ``cache``.
    jobs : int
        Threads; 0: all cores.
    seed : int
        Of random weights and of views.
    progress : bool
        Show progress and notes on stderr.

    Returns
    -------
    dict
        ``dataset``, its name in the cache; ``runs``, a dict for each model and view: ``model``, ``view``, ``dim``,
        ``images``, ``computed``, ``reused``, ``bad`` (path and reason each), ``seconds``, ``images_per_second``,
        ``engine``, ``precision``, ``precision_error``, ``weights``, ``file``; ``notes``, lines worth reading.

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
    return _notebook().extract(**locals())


def fit(
    head: str | Sequence[str],
    *,
    balance: str | Sequence[str] | None = None,
    smote: bool = False,
    model: str | Sequence[str] | None = None,
    dataset: str | Sequence[str] | None = None,
    folds: int = 5,
    repeats: int = 1,
    protocol: Literal["cv", "split", "leaky"] = "cv",
    reduce: str | None = None,
    tune: bool = False,
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
        Classical heads, wildcards, or ``"all"``.
    balance : str or sequence of str, optional
        Class balancing, wildcards, or ``"all"``.
    smote : bool
        Short for ``balance="smote"``.
    model, dataset : str or sequence of str, optional
        Stored embeddings and data sets; default: all that are stored. ``"mobilenet+xception"`` joins two models.
    folds, repeats : int
        Folds of a repeat, 2 to 100, and repeats of the cross-validation, 1 to 100.
    protocol : {"cv", "split", "leaky"}
        Grouped cross-validation; the official split; or resampled before the split, which is not to be reported.
    reduce : str, optional
        ``"pca:50"`` keeps 50 principal components.
    tune : bool
        Search each head's parameters inside the folds.
    cache : path, optional
        Default: ``$HEADROOM_CACHE`` or ``cache``.
    jobs : int
        Processes; 0: all cores.
    seed : int
        Of everything that is drawn at random.
    progress : bool
        Show progress and notes on stderr.

    Returns
    -------
    dict
        ``cells``, a flat dict each: ``dataset``, ``model``, ``head``, ``balance``, ``status`` ("fitted", "reused" or
        "failed"), ``reason``, ``seconds``; ``seconds`` in all; ``notes``, lines worth reading.

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
    return _notebook().fit(**locals())


def report(
    *,
    dataset: str | Sequence[str] | None = None,
    model: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    data_dir: Place | None = None,
    cache: Place | None = None,
) -> dict[str, Any]:
    """Every fitted cell with its intervals, and every balancer against none on the same folds.

    Parameters
    ----------
    dataset, model : str or sequence of str, optional
        Only these; default: all.
    ignore : str or sequence of str, optional
        Checks to mute, for example ``"M004"``.
    data_dir, cache : path, optional
        As for `extract`; without the images only the checks on files are left out.

    Returns
    -------
    dict
        ``rows``, ``comparisons`` and ``checks``, as ``report --json`` writes them. Each row also has its metrics and
        the bounds of their 95 % intervals as columns, such as ``mcc``, ``mcc_low`` and ``mcc_high`` (None where
        undefined), so that ``rows``, like the other two, makes a data frame as it is.

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
    cache : path, optional
        Default: ``$HEADROOM_CACHE`` or ``cache``.

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
