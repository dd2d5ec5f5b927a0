"""From what JAX traced to an ONNX graph: the only room that knows `onnx`.

jax2onnx would be the library for this. Version 0.17 pins Orbax below ours and drops the padding of
a pooling without a word; an inference program of networks like these needs some sixty primitives,
which `primitives.py` and `elementwise.py` translate one by one. What they do not know is an error
that names it.

The walk keeps arrays that do not depend on the input as NumPy arrays and works them out itself, so
that a batch norm's `scale / sqrt(var + epsilon)` is one number a channel in the file.
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

OPSET, IR_VERSION = 18, 8  # of 2022: runtimes of today and of some years ago read them
Shape = tuple[Any, ...]  # of int, or of JAX's symbolic dimensions


class Untranslated(Exception):
    """The program does something that there is no translation of."""


@dataclasses.dataclass(frozen=True)
class Tensor:
    """What stands for a traced array of a shape.

    Attributes:
      value: the name of an ONNX tensor, or a NumPy array, which no input can change.
      shape: of `value`: as many axes as the traced array has, each of its length or of length one
        where all along it is the same. ONNX broadcasts, so few need ever be spread out.
    """

    value: str | np.ndarray
    shape: Shape

    @property
    def known(self) -> bool:
        """Whether it is an array."""
        return not isinstance(self.value, str)

    @property
    def array(self) -> np.ndarray:
        """The array, where it is known."""
        assert isinstance(self.value, np.ndarray)
        return self.value


class Graph:
    """An ONNX graph in the making."""

    def __init__(self, input_name: str, shape: Shape, dtype: Any):
        """With one input, whose first dimension is the batch's."""
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._written: dict[tuple, str] = {}  # the names of arrays, by their content
        self._names: dict[int, tuple[str, np.ndarray]] = {}  # that arrays are to have, by id
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
        """Adds an operation; the names of its results."""
        names = [self._fresh(op) for _ in range(results)]
        self._nodes.append(
            helper.make_node(op, [self.name(x) for x in inputs], names, names[0], **attributes)
        )
        return names

    def name(self, x: Any) -> str:
        """The name of a tensor; arrays are written into the file for it, each once."""
        x = x.value if isinstance(x, Tensor) else x
        if isinstance(x, str):
            return x
        array = np.ascontiguousarray(x)
        content = hashlib.blake2b(array.tobytes()).digest()
        key = (array.dtype.str, array.shape, content)  # a mirrored pass makes its own of each
        if key not in self._written:
            name = self._names[id(x)][0] if id(x) in self._names else self._fresh("constant")
            self._written[key] = name
            self._initializers.append(numpy_helper.from_array(array, name))
        return self._written[key]

    def label(self, array: np.ndarray, name: str) -> None:
        """The name under which an array is written, if it is."""
        self._names[id(array)] = name, array  # which must live, for its id to stay its own

    def relabel(self, array: np.ndarray, like: np.ndarray) -> None:
        """Gives an array the name of the one that it was made of."""
        if id(like) in self._names:
            self.label(array, self._names[id(like)][0])

    def full(self, x: Tensor, shape: Shape) -> Tensor:
        """Spread out to its traced shape."""
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
        """To a shape of as many elements, of which one dimension may be symbolic."""
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
    """The ONNX model of `function(weights, x)` for x of `[batch, *shape]`, with any batch.

    Args:
      function: traced once; gives a flat dict of arrays, which are the outputs.
      weights: a tree of arrays, written into the model under their paths.
      shape: of one row of the input.
      dtype: of the input.
      input_name: of the input.
      metadata: texts for the model's `metadata_props`.

    Raises:
      Untranslated: the program has a primitive, or a form of one, that is not known here.
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
    """ONNX's number for a dtype."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def walk(
    graph: Graph, jaxpr: Jaxpr, consts: Sequence[Any], arguments: Sequence[Tensor]
) -> list[Tensor]:
    """Adds the operations of a traced program; the tensors of its results."""
    from agejax.exporters.primitives import INNER, translate  # which walk on into inner programs

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
    """The equations that a result depends on."""
    wanted = {var for var in jaxpr.outvars if not isinstance(var, Literal)}
    equations = []
    for eqn in reversed(jaxpr.eqns):
        if wanted.isdisjoint(eqn.outvars):
            continue
        wanted.update(var for var in eqn.invars if not isinstance(var, Literal))
        equations.append(eqn)
    return equations[::-1]
