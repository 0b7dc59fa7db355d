"""The heads: one record each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from headroom.heads.calibration import NEARLY_ZERO


@dataclass(frozen=True)
class HeadRecord:
    """One classical head.

    Attributes
    ----------
    name, title : str
    build : str
        Import path ``module:class`` of the estimator; a combination of heads names its last stage.
    parameters : mapping
        Fixed parameters; all others are the library's defaults.
    note : str
        One line a user reads in the list of heads.
    fast : str
        The same estimator in scikit-learn-intelex, where measurements favour it.
    fast_parameters : mapping
        Parameters that only the fast one takes.
    seeded : bool
        Whether it takes ``random_state``.
    threaded : bool
        Whether it takes ``n_jobs`` to any effect.
    weighting : str
        How it takes balanced class weights (key of ``WEIGHTINGS``); empty where it cannot.
    calibrate : int
        Inner folds whose held-out images its outputs are calibrated on: fewer where fits cost most.
    inner : mapping
        Parameters of those fits that make them cheaper.
    added : float
        What is added to its probabilities before their logarithm is taken: about half a vote.
    combine : str
        ``"single"``, ``"vote"`` or ``"stack"``.
    members : tuple of str
        Heads that it combines.
    cost : float
        About how long it takes next to the others.
    tune : mapping
        What ``--tune`` tries: values a parameter, all combinations.
    library : str
        Distribution whose version counts, where it is not the one that holds `build`.
    identity : str
        What stands for `build` in the keys of cells, where the class has moved since they were fitted.
    """

    name: str
    title: str
    build: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    fast: str = ""
    fast_parameters: Mapping[str, Any] = field(default_factory=dict)
    seeded: bool = True
    threaded: bool = False
    weighting: str = "parameter"
    calibrate: int = 3
    inner: Mapping[str, Any] = field(default_factory=dict)
    added: float = NEARLY_ZERO
    combine: str = "single"
    members: tuple[str, ...] = ()
    cost: float = 1.0
    tune: Mapping[str, tuple] = field(default_factory=dict)
    library: str = ""
    identity: str = ""


def _by_parameter(labels: np.ndarray) -> tuple[dict, dict]:
    return {"class_weight": "balanced"}, {}


def _by_priors(labels: np.ndarray) -> tuple[dict, dict]:
    classes = len(np.unique(labels))
    return {"priors": np.full(classes, 1 / classes)}, {}


def _by_samples(labels: np.ndarray) -> tuple[dict, dict]:
    return {}, {"sample_weight": compute_sample_weight("balanced", labels)}


WEIGHTINGS: dict[str, Callable[[np.ndarray], tuple[dict, dict]]] = {
    "parameter": _by_parameter,
    "priors": _by_priors,  # equal priors: what balanced weights mean to a generative model
    "samples": _by_samples,
}
"""Balanced class weights as parameters of the estimator and of its ``fit``, by the way a head takes them."""

TREES = {"min_samples_leaf": (1, 5), "max_features": ("sqrt", 0.1)}
FEWER = {"n_estimators": 67}  # a map learned on fewer trees is as good
HALF_A_VOTE = 0.0025  # of 200 trees
PAIRED = {"decision_function_shape": "ovo"}  # of its outputs; what it predicts is the same
MEMBERS = ("svm", "logreg", "random-forest")

# fmt: off
_RECORDS = (
    HeadRecord("svm", "SVM (RBF)", "sklearn.svm:SVC", {"kernel": "rbf", **PAIRED}, fast="sklearnex.svm:SVC",
               threaded=True, tune={"C": (1.0, 3.0, 10.0), "gamma": ("scale", 0.0003)},
               cost=5, note="strong on standardised embeddings of a few thousand images; time grows with their square"),
    HeadRecord("linear-svm", "Linear SVM", "sklearn.svm:SVC", {"kernel": "linear", "C": 0.1, **PAIRED},
               fast="sklearnex.svm:SVC", threaded=True, tune={"C": (0.001, 0.01, 0.1, 1.0)},
               cost=5, note="one hyperplane a pair of classes, wide margin (C = 0.1)"),
    HeadRecord("logreg", "Logistic regression", "sklearn.linear_model:LogisticRegression", {"max_iter": 1000},
               tune={"C": (0.0003, 0.003, 0.03, 1.0)},
               cost=2, note="linear; the usual probe of an embedding"),
    HeadRecord("knn", "k-NN (5)", "sklearn.neighbors:KNeighborsClassifier", {"n_neighbors": 5},
               fast="sklearnex.neighbors:KNeighborsClassifier", seeded=False, weighting="", added=0.1,
               threaded=True, tune={"n_neighbors": (3, 5, 11, 21), "weights": ("uniform", "distance")},
               cost=0.4, note="no training; suffers where synthetic points crowd a high-dimensional space"),
    HeadRecord("random-forest", "Random forest (200)", "sklearn.ensemble:RandomForestClassifier",
               {"n_estimators": 200}, fast="sklearnex.ensemble:RandomForestClassifier",
               fast_parameters={"max_bins": 32}, threaded=True, tune=TREES, inner=FEWER,
               added=HALF_A_VOTE,
               cost=4, note="200 bagged trees; sturdy, blind to rare classes unless balanced"),
    HeadRecord("extra-trees", "Extra trees (200)", "sklearn.ensemble:ExtraTreesClassifier", {"n_estimators": 200},
               threaded=True, tune=TREES, inner=FEWER, added=HALF_A_VOTE,
               cost=6, note="200 trees with random cuts; faster than a forest"),
    HeadRecord("decision-tree", "Decision tree", "sklearn.tree:DecisionTreeClassifier",
               fast="sklearnex.ensemble:RandomForestClassifier",  # one tree of a histogram forest, on all columns
               fast_parameters={"n_estimators": 1, "bootstrap": False, "max_features": None, "max_bins": 32},
               threaded=True, tune={"max_depth": (4, 8, None), "min_samples_leaf": (1, 10)},
               cost=1.5, note="one fully grown tree; a floor to beat"),
    HeadRecord("gaussian-nb", "Gaussian naive Bayes", "sklearn.naive_bayes:GaussianNB", seeded=False,
               weighting="priors", tune={"var_smoothing": (1e-9, 1e-3, 1e-1)},
               cost=0.1, note="treats the columns as independent; class weights are equal priors"),
    HeadRecord("lda", "Linear discriminant analysis", "sklearn.discriminant_analysis:LinearDiscriminantAnalysis",
               seeded=False, weighting="priors",
               tune={"solver": ("lsqr",), "shrinkage": ("auto", 0.1, 0.5)},
               cost=1.5, note="linear and generative; class weights are equal priors"),
    HeadRecord("adaboost", "AdaBoost (100)", "sklearn.ensemble:AdaBoostClassifier", {"n_estimators": 100},
               weighting="samples", calibrate=1, tune={"learning_rate": (0.1, 1.0)},
               cost=90, note="100 boosted stumps; slow on many columns"),
    HeadRecord("xgboost", "XGBoost (100)", "xgboost:XGBClassifier",
               {"n_estimators": 100, "tree_method": "hist", "max_bin": 16, "verbosity": 0}, weighting="samples",
               threaded=True, calibrate=1, tune={"max_depth": (3, 6), "learning_rate": (0.1, 0.3)},
               cost=8, note="100 boosted trees on 16 histogram bins"),
    HeadRecord("dense", "Dense network", "headroom.heads.dense:DenseHead", identity="heads.dense:DenseHead",
               library="keras", calibrate=1,
               tune={"width": (128, 512), "loss": ("cross-entropy", "margin")},
               cost=12, note="one hidden layer trained by Keras: the head of most transfer-learning papers"),
    HeadRecord("voting", "Soft voting", "headroom.heads.models:Voting", identity="heads.combining:Voting",
               library="keras", combine="vote", members=MEMBERS,
               cost=0.1, note="mean of the probabilities of svm, logreg and random-forest"),
    HeadRecord("stacking", "Stacking", "sklearn.linear_model:LogisticRegression", {"max_iter": 1000},
               combine="stack", members=MEMBERS,
               cost=20, note="logistic regression on inner out-of-fold probabilities of svm, logreg and random-forest"),
)
# fmt: on

HEADS: dict[str, HeadRecord] = {record.name: record for record in _RECORDS}
"""Every head by name."""
