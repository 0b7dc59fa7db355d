"""Keras's own download of ImageNet weights, in a process of its own that cannot hang."""

import os
import subprocess
import sys

from features.backbones import Backbone
from features.weights import Weights, missing_imagenet, resolve_weights

PATIENCE_SECONDS = 20
_SCRIPT = """
import socket, sys
socket.setdefaulttimeout(float(sys.argv[1]))
import keras
options = dict(alpha=float(sys.argv[3])) if len(sys.argv) > 3 else {}
getattr(keras.applications, sys.argv[2])(include_top=False, weights="imagenet", **options)
"""


def download_imagenet(backbone: Backbone) -> Weights:
    """Let Keras download and verify the ImageNet weights of a backbone.

    Parameters
    ----------
    backbone : Backbone

    Returns
    -------
    Weights

    Raises
    ------
    FeatureError
        The download failed; the remedy names the file and where to put it.
    """
    arguments = [str(value) for _, value in backbone.options]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(PATIENCE_SECONDS), backbone.builder, *arguments],
        env={**os.environ, "KERAS_BACKEND": "openvino", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    weights = resolve_weights("imagenet", backbone) if done.returncode == 0 else None
    if weights is None:
        lines = done.stderr.strip().splitlines() or ["no file came"]
        raise missing_imagenet(backbone, lines[-1].removeprefix("Exception: ")[:160])
    return weights
