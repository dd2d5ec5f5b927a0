"""Converts a traced JAX program to an ONNX graph. Only modules of this folder import `onnx`.

The library jax2onnx 0.17 is not used: it pins Orbax below our version and silently drops the
padding of pooling. Inference with our networks needs about sixty primitives, which `primitives.py`
and `elementwise.py` translate one by one. An unsupported primitive raises an error with its name.

Arrays that do not depend on the input stay NumPy arrays and are evaluated during conversion, so
that a batch norm's `scale / sqrt(var + epsilon)` is stored as one number per channel. Large arrays
whose values are all float16 numbers, as in a file of float16 weights, are stored as such and cast
when the model is loaded: the same values in half the bytes.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 18, 8  # released in 2022, also supported by older runtimes
_LARGE = 4096  # values, from which on a cast is worth its node
Shape = tuple[Any, ...]  # of int, or of JAX's symbolic dimensions


class Untranslated(Exception):
    """The program contains an operation that has no translation."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """Represents a traced array.

    Attributes:
      value: the name of an ONNX tensor, or a NumPy array if it does not depend on the input.
      shape: the shape of `value`: the traced array's shape, but axes along which it is constant may
        have length one. ONNX broadcasts, so most need not be expanded.
    """

    value: str | np.ndarray
    shape: Shape

    @property
    def known(self) -> bool:
        """Whether `value` is an array."""
        return not isinstance(self.value, str)

    @property
    def array(self) -> np.ndarray:
        """The array, if it is known."""
        assert isinstance(self.value, np.ndarray)
        return self.value


class Graph:
    """Builds an ONNX graph."""

    def __init__(self, input_name: str, shape: Shape, dtype: Any):
        """Creates a graph with one input, whose first dimension is the batch."""
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._written: dict[tuple, str] = {}  # names of arrays, by content
        self._names: dict[int, tuple[str, np.ndarray]] = {}  # names to give to arrays, by id
        self._count = 0
        self._batch = shape[0]
        self._input = helper.make_tensor_value_info(
            input_name, kind_of(dtype), ["batch", *shape[1:]]
        )
        self.input = Tensor(input_name, shape)

    def node(self, op: str, inputs: Sequence[Any], shape: Shape, **attributes: Any) -> Tensor:
        """Adds an operation with one result; inputs are tensors, names or NumPy arrays."""
        return Tensor(self.nodes(op, inputs, 1, **attributes)[0], shape)

    def nodes(self, op: str, inputs: Sequence[Any], results: int, **attributes: Any) -> list[str]:
        """Adds an operation and returns the names of its results."""
        names = [self._fresh(op) for _ in range(results)]
        self._nodes.append(
            helper.make_node(op, [self.name(x) for x in inputs], names, names[0], **attributes)
        )
        return names

    def name(self, x: Any) -> str:
        """The name of a tensor; an array is stored in the file under it, each content once."""
        x = x.value if isinstance(x, Tensor) else x
        if isinstance(x, str):
            return x
        array = np.ascontiguousarray(x)
        content = hashlib.blake2b(array.tobytes()).digest()
        key = (array.dtype.str, array.shape, content)  # a mirrored pass has copies
        if key not in self._written:
            name = self._names[id(x)][0] if id(x) in self._names else self._fresh("constant")
            self._written[key] = name
            if self.is_half(array):
                half = numpy_helper.from_array(array.astype(np.float16), f"{name}.float16")
                self._initializers.append(half)
                to = kind_of(array.dtype)
                self._nodes.append(helper.make_node("Cast", [half.name], [name], name, to=to))
            else:
                self._initializers.append(numpy_helper.from_array(array, name))
        return self._written[key]

    def is_half(self, array: np.ndarray) -> bool:
        """Whether an array is large, and float16 holds it exactly."""
        if array.dtype != np.float32 or array.size < _LARGE:
            return False
        with np.errstate(over="ignore"):
            return np.array_equal(array.astype(np.float16).astype(np.float32), array)

    def is_weight(self, x: Tensor) -> bool:
        """Whether a tensor is one of the model's own arrays, unchanged but for its axes."""
        return x.known and id(x.value) in self._names

    def label(self, array: np.ndarray, name: str) -> None:
        """Sets the name under which an array is stored, if it is."""
        self._names[id(array)] = name, array  # keeps it alive, so that its id stays valid

    def relabel(self, array: np.ndarray, like: np.ndarray) -> None:
        """Gives an array the name of the one that it was derived from."""
        if id(like) in self._names:
            self.label(array, self._names[id(like)][0])

    def full(self, x: Tensor, shape: Shape) -> Tensor:
        """Expands a tensor to its traced shape."""
        if x.shape == shape:
            return x
        if x.known and all(isinstance(n, int) for n in shape):
            return Tensor(np.broadcast_to(x.array, shape), shape)
        return self.node("Expand", [x, self._runtime_shape(shape)], shape)

    def _runtime_shape(self, shape: Shape) -> Any:
        if self._batch not in shape:
            return np.array(shape, np.int64)
        batch = Tensor(self.input.value, self.input.shape)
        [first] = self.nodes("Shape", [batch], 1, start=0, end=1)
        parts = [first if n == self._batch else np.array([n], np.int64) for n in shape]
        return self.nodes("Concat", parts, 1, axis=0)[0]

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """Reshapes to a shape with as many elements; one dimension may be symbolic."""
        if x.known and all(isinstance(n, int) for n in shape):
            return Tensor(np.reshape(x.array, shape), shape)
        sizes = [n if isinstance(n, int) else -1 for n in shape]
        if sizes.count(-1) > 1:
            raise Untranslated(f"a reshape to {shape}, with two unknown dimensions")
        return self.node("Reshape", [x, np.array(sizes, np.int64)], shape)

    def _fresh(self, word: str) -> str:
        self._count += 1
        return f"{word}_{self._count}"

    def model(
        self, outputs: Mapping[str, tuple[Tensor, Any]], metadata: Mapping[str, str]
    ) -> onnx.ModelProto:
        """The finished model, with `{name: (tensor, dtype)}` as its outputs."""
        infos = []
        for name, (tensor, dtype) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [self.name(tensor)], [name], name))
            dims = [n if isinstance(n, int) else "batch" for n in tensor.shape]
            kind = kind_of(dtype)
            infos.append(helper.make_tensor_value_info(name, kind, dims))
        graph = helper.make_graph(self._nodes, "agejax", [self._input], infos, self._initializers)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="agejax"
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model


