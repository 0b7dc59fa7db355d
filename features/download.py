"""Keras's own download of ImageNet weights, in a process of its own that cannot hang."""

import os
import subprocess
import sys

from headroom.features.backbones import Backbone
from headroom.features.weights import Weights, missing_imagenet, resolve_weights

PATIENCE_SECONDS = 1800
SILENCE_SECONDS = 20
_SCRIPT = """
import socket, sys
socket.setdefaulttimeout(float(sys.argv[1]))
import keras
options = dict(alpha=float(sys.argv[3])) if len(sys.argv) > 3 else {}
getattr(keras.applications, sys.argv[2])(include_top=False, weights="imagenet", **options)
"""


def download_imagenet(backbone: Backbone, patience: float = PATIENCE_SECONDS) -> Weights:
    """Let Keras download and verify the ImageNet weights of a backbone.

    Parameters
    ----------
    backbone : Backbone
    patience : float
        Seconds after which the download is given up.

    Returns
    -------
    Weights

    Raises
    ------
    FeatureError
        The download failed; the remedy names the file and where to put it.
    """
    arguments = [str(value) for _, value in backbone.options]
    command = [sys.executable, "-c", _SCRIPT, str(min(SILENCE_SECONDS, patience)), backbone.builder, *arguments]
    environment = {**os.environ, "KERAS_BACKEND": "openvino", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=patience)
    except subprocess.TimeoutExpired as error:
        cause = f"not finished within {patience:.0f} s"
        raise missing_imagenet(backbone, cause) from error
    weights = resolve_weights("imagenet", backbone) if done.returncode == 0 else None
    if weights is None:
        lines = done.stderr.strip().splitlines() or ["no file came"]
        raise missing_imagenet(backbone, lines[-1].rpartition("-- ")[2][:160])  # Keras puts the address before
    return weights
