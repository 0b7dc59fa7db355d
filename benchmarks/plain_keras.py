"""The script that people write today: images from a folder through a frozen Keras CNN, on any Keras back end.

python benchmarks/plain_keras.py FOLDER BUILDER SIZE PREPROCESSING [WEIGHTS] [ALPHA]
"""

import sys

import keras
import numpy as np


def main(folder: str, builder: str, size: str, module: str, weights: str = "", alpha: str = "") -> None:
    """Embed every image of a folder and save the vectors."""
    side = int(size)
    if keras.backend.backend() == "tensorflow":
        images = keras.utils.image_dataset_from_directory(
            folder, labels=None, image_size=(side, side), batch_size=32, shuffle=False, verbose=False
        )
    else:
        images = _loaded(folder, side)
    options = {"alpha": float(alpha)} if alpha else {}
    core = getattr(keras.applications, builder)(
        include_top=False, weights=None, pooling="avg", input_shape=(side, side, 3), **options
    )
    if weights:
        core.load_weights(weights)
    inputs = keras.Input((side, side, 3))
    preprocess = getattr(keras.applications, module).preprocess_input
    model = keras.Model(inputs, core(preprocess(inputs)))
    np.save("/dev/null" if len(sys.argv) < 8 else sys.argv[7], model.predict(images, verbose=0))


def _loaded(folder: str, side: int) -> np.ndarray:
    """Load all images with Keras's own reader, for back ends without tf.data."""
    from pathlib import Path

    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return np.stack([keras.utils.img_to_array(keras.utils.load_img(path, target_size=(side, side))) for path in paths])


if __name__ == "__main__":
    main(*sys.argv[1:7])
