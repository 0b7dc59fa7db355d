"""Everything that determines a vector, and the fingerprint that stands for it."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

FORMAT_VERSION = 1
RESIZE = "bilinear"


@dataclass(frozen=True)
class Recipe:
    """How pixels become vectors; equal recipes and equal images give equal vectors.

    Attributes
    ----------
    model : str
    weights : str
        Digest of the weights.
    size : int
    preprocessing, pooling, precision : str
    resize : str
    view : str
        Empty for the image itself; else which augmented view.
    version : int
        Version of the file format.

    Examples
    --------
    >>> recipe = Recipe("mobilenet", "random-0", 224, "unit", "avg", "float32")
    >>> recipe.fingerprint == recipe.at("bfloat16").fingerprint
    False
    """

    model: str
    weights: str
    size: int
    preprocessing: str
    pooling: str
    precision: str
    resize: str = RESIZE
    view: str = ""
    version: int = FORMAT_VERSION

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings that are not empty, as hexadecimal text."""
        settings = {name: value for name, value in asdict(self).items() if value != ""}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @property
    def stem(self) -> str:
        """File name of the embeddings, without its ending."""
        return f"{self.model}-{self.fingerprint[:8]}"

    def at(self, precision: str) -> "Recipe":
        """Return the same recipe at another precision."""
        return replace(self, precision=precision)
