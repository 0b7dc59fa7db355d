"""How often the test of a lift is wrong, how often its interval is right, and how often it finds a true lift.

Null cases, where no balancer can rank better: LDA on Gaussian classes of equal covariance, with SMOTE or random
over-sampling against none (a mere shift of the prior), and two samplings that differ in nothing but the seed. Cases with
a true lift: a linear head whose minority class is two clusters, of which over-sampling lets it see both; 5-NN under
random over-sampling, which turns copies into votes. The true lift of a case is the mean over its simulations; against
it the coverage is counted, against zero the share of p below 5 %.

    python benchmarks/validity_lift.py --simulations 1000
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from imblearn.over_sampling import SMOTE, RandomOverSampler
from machine import versions, write_csv
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier

from headroom.heads.cell import FoldScores
from headroom.heads.scores.bootstrap import draw_weights
from headroom.heads.scores.lift import Curve, judged, lift_values
from headroom.heads.scores.predictions import pooled
from headroom.heads.scores.tradeoff import AXES, EXPONENTS, tradeoff
