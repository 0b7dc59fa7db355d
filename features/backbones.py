"""The frozen CNNs: one record a row, preprocessing inside."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Backbone:
    """One Keras Application as a feature extractor.

    Attributes
    ----------
    name : str
        What ``--model`` takes.
    builder : str
        Function of ``keras.applications`` that builds it.
    size : int
        Side of the square input in pixels.
    preprocessing : {"none", "unit", "caffe", "torch"}
        What turns pixels 0..255 into what the network was trained on: ``none`` (it rescales inside), ``unit``
        (-1..1), ``caffe`` (BGR less the ImageNet mean), ``torch`` (0..1, ImageNet mean and deviation).
    dim : int
        Length of the pooled embedding.
    parameters : int
        Weights without the ImageNet classifier.
    weights_file : str
        Name of Keras's own ImageNet file without the classifier.
    options : tuple of (str, value)
        Further arguments of the builder.
    """

    name: str
    builder: str
    size: int
    preprocessing: str
    dim: int
    parameters: int
    weights_file: str
    options: tuple[tuple[str, Any], ...] = ()


_TF = "_weights_tf_dim_ordering_tf_kernels"
_NARROW = "mobilenet_{}_224_tf_no_top.h5"
_V3 = "weights_mobilenet_v3_{}_224_1.0_float_no_top_v2.h5"

_ROWS = (
    # the SMOTE paper's five
    Backbone("mobilenet", "MobileNet", 224, "unit", 1024, 3_228_864, "mobilenet_1_0_224_tf_no_top.h5"),
    Backbone("xception", "Xception", 299, "unit", 2048, 20_861_480, f"xception{_TF}_notop.h5"),
    Backbone("inceptionv3", "InceptionV3", 299, "unit", 2048, 21_802_784, f"inception_v3{_TF}_notop.h5"),
    Backbone("resnet50", "ResNet50", 224, "caffe", 2048, 23_587_712, f"resnet50{_TF}_notop.h5"),
    Backbone("densenet201", "DenseNet201", 224, "torch", 1920, 18_321_984, f"densenet201{_TF}_notop.h5"),
    # the other papers'
    Backbone("vgg16", "VGG16", 224, "caffe", 512, 14_714_688, f"vgg16{_TF}_notop.h5"),
    Backbone("vgg19", "VGG19", 224, "caffe", 512, 20_024_384, f"vgg19{_TF}_notop.h5"),
    Backbone("densenet121", "DenseNet121", 224, "torch", 1024, 7_037_504, f"densenet121{_TF}_notop.h5"),
    Backbone("efficientnetb0", "EfficientNetB0", 224, "none", 1280, 4_049_571, "efficientnetb0_notop.h5"),
    Backbone("efficientnetb1", "EfficientNetB1", 240, "none", 1280, 6_575_239, "efficientnetb1_notop.h5"),
    Backbone("efficientnetb2", "EfficientNetB2", 260, "none", 1408, 7_768_569, "efficientnetb2_notop.h5"),
    Backbone("efficientnetb3", "EfficientNetB3", 300, "none", 1536, 10_783_535, "efficientnetb3_notop.h5"),
    Backbone("efficientnetb4", "EfficientNetB4", 380, "none", 1792, 17_673_823, "efficientnetb4_notop.h5"),
    Backbone("efficientnetb5", "EfficientNetB5", 456, "none", 2048, 28_513_527, "efficientnetb5_notop.h5"),
    Backbone("efficientnetb6", "EfficientNetB6", 528, "none", 2304, 40_960_143, "efficientnetb6_notop.h5"),
    Backbone("efficientnetb7", "EfficientNetB7", 600, "none", 2560, 64_097_687, "efficientnetb7_notop.h5"),
    # narrow MobileNets
    *(
        Backbone(f"mobilenet-{alpha}", "MobileNet", 224, "unit", dim, size, _NARROW.format(file), (("alpha", alpha),))
        for alpha, file, dim, size in (
            (0.75, "7_5", 768, 1_832_976),
            (0.5, "5_0", 512, 829_536),
            (0.25, "2_5", 256, 218_544),
        )
    ),
    # the remaining Keras Applications
    Backbone("densenet169", "DenseNet169", 224, "torch", 1664, 12_642_880, f"densenet169{_TF}_notop.h5"),
    Backbone("resnet101", "ResNet101", 224, "caffe", 2048, 42_658_176, f"resnet101{_TF}_notop.h5"),
    Backbone("resnet152", "ResNet152", 224, "caffe", 2048, 58_370_944, f"resnet152{_TF}_notop.h5"),
    Backbone("resnet50v2", "ResNet50V2", 224, "unit", 2048, 23_564_800, f"resnet50v2{_TF}_notop.h5"),
    Backbone("resnet101v2", "ResNet101V2", 224, "unit", 2048, 42_626_560, f"resnet101v2{_TF}_notop.h5"),
    Backbone("resnet152v2", "ResNet152V2", 224, "unit", 2048, 58_331_648, f"resnet152v2{_TF}_notop.h5"),
    Backbone("mobilenetv2", "MobileNetV2", 224, "unit", 1280, 2_257_984, f"mobilenet_v2{_TF}_1.0_224_no_top.h5"),
    Backbone("mobilenetv3small", "MobileNetV3Small", 224, "none", 576, 939_120, _V3.format("small")),
    Backbone("mobilenetv3large", "MobileNetV3Large", 224, "none", 960, 2_996_352, _V3.format("large")),
    Backbone("nasnetmobile", "NASNetMobile", 224, "unit", 1056, 4_269_716, "nasnet_mobile_no_top.h5"),
    Backbone("nasnetlarge", "NASNetLarge", 331, "unit", 4032, 84_916_818, "nasnet_large_no_top.h5"),
    Backbone(
        "inceptionresnetv2", "InceptionResNetV2", 299, "unit", 1536, 54_336_736, f"inception_resnet_v2{_TF}_notop.h5"
    ),
    Backbone("efficientnetv2b0", "EfficientNetV2B0", 224, "none", 1280, 5_919_312, "efficientnetv2-b0_notop.h5"),
    Backbone("efficientnetv2b1", "EfficientNetV2B1", 240, "none", 1280, 6_931_124, "efficientnetv2-b1_notop.h5"),
    Backbone("efficientnetv2b2", "EfficientNetV2B2", 260, "none", 1408, 8_769_374, "efficientnetv2-b2_notop.h5"),
    Backbone("efficientnetv2b3", "EfficientNetV2B3", 300, "none", 1536, 12_930_622, "efficientnetv2-b3_notop.h5"),
    Backbone("efficientnetv2s", "EfficientNetV2S", 384, "none", 1280, 20_331_360, "efficientnetv2-s_notop.h5"),
    Backbone("efficientnetv2m", "EfficientNetV2M", 480, "none", 1280, 53_150_388, "efficientnetv2-m_notop.h5"),
    Backbone("efficientnetv2l", "EfficientNetV2L", 480, "none", 1280, 117_746_848, "efficientnetv2-l_notop.h5"),
    Backbone("convnexttiny", "ConvNeXtTiny", 224, "none", 768, 27_820_128, "convnext_tiny_notop.h5"),
    Backbone("convnextsmall", "ConvNeXtSmall", 224, "none", 768, 49_454_688, "convnext_small_notop.h5"),
    Backbone("convnextbase", "ConvNeXtBase", 224, "none", 1024, 87_566_464, "convnext_base_notop.h5"),
    Backbone("convnextlarge", "ConvNeXtLarge", 224, "none", 1536, 196_230_336, "convnext_large_notop.h5"),
    Backbone("convnextxlarge", "ConvNeXtXLarge", 224, "none", 2048, 348_147_968, "convnext_xlarge_notop.h5"),
)

BACKBONES: dict[str, Backbone] = {row.name: row for row in _ROWS}
