"""Translates JAX's elementwise primitives to ONNX operations."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from agejax.exporters.graph import Graph, Shape, Tensor, Untranslated, kind_of

# Primitives with a single ONNX operation.
_ELEMENTWISE = {
    **{"add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow"},
    **{"max": "Max", "min": "Min", "neg": "Neg", "abs": "Abs", "sign": "Sign"},
    **{"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh", "logistic": "Sigmoid"},
    **{"erf": "Erf", "sin": "Sin", "cos": "Cos", "floor": "Floor", "ceil": "Ceil"},
    **{"lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual", "eq": "Equal"},
    **{"and": "And", "or": "Or", "xor": "Xor", "not": "Not"},  # of booleans, else bitwise
}
_BITWISE = {"and", "or", "xor", "not"}
_PRECISIONS = {(8, 23): np.float32, (8, 7): jnp.bfloat16, (5, 10): np.float16}  # bits of each


def elementwise(graph: Graph, eqn: Any, inputs: Sequence[Tensor]) -> Tensor:
    """Translates an equation whose primitive `is_elementwise`, with at least one unknown input.

    Raises:
      Untranslated: this form of the primitive is not supported.
    """
    shape = broadcast([x.shape for x in inputs])
    name = eqn.primitive.name
    if name in _COMPOSED:
        return _COMPOSED[name](graph, eqn, inputs, shape)
    if name in ("max", "min") and (bounded := _bounded(graph, eqn, inputs, shape)):
        return bounded
    if name == "sub" and inputs[1].known and eqn.outvars[0].aval.dtype.kind == "f":
        return graph.node("Add", [inputs[0], -inputs[1].array], shape)  # runtimes fuse Add
    bits = name in _BITWISE and eqn.invars[0].aval.dtype != bool
    return graph.node("Bitwise" * bits + _ELEMENTWISE[name], inputs, shape)


def is_elementwise(name: str) -> bool:
    """Whether a primitive is elementwise and has a rule here."""
    return name in _ELEMENTWISE or name in _COMPOSED


def _bounded(graph, eqn, inputs, shape):
    """Relu or Clip, which runtimes fuse with a convolution before it; None if it is neither."""
    x, bound = sorted(inputs, key=lambda tensor: tensor.known)
    if not bound.known or bound.array.size != 1 or eqn.outvars[0].aval.dtype != np.float32:
        return None
    if eqn.primitive.name == "min":
        return graph.node("Clip", [x, "", bound.array.reshape(())], shape)
    return graph.node("Relu", [x], shape) if bound.array.item() == 0 else None


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The shape to which arrays of these shapes broadcast."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def _clamp(graph, eqn, inputs, shape):
    low, x, high = inputs
    return graph.node("Min", [graph.node("Max", [x, low], shape), high], shape)


def _select(graph, eqn, inputs, shape):
    which, *cases = inputs
    if len(cases) != 2:
        raise Untranslated(f"a selection among {len(cases)} cases")
    if eqn.invars[0].aval.dtype != bool:
        which = graph.node("Cast", [which], which.shape, to=kind_of(bool))
    return graph.node("Where", [which, cases[1], cases[0]], shape)


def _expm1(graph, eqn, inputs, shape):
    """tanh(x / 2) (exp(x) + 1), which avoids cancellation for small x."""
    [x] = inputs
    one, half = (np.array(n, eqn.outvars[0].aval.dtype) for n in (1, 0.5))
    tanh = graph.node("Tanh", [graph.node("Mul", [x, half], shape)], shape)
    return graph.node(
        "Mul", [tanh, graph.node("Add", [graph.node("Exp", [x], shape), one], shape)], shape
    )


def _erfc(graph, eqn, inputs, shape):
    one = np.array(1, eqn.outvars[0].aval.dtype)
    return graph.node("Sub", [one, graph.node("Erf", inputs, shape)], shape)


def _log1p(graph, eqn, inputs, shape):
    """Kahan's x log(u) / (u - 1) with u = 1 + x rounded, and x where u is 1.

    log(1 + x) would lose precision for small x.
    """
    [x] = inputs
    one = np.array(1, eqn.outvars[0].aval.dtype)
    u = graph.node("Add", [x, one], shape)
    factor = graph.node(
        "Div", [graph.node("Log", [u], shape), graph.node("Sub", [u, one], shape)], shape
    )
    infinite = np.array(np.inf, one.dtype)
    plain = graph.node(
        "Or",
        [graph.node("Equal", [u, one], shape), graph.node("Equal", [u, infinite], shape)],
        shape,
    )
    return graph.node("Where", [plain, x, graph.node("Mul", [x, factor], shape)], shape)


def _integer_pow(graph, eqn, inputs, shape):
    if eqn.params["y"] == 2:
        return graph.node("Mul", [inputs[0], inputs[0]], shape)
    return graph.node(
        "Pow", [inputs[0], np.array(eqn.params["y"], eqn.outvars[0].aval.dtype)], shape
    )


def _cast(graph, eqn, inputs, shape):
    """Casts saturate at the limits of narrow integer types, as in XLA."""
    old, new = eqn.invars[0].aval.dtype, np.dtype(eqn.params["new_dtype"])
    if old == new:
        return inputs[0]
    if old.kind == "f" and new.kind in "iu":
        if new.itemsize > 2:  # limits are not exact in float32
            return graph.node("Cast", inputs, shape, to=kind_of(new))
        ends = [np.array(n, old) for n in (np.iinfo(new).min, np.iinfo(new).max)]
        inputs = [graph.node("Clip", [*inputs, *ends], shape)]
    return graph.node("Cast", inputs, shape, to=kind_of(new))


def _reduce_precision(graph, eqn, inputs, shape):
    bits = eqn.params["exponent_bits"], eqn.params["mantissa_bits"]
    if eqn.invars[0].aval.dtype != np.float32 or bits not in _PRECISIONS:
        raise Untranslated(f"rounding to {bits[0]} exponent and {bits[1]} mantissa bits")
    if _PRECISIONS[bits] == np.float32:
        return inputs[0]
    rounded = graph.node("Cast", inputs, shape, to=kind_of(_PRECISIONS[bits]))
    return graph.node("Cast", [rounded], shape, to=kind_of(np.float32))


# Primitives with several operations: (graph, eqn, inputs, shape) -> tensor.
_COMPOSED: dict[str, Callable[..., Tensor]] = {
    "clamp": _clamp,
    "select_n": _select,
    "convert_element_type": _cast,
    "expm1": _expm1,
    "erfc": _erfc,
    "log1p": _log1p,
    "integer_pow": _integer_pow,
    "reduce_precision": _reduce_precision,
    "square": lambda g, e, x, s: g.node("Mul", [x[0], x[0]], s),
    "rsqrt": lambda g, e, x, s: g.node("Reciprocal", [g.node("Sqrt", x, s)], s),
    "ne": lambda g, e, x, s: g.node("Not", [g.node("Equal", x, s)], s),
}
