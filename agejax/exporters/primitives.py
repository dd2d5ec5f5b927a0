"""Translates JAX's primitives of inference programs to ONNX operations.

Elementwise primitives are in `elementwise.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from agejax.exporters.elementwise import elementwise, is_elementwise
from agejax.exporters.graph import Graph, Shape, Tensor, Untranslated, kind_of

INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")  # parameters that hold an inner program

Rule = Callable[[Graph, Any, Sequence[Tensor]], list[Tensor] | Tensor]

_SAME = {
    *("copy", "copy_p", "name", "stop_gradient", "optimization_barrier"),
    *("sharding_constraint", "pvary", "mesh_cast"),
}
_REDUCE = {
    **{"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"},
    "reduce_prod": "ReduceProd",
}


def translate(graph: Graph, eqn: Any, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Translates an equation; returns the tensors of its results.

    Raises:
      Untranslated: there is no rule for it.
    """
    name = eqn.primitive.name
    if name in _SAME:
        return list(inputs)
    if is_elementwise(name):
        if all(x.known for x in inputs) and not _keeps_half(graph, name, inputs):
            return _evaluated(eqn, np.broadcast_arrays(*(x.value for x in inputs)))
        return [elementwise(graph, eqn, inputs)]
    shapes = [var.aval.shape for var in (*eqn.invars, *eqn.outvars)]
    if all(x.known for x in inputs) and all(isinstance(n, int) for s in shapes for n in s):
        return _evaluated(eqn, [x.value for x in _full(graph, eqn, inputs)])
    if name not in _RULES:
        raise Untranslated(f"the primitive {name}")
    results = _RULES[name](graph, eqn, inputs)
    return results if isinstance(results, list) else [results]


def _keeps_half(graph: Graph, name: str, inputs: Sequence[Tensor]) -> bool:
    """Whether this scales weights that are stored in half the bytes as they are."""
    return name == "mul" and any(graph.is_weight(x) and graph.is_half(x.array) for x in inputs)


def _evaluated(eqn: Any, arrays: Sequence[Any]) -> list[Tensor]:
    """Evaluates an equation whose inputs are known arrays."""
    results = eqn.primitive.bind(*arrays, **eqn.params)
    results = results if eqn.primitive.multiple_results else [results]
    return [Tensor(np.asarray(x), np.shape(x)) for x in results]


def _full(graph: Graph, eqn: Any, inputs: Sequence[Tensor]) -> list[Tensor]:
    return [graph.full(x, var.aval.shape) for x, var in zip(inputs, eqn.invars, strict=True)]


def _shape(eqn: Any) -> Shape:
    return eqn.outvars[0].aval.shape


def _ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _iota(graph, eqn, inputs):
    """Numbers along one axis; the other axes have length one."""
    axis, whole = eqn.params["dimension"], _shape(eqn)
    if not isinstance(whole[axis], int):
        raise Untranslated("an iota along the batch")
    shape = tuple(whole[axis] if i == axis else 1 for i in range(len(whole)))
    return Tensor(np.arange(whole[axis]).astype(eqn.params["dtype"]).reshape(shape), shape)


def _broadcast_in_dim(graph, eqn, inputs):
    axes = eqn.params["broadcast_dimensions"]
    shape = [1] * len(eqn.params["shape"])
    for axis, n in zip(axes, inputs[0].shape, strict=True):
        shape[axis] = n
    return graph.reshape(inputs[0], tuple(shape))


def _reshape(graph, eqn, inputs):
    [x] = inputs if inputs[0].shape == _shape(eqn) else _full(graph, eqn, inputs)
    return x if x.shape == _shape(eqn) else graph.reshape(x, _shape(eqn))


def _transpose(graph, eqn, inputs):
    return _transposed(graph, inputs[0], eqn.params["permutation"])


def _reduce(graph, eqn, inputs):
    op, axes = _REDUCE[eqn.primitive.name], eqn.params["axes"]
    return graph.node(op, [*_full(graph, eqn, inputs), _ints(*axes)], _shape(eqn), keepdims=0)


def _argmax(graph, eqn, inputs):
    [axis] = eqn.params["axes"]
    op = {"argmax": "ArgMax", "argmin": "ArgMin"}[eqn.primitive.name]
    found = graph.node(op, _full(graph, eqn, inputs), _shape(eqn), axis=axis, keepdims=0)
    return graph.node("Cast", [found], _shape(eqn), to=kind_of(eqn.params["index_dtype"]))


def _cumsum(graph, eqn, inputs):
    axis, reverse = np.array(eqn.params["axis"], np.int64), int(eqn.params["reverse"])
    return graph.node("CumSum", [*_full(graph, eqn, inputs), axis], _shape(eqn), reverse=reverse)


