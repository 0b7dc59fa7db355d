"""Keep an exported network channels-first from end to end.

Keras exports each convolution between two transpositions, from channels-last and back. OpenVINO's CPU plugin cannot
move them through what lies between two convolutions, and spends more time on them than on the network. Here every
transposition is pushed behind the operation that follows it until it meets its inverse; the function stays the same.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

TO_FIRST = [0, 3, 1, 2]
TO_LAST = [0, 2, 3, 1]
SWAPPED = [0, 3, 2, 1]
Arguments = list[Any] | None


def keep_channels_first(model: Any) -> None:
    """Remove the transpositions between the convolutions of an ``openvino.Model``, in place."""
    from openvino.passes import ConstantFolding, Manager

    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
    nodes = model.get_ordered_ops()
    for node in nodes:
        if node.get_type_name() == "BatchNormInference":
            _unswap(node)
    for node in nodes:
        if _order(node) == TO_FIRST:
            origin = _origin(node.input_value(0))
            if origin is not None:
                _redirect(node.output(0).get_target_inputs(), origin)
        elif node.get_type_name() in RULES:
            _push_behind(node)
    folding.run_passes(model)
    model.validate_nodes_and_infer_types()


def _unswap(normalisation: Any) -> None:
    """Transpose around a batch normalisation as around a convolution; Keras swaps height and width, to no effect."""
    import openvino.opset13 as ops

    before = normalisation.input_value(0).get_node()
    after = [consumer.get_node() for consumer in normalisation.output(0).get_target_inputs()]
    if all(_order(node) == SWAPPED for node in (before, *after)):
        for node, order in ((before, TO_FIRST), *((node, TO_LAST) for node in after)):
            node.input(1).replace_source_output(ops.constant(order).output(0))


def _push_behind(node: Any) -> None:
    """Let a node work channels-first, and transpose what it gives instead of what it takes."""
    import openvino.opset13 as ops

    if all(_origin(value) is None for value in node.input_values()):
        return
    arguments = RULES[node.get_type_name()](node)
    if arguments is None:
        return
    node.set_arguments(arguments)
    node.validate_and_infer_types()
    if len(node.get_output_partial_shape(0)) == 4:
        consumers = list(node.output(0).get_target_inputs())
        back = ops.transpose(node.output(0), TO_LAST).output(0)
        _redirect(consumers, back)


def _elementwise(node: Any) -> Arguments:
    """Take every argument channels-first."""
    arguments = [_channels_first(value) for value in node.input_values()]
    return None if any(argument is None for argument in arguments) else arguments


def _concat(node: Any) -> Arguments:
    """Join along the axis where the channels-last axis went."""
    arguments = _elementwise(node)
    if arguments is not None:
        node.set_attribute("axis", TO_FIRST.index(node.get_attributes()["axis"] % 4))
    return arguments


def _pad(node: Any) -> Arguments:
    """Permute how much is added on each axis."""
    import openvino.opset13 as ops

    data, begin, end, *value = node.input_values()
    amounts = [amount for amount in (_constant(begin), _constant(end)) if amount is not None]
    if len(amounts) < 2:
        return None
    return [_origin(data), *(ops.constant(amount[TO_FIRST]).output(0) for amount in amounts), *value]


def _along_axes(node: Any) -> Arguments:
    """Map the axes, which are the last argument."""
    import openvino.opset13 as ops

    data, *between, axes = node.input_values()
    old = _constant(axes)
    if old is None:
        return None
    mapped = np.array([TO_FIRST.index(axis % 4) for axis in np.atleast_1d(old)], np.int64)
    return [_origin(data), *between, ops.constant(mapped).output(0)]


RULES: dict[str, Callable[[Any], Arguments]] = {
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum"), _elementwise),
    **dict.fromkeys(("Relu", "Clamp", "Sigmoid", "Swish", "HSwish", "HSigmoid", "Elu", "Gelu", "Tanh"), _elementwise),
    "Convert": _elementwise,
    "Concat": _concat,
    "Pad": _pad,
    "ReduceMean": _along_axes,
    "ReduceMax": _along_axes,
    "Slice": _along_axes,
}


def _order(node: Any) -> list[int] | None:
    """Return the permutation of a transposition of four axes, else None."""
    if node.get_type_name() != "Transpose":
        return None
    order = _constant(node.input_value(1))
    return None if order is None else [int(axis) for axis in order]


def _origin(value: Any) -> Any | None:
    """Return what a value is the channels-last transposition of, if it is one."""
    node = value.get_node()
    return node.input_value(0) if _order(node) == TO_LAST else None


def _constant(value: Any) -> np.ndarray | None:
    """Return the array of a constant, else None."""
    node = value.get_node()
    return np.array(node.data) if node.get_type_name() == "Constant" else None


def _channels_first(value: Any) -> Any | None:
    """Return a value that broadcasts channels-first as ``value`` does channels-last."""
    import openvino.opset13 as ops

    origin = _origin(value)
    if origin is not None:
        return origin
    rank = len(value.get_partial_shape())
    if rank == 4:
        return ops.transpose(value, TO_FIRST).output(0)
    if rank == 1 and value.get_partial_shape()[0] != 1:
        return ops.reshape(value, [-1, 1, 1], special_zero=False).output(0)
    return value if rank <= 1 else None


def _redirect(consumers: Iterable[Any], new: Any) -> None:
    """Let inputs take ``new``."""
    for consumer in list(consumers):
        consumer.replace_source_output(new)
