"""Which networks have to run, with which weights, and what stands for them."""

import hashlib
import json
import os
import subprocess
import zipfile

import pytest

from headroom.errors import FeatureError
from headroom.features.backbones import BACKBONES
from headroom.features.decode import Frame
from headroom.features.network import (
    NetworkOptions,
    download_imagenet,
    find_networks,
    keras_models_folder,
    recipe_of,
    resolve_weights,
)


def keras_file(path, shape=(None, 96, 96, 3)):
    config = {"config": {"layers": [{"config": {"batch_shape": shape}}]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


class TestPlan:
    def test_each_has_its_own_size_and_preprocessing(self):
        planned = find_networks(["xception", "vgg16"], NetworkOptions(weights=["random"]))
        assert [(network.size, network.preprocessing) for network in planned] == [(299, "unit"), (224, "caffe")]

    def test_a_model_named_twice_runs_once(self):
        assert len(find_networks(["vgg16", "vgg16"], NetworkOptions(weights=["random"]))) == 1

    def test_weights_for_each(self, tmp_path):
        (tmp_path / "a.h5").write_bytes(b"a")
        sources = ["random", str(tmp_path / "a.h5")]
        planned = find_networks(["vgg16", "vgg19"], NetworkOptions(weights=sources))
        assert [network.weights.kind for network in planned] == ["random", "file"]

    @pytest.mark.parametrize("size", [0, 15, 4097, -224])
    def test_sizes_out_of_reason(self, size):
        with pytest.raises(FeatureError, match=f"--size {size}"):
            find_networks(["vgg16"], NetworkOptions(weights=["random"], size=size))

    def test_preprocessing_belongs_to_the_backbone(self):
        with pytest.raises(FeatureError, match="which has its own"):
            find_networks(["vgg16"], NetworkOptions(weights=["random"], preprocessing="unit"))

    def test_three_models_and_two_weights(self):
        with pytest.raises(FeatureError, match="3 models and 2 times"):
            find_networks(["vgg16", "vgg19", "xception"], NetworkOptions(weights=["random", "random"]))


class TestOwnModel:
    def test_side_is_read_from_the_file(self, tmp_path):
        (network,) = find_networks([str(keras_file(tmp_path / "mine.keras"))], NetworkOptions(preprocessing="unit"))
        assert (network.size, network.preprocessing, network.weights.kind) == (96, "unit", "file")
        assert recipe_of(network, "float32", Frame(96)).model == "mine"

    def test_any_size_has_to_be_said(self, tmp_path):
        path = str(keras_file(tmp_path / "mine.keras", (None, None, None, 3)))
        with pytest.raises(FeatureError, match="does not say which image size") as caught:
            find_networks([path], NetworkOptions())
        assert "--size" in caught.value.remedy
        assert find_networks([path], NetworkOptions(size=64))[0].size == 64

    @pytest.mark.parametrize("text", ["", "no", "PK\x03\x04 broken"])
    def test_no_keras_file(self, tmp_path, text):
        (tmp_path / "mine.keras").write_text(text)
        with pytest.raises(FeatureError, match=r"no \.keras file"):
            find_networks([str(tmp_path / "mine.keras")], NetworkOptions())

    @pytest.mark.parametrize("config", ["[]", "{}", '{"config": []}', '{"config": {"layers": []}}', "null", '"x"'])
    def test_archive_with_another_config(self, tmp_path, config):
        with zipfile.ZipFile(tmp_path / "mine.keras", "w") as archive:
            archive.writestr("config.json", config)
        with pytest.raises(FeatureError):
            find_networks([str(tmp_path / "mine.keras")], NetworkOptions())


class TestWeights:
    def test_digest_is_of_the_content(self, tmp_path):
        (tmp_path / "a.h5").write_bytes(b"abc")
        weights = resolve_weights(str(tmp_path / "a.h5"), BACKBONES["vgg16"])
        assert weights.digest == hashlib.sha256(b"abc").hexdigest()

    @pytest.mark.parametrize("source", ["weights.txt", "Imagenet", "", "a.ckpt"])
    def test_other_words_and_files(self, source):
        with pytest.raises(FeatureError, match="neither 'imagenet', 'random' nor") as caught:
            resolve_weights(source, BACKBONES["vgg16"])
        assert ".weights.h5" in caught.value.remedy

    def test_missing_file_and_folder(self, tmp_path):
        (tmp_path / "folder.h5").mkdir()
        for name in ("none.h5", "folder.h5"):
            with pytest.raises(FeatureError, match="no such file"):
                resolve_weights(str(tmp_path / name), BACKBONES["vgg16"])

    def test_imagenet_is_found_where_keras_keeps_it(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        assert resolve_weights("imagenet", BACKBONES["vgg16"]) is None
        keras_models_folder().mkdir()
        (keras_models_folder() / BACKBONES["vgg16"].weights_file).write_bytes(b"x")
        assert resolve_weights("imagenet", BACKBONES["vgg16"]).kind == "imagenet"

    def test_without_a_network_the_error_names_file_place_and_other_ways(self, tmp_path, monkeypatch):
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        answer = subprocess.CompletedProcess([], 1, b"", b"Traceback ...\nException: URL fetch failure\n")
        monkeypatch.setattr("headroom.features.network.subprocess.run", lambda *_, **__: answer)
        with pytest.raises(FeatureError, match="URL fetch failure") as caught:
            download_imagenet(BACKBONES["vgg16"])
        for word in (BACKBONES["vgg16"].weights_file, str(tmp_path), "--weights FILE", "--weights random"):
            assert word in caught.value.remedy


IMAGE = Frame(224)


class TestRecipe:
    def test_every_setting_changes_the_fingerprint(self):
        def fingerprint(model="vgg16", precision="float32", frame=IMAGE, **options):
            (network,) = find_networks([model], NetworkOptions(**{"weights": ["random"], **options}))
            return recipe_of(network, precision, frame).fingerprint

        fingerprints = [
            fingerprint(),
            fingerprint("vgg19"),
            fingerprint(size=128),
            fingerprint(seed=1),
            fingerprint(pooling="max"),
            fingerprint(precision="bfloat16"),
            fingerprint(frame=Frame(224, view=1)),
            fingerprint(frame=Frame(224, view=2)),
            fingerprint(frame=Frame(224, view=1, mirror=False)),
        ]
        assert len(set(fingerprints)) == len(fingerprints)
        assert fingerprint() == fingerprint()


@pytest.mark.slow
def test_download_without_a_network_ends_soon_with_one_error(tmp_path):
    """Through the command, with every proxy pointing at a closed door."""
    from tests.pictures import folder_set

    folder_set(tmp_path / "scans", {"a": 2, "b": 2})
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "no_proxy": "", "KERAS_HOME": str(tmp_path / "keras")}
    arguments = [
        "extract",
        "--model",
        "mobilenet",
        "--dataset",
        str(tmp_path / "scans"),
        "--cache",
        str(tmp_path / "c"),
    ]
    from tests.running import ROOT, headroom

    done = headroom(*arguments, env=environment, cwd=ROOT)
    assert done.code == 1
    got, remedy = done.error
    assert "ImageNet weights of mobilenet are not on this machine" in got
    assert "mobilenet_1_0_224_tf_no_top.h5" in remedy