def _sort(graph, eqn, inputs):
    if len(inputs) != 1:
        raise Untranslated("a sort of several arrays")
    axis, shape = eqn.params["dimension"], _shape(eqn)
    settings = {"axis": axis, "largest": 0, "sorted": 1}
    names = graph.nodes("TopK", [*_full(graph, eqn, inputs), _ints(shape[axis])], 2, **settings)
    return Tensor(names[0], shape)


def _concatenate(graph, eqn, inputs):
    axis = eqn.params["dimension"]
    return graph.node("Concat", _full(graph, eqn, inputs), _shape(eqn), axis=axis)


def _stack(graph, eqn, inputs):
    axis, shape = eqn.params["axis"], _shape(eqn)
    thin = tuple(1 if i == axis else n for i, n in enumerate(shape))
    parts = [graph.reshape(x, thin) for x in _full(graph, eqn, inputs)]
    return graph.node("Concat", parts, shape, axis=axis)


def _split(graph, eqn, inputs):
    sizes, axis = eqn.params["sizes"], eqn.params["axis"]
    names = graph.nodes("Split", [*_full(graph, eqn, inputs), _ints(*sizes)], len(sizes), axis=axis)
    return [Tensor(name, var.aval.shape) for name, var in zip(names, eqn.outvars, strict=True)]


def _slice(graph, eqn, inputs):
    starts, limits = eqn.params["start_indices"], eqn.params["limit_indices"]
    strides = eqn.params["strides"] or (1,) * len(starts)
    ranges = zip(starts, limits, strides, eqn.invars[0].aval.shape, strict=True)
    cut = [(i, *r[:3]) for i, r in enumerate(ranges) if r[0] != 0 or r[1] != r[3] or r[2] != 1]
    if not cut:
        return inputs[0]
    if not all(isinstance(n, int) for part in cut for n in part):
        raise Untranslated("a slice of the batch")
    axes, starts, limits, strides = (_ints(*column) for column in zip(*cut, strict=True))
    x = _full(graph, eqn, inputs)
    return graph.node("Slice", [*x, starts, limits, axes, strides], _shape(eqn))


def _rev(graph, eqn, inputs):
    axes = eqn.params["dimensions"]
    ends = [_ints(*[n] * len(axes)) for n in (-1, np.iinfo(np.int64).min)]
    x = _full(graph, eqn, inputs)
    return graph.node("Slice", [*x, *ends, _ints(*axes), ends[0]], _shape(eqn))


def _pad(graph, eqn, inputs):
    x, value = _full(graph, eqn, inputs)
    config = eqn.params["padding_config"]
    if any(inner or min(low, high) < 0 for low, high, inner in config):
        raise Untranslated("interior or negative padding")
    pads = _ints(*(low for low, _, _ in config), *(high for _, high, _ in config))
    return graph.node("Pad", [x, pads, value], _shape(eqn), mode="constant")


def _gather(graph, eqn, inputs):
    """Along one axis: the same indices for all rows, or one per row as in take_along_axis."""
    x, indices = _full(graph, eqn, inputs)
    rule, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    if len(rule.start_index_map) != 1:
        raise Untranslated("a gather along several axes")
    [axis], whole = rule.start_index_map, eqn.invars[0].aval.shape
    rest = [i for i in range(len(whole)) if i != axis]
    if list(rule.operand_batching_dims) == rest and sizes[axis] == 1 and not rule.offset_dims:
        positions = graph.reshape(indices, indices.shape[:-1])
        return graph.node("GatherElements", [x, positions], _shape(eqn), axis=axis)
    if rule.operand_batching_dims or any(sizes[i] != whole[i] for i in rest):
        raise Untranslated("a gather of windows")
    if not indices.known or indices.shape[:-1] not in ((), (indices.array.size,)):
        raise Untranslated("a gather by indices of several axes, or computed from the input")
    if not isinstance(whole[axis], int):
        raise Untranslated("a gather along the batch")
    places, last = indices.array[..., 0], whole[axis] - sizes[axis]
    if eqn.params["mode"] == GatherScatterMode.CLIP:
        places = np.clip(places, 0, last)
    elif (places < 0).any() or (places > last).any():
        raise Untranslated("a gather out of bounds")
    if places.ndim:
        if sizes[axis] != 1 or axis in rule.offset_dims:
            raise Untranslated("a gather that moves an axis")
        return graph.node("Gather", [x, places], _shape(eqn), axis=axis)
    start, n = int(places), sizes[axis]
    cut = (*whole[:axis], n, *whole[axis + 1 :])
    y = graph.node("Slice", [x, _ints(start), _ints(start + n), _ints(axis)], cut)
    return graph.reshape(y, _shape(eqn)) if rule.collapsed_slice_dims else y