def to_onnx(
    function: Callable[..., Mapping[str, jax.Array]],
    weights: Any,
    shape: Sequence[int],
    dtype: Any,
    *,
    input_name: str = "image",
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The ONNX model of `function(weights, x)` for x of shape `[batch, *shape]`, any batch size.

    Args:
      function: returns a flat dict of arrays, which are the outputs; traced once.
      weights: a tree of arrays, stored in the model under their paths.
      shape: the shape of one row of the input.
      dtype: the input's dtype.
      input_name: the input's name.
      metadata: texts for the model's `metadata_props`.

    Raises:
      Untranslated: the program has a primitive, or a form of one, that is not supported.
    """
    (batch,) = jax.export.symbolic_shape("batch")
    x = jax.ShapeDtypeStruct((batch, *shape), dtype)
    closed, out = jax.make_jaxpr(function, return_shape=True)(weights, x)
    graph = Graph(input_name, x.shape, dtype)
    arguments = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        array = np.asarray(leaf)
        graph.label(array, jax.tree_util.keystr(path, simple=True, separator="."))
        arguments.append(Tensor(array, array.shape))
    results = walk(graph, closed.jaxpr, closed.consts, [*arguments, graph.input])
    names = jax.tree.leaves({name: name for name in out})
    outputs = {}
    for name, tensor, var in zip(names, results, closed.jaxpr.outvars, strict=True):
        outputs[name] = graph.full(tensor, var.aval.shape), var.aval.dtype
    return graph.model({name: outputs[name] for name in out}, metadata or {})


def kind_of(dtype: Any) -> int:
    """ONNX's code of a dtype."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def walk(
    graph: Graph, jaxpr: Jaxpr, consts: Sequence[Any], arguments: Sequence[Tensor]
) -> list[Tensor]:
    """Adds the operations of a traced program and returns the tensors of its results."""
    from agejax.exporters.primitives import INNER, translate  # avoids a circular import

    known: dict[Any, Tensor] = {}
    for var, const in zip(jaxpr.constvars, consts, strict=True):
        known[var] = Tensor(np.asarray(const), np.shape(const))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(var: Any) -> Tensor:
        if isinstance(var, Literal):
            aval: Any = var.aval
            return Tensor(np.asarray(var.val, aval.dtype), aval.shape)
        return known[var]

    for eqn in _needed(jaxpr):
        inputs = [read(var) for var in eqn.invars]
        if inner := next((eqn.params[key] for key in INNER if key in eqn.params), None):
            inner = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
            results = walk(graph, inner.jaxpr, inner.consts, inputs)
        else:
            results = translate(graph, eqn, inputs)
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(var) for var in jaxpr.outvars]


def _needed(jaxpr: Jaxpr) -> list[Any]:
    """The equations on which a result depends."""
    wanted = {var for var in jaxpr.outvars if not isinstance(var, Literal)}
    equations = []
    for eqn in reversed(jaxpr.eqns):
        if wanted.isdisjoint(eqn.outvars):
            continue
        wanted.update(var for var in eqn.invars if not isinstance(var, Literal))
        equations.append(eqn)
    return equations[::-1]