def _dot_general(graph, eqn, inputs):
    (a_sum, b_sum), (a_batch, b_batch) = eqn.params["dimension_numbers"]
    a, b = _full(graph, eqn, inputs)
    last, first = tuple(a_sum) == (len(a.shape) - 1,), tuple(b_sum) == (0,)
    if not a_batch and len(b.shape) == 2 and last and first:
        return graph.node("MatMul", [a, b], _shape(eqn))
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    of_a = [next(letters) for _ in a.shape]
    of_b: list[str] = [""] * len(b.shape)
    for i, j in zip((*a_sum, *a_batch), (*b_sum, *b_batch), strict=True):
        of_b[j] = of_a[i]
    of_b = [letter or next(letters) for letter in of_b]
    free = [x for i, x in enumerate(of_a) if i not in (*a_sum, *a_batch)]
    free += [x for i, x in enumerate(of_b) if i not in (*b_sum, *b_batch)]
    result = [of_a[i] for i in a_batch] + free
    equation = f"{''.join(of_a)},{''.join(of_b)}->{''.join(result)}"
    return graph.node("Einsum", [a, b], _shape(eqn), equation=equation)


def _conv(graph, eqn, inputs):
    x, w = _full(graph, eqn, inputs)
    p = eqn.params
    if p["batch_group_count"] != 1 or any(n != 1 for n in p["lhs_dilation"]):
        raise Untranslated("a transposed convolution")
    rule = p["dimension_numbers"]
    x = _transposed(graph, x, rule.lhs_spec)
    w = _transposed(graph, w, rule.rhs_spec)
    settings = {
        "strides": list(p["window_strides"]),
        "pads": [int(n) for side in zip(*p["padding"], strict=True) for n in side],
        "dilations": list(p["rhs_dilation"]),
        "group": p["feature_group_count"],
    }
    shape = tuple(_shape(eqn)[i] for i in rule.out_spec)
    y = graph.node("Conv", [x, w], shape, **settings)
    return _transposed(graph, y, np.argsort(rule.out_spec).tolist())


def _transposed(graph: Graph, x: Tensor, order: Sequence[int]) -> Tensor:
    shape = tuple(x.shape[i] for i in order)
    if x.known:
        turned = np.ascontiguousarray(np.transpose(x.array, order))
        graph.relabel(turned, x.array)
        return Tensor(turned, shape)
    return graph.node("Transpose", [x], shape, perm=list(order))


def _pool(graph, eqn, inputs):
    """The maximum or sum over windows of [B, H, W, C]."""
    p, [x] = eqn.params, _full(graph, eqn, inputs)
    around = [
        i for i, n in enumerate(p["window_dimensions"]) if n != 1 or p["padding"][i] != (0, 0)
    ]
    dilated = any(n != 1 for n in (*p["base_dilation"], *p["window_dilation"]))
    if len(x.shape) != 4 or not set(around) <= {1, 2} or dilated:
        raise Untranslated("a pooling that is not over height and width")
    x = _transposed(graph, x, (0, 3, 1, 2))
    settings = {
        "kernel_shape": list(p["window_dimensions"][1:3]),
        "strides": list(p["window_strides"][1:3]),
        "pads": [int(n) for side in zip(*p["padding"][1:3], strict=True) for n in side],
    }
    shape = tuple(_shape(eqn)[i] for i in (0, 3, 1, 2))
    if eqn.primitive.name == "reduce_window_sum":
        y = graph.node("AveragePool", [x], shape, count_include_pad=1, **settings)
        area = np.array(np.prod(settings["kernel_shape"]), eqn.outvars[0].aval.dtype)
        y = graph.node("Mul", [y, area], shape)
    else:
        y = graph.node("MaxPool", [x], shape, **settings)
    return _transposed(graph, y, (0, 2, 3, 1))


_RULES: dict[str, Rule] = {
    **dict.fromkeys(_REDUCE, _reduce),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshape),
    **dict.fromkeys(("argmax", "argmin"), _argmax),
    **dict.fromkeys(("reduce_window_max", "reduce_window_sum"), _pool),
    "iota": _iota,
    "broadcast_in_dim": _broadcast_in_dim,
    "transpose": _transpose,
    "cumsum": _cumsum,
    "sort": _sort,
    "concatenate": _concatenate,
    "stack": _stack,
    "split": _split,
    "slice": _slice,
    "rev": _rev,
    "pad": _pad,
    "gather": _gather,
    "dot_general": _dot_general,
    "conv_general_dilated": _conv,
}
