"""Attributes of a script as live controls.

A setter is code of the model, and may set a tensor, or a number that becomes a constant of an operator. Therefore the
method is recorded at several values of the attribute. If the graphs differ in numbers only, and each of these is linear
in the attribute's value (or the exponential of a linear function), the value becomes an input. If their structure
differs, the attribute keeps its value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from export.format.card import Control
from export.torchscript.script.nn_tilde import BOOL, FLOAT, INT, Attribute
from export.torchscript.tracing.recorded_graph import Recording
from export.torchscript.tracing.repeatable_noise import AMOUNT, SEED

aten = torch.ops.aten
FIT_TOLERANCE = 1e-5
MAX_VALUES = 1024


@dataclass(frozen=True)
class AttributeControl:
    """A part of an attribute that may become a control.

    Attributes
    ----------
    attribute : Attribute
    part : int
        Position among the attribute's parts.
    control : Control
        Its control, with the range to try.
    whole : bool
        Whether it takes whole numbers only.
    """

    attribute: Attribute
    part: int
    control: Control
    whole: bool

    def values(self, value: float) -> tuple[Any, ...]:
        """Return the arguments of the setter with a value for this part; the others are unchanged."""
        code, now = self.attribute.codes[self.part], self.attribute.values[self.part]
        if isinstance(now, Tensor):
            typed: Any = torch.full_like(now, value) if now.numel() == 1 else now + value
            return tuple(typed if k == self.part else other for k, other in enumerate(self.attribute.values))
        typed = bool(round(value)) if code == BOOL else round(value) if code == INT else float(value)
        return tuple(typed if k == self.part else other for k, other in enumerate(self.attribute.values))

    def probes(self) -> list[float]:
        """Return the values to try: first the ends of the range, then values in between."""
        low, high = self.control.minimum, self.control.maximum
        between = [low + share * (high - low) for share in (0.37, 0.81)]
        tried = [low, high, *((round(value) for value in between) if self.whole else between)]
        return [value for value in dict.fromkeys(float(v) for v in tried) if value != self.control.default]


@dataclass(frozen=True)
class DependentValue:
    """A number or constant of the graph that depends on a control: `slope * value + base`, or its exponential.

    Attributes
    ----------
    node, leaf : int
        The node, and the position among its arguments; -1 for a constant.
    """

    node: int
    leaf: int
    slope: Tensor
    base: Tensor
    exponential: bool


def candidate_controls(attribute: Attribute) -> list[list[AttributeControl]]:
    """List the parts of an attribute that may become controls, each with the ranges to try, the widest first.

    Returns
    -------
    list of list of AttributeControl
        For each part, one candidate a range.
    """
    found = []
    for part, (code, value) in enumerate(zip(attribute.codes, attribute.values, strict=False)):
        if isinstance(value, Tensor) and value.is_floating_point() and 1 < value.numel() <= MAX_VALUES:
            text = f"Added to the model's attribute '{attribute.name}', element by element."
            control = Control(_control_name(attribute.name), 0.0, -1.0, 1.0, text=text, size=value.numel())
            found.append([AttributeControl(attribute, part, control, whole=False)])
            continue
        single = isinstance(value, Tensor) and value.is_floating_point() and value.numel() == 1
        kind, now = (FLOAT, float(value)) if single else (code, value)
        if kind not in (BOOL, INT, FLOAT) or not isinstance(now, bool | int | float) or not math.isfinite(now):
            continue
        name = _control_name(attribute.name) + (f".{part + 1}" if len(attribute.codes) > 1 else "")
        text = f"The model's attribute '{attribute.name}'."
        ranges = [(0.0, 1.0)] if kind == BOOL else _candidate_ranges(float(now))
        if kind == INT:
            ranges = [(float(math.floor(low)), float(math.ceil(high))) for low, high in ranges]
        controls = [Control(name, float(now), low, high, text=text) for low, high in dict.fromkeys(ranges)]
        found.append([AttributeControl(attribute, part, control, kind != FLOAT) for control in controls])
    return found


def dependent_values(
    plain: Recording, others: Sequence[Recording], values: Sequence[float]
) -> list[DependentValue] | None:
    """Find the numbers of a graph that depend on the value of an attribute.

    Parameters
    ----------
    plain, others
        The method recorded at `values[0]`, and at the others.
    values
        Values of the attribute.

    Returns
    -------
    list of DependentValue, or None
        Empty if nothing depends on it, None if it can't become an input.
    """
    nodes = [list(recording.graph.nodes) for recording in (plain, *others)]
    if len({len(entry) for entry in nodes}) != 1:
        return None
    order = [{node: k for k, node in enumerate(entry)} for entry in nodes]
    found = []
    for k, same in enumerate(zip(*nodes, strict=True)):
        if same[0].op == "get_attr":
            tensors = [
                r.constants[str(n.target)] for r, n in zip((plain, *others), same, strict=True) if n.op == "get_attr"
            ]
            if len(tensors) != len(same):
                return None
            if any(t.shape != tensors[0].shape or t.dtype != tensors[0].dtype for t in tensors):
                return None
            if all(torch.equal(tensors[0], t) for t in tensors[1:]):
                continue
            if not tensors[0].is_floating_point():
                return None
            line = _fit_line([t.double() for t in tensors], values)
            if line is None:
                return None
            found.append(DependentValue(k, -1, *line))
            continue
        leaves = [tree_flatten((node.args, node.kwargs)) for node in same]
        if any(node.op != same[0].op or node.target != same[0].target for node in same):
            return None
        if any(spec != leaves[0][1] for _, spec in leaves):
            return None
        for at, entries in enumerate(zip(*(flat for flat, _ in leaves), strict=True)):
            seen = [order[r][e] if isinstance(e, fx.Node) else e for r, e in enumerate(entries)]
            if all(type(e) is type(seen[0]) and e == seen[0] for e in seen[1:]):
                continue
            if not all(
                isinstance(e, int | float) and not isinstance(n, fx.Node) for e, n in zip(seen, entries, strict=True)
            ):
                return None
            if same[0].target not in TENSOR_FORMS:
                return None
            line = _fit_line([torch.tensor(float(e), dtype=torch.float64) for e in seen], values)
            if line is None:
                return None
            found.append(DependentValue(k, at, *line))
    nodes_found = [place.node for place in found]
    return found if len(set(nodes_found)) == len(nodes_found) else None


def add_input(
    recording: Recording, nodes: list[fx.Node], candidate: AttributeControl, found: Sequence[DependentValue]
) -> None:
    """Add the value of an attribute to a graph as an input, the last of its placeholders [shape=(1, size, 1)].

    Parameters
    ----------
    recording : Recording
        Its graph is changed.
    nodes : list of fx.Node
        The nodes that `found` refers to by position; replaced nodes are replaced here, as well.
    candidate : AttributeControl
    found : sequence of DependentValue
        From `dependent_values`.
    """
    graph = recording.graph
    last = [node for node in graph.nodes if node.op == "placeholder"][-1]
    with graph.inserting_after(last):
        given = graph.placeholder(f"control_{candidate.control.name}".replace(".", "_").replace("-", "_"))
    with graph.inserting_after(given):
        shape = list(found[0].slope.shape) if candidate.control.size > 1 else []
        value = graph.call_function(aten.reshape.default, (given, shape))
    if candidate.whole:
        with graph.inserting_after(value):
            value = graph.call_function(aten.round.default, (value,))
    point = value
    for number, place in enumerate(found):

        def write(target: Any, *args: Any, **kwargs: Any) -> fx.Node:
            nonlocal point
            with graph.inserting_after(point):
                point = graph.call_function(target, args, kwargs)
            return point

        def weight(tensor: Tensor, kind: str, number: int = number) -> fx.Node:
            nonlocal point
            name = f"{given.name}_{kind}_{number}"
            recording.constants[name] = tensor.float()
            with graph.inserting_after(point):
                point = graph.get_attr(name)
            return point

        line = write(aten.mul.Tensor, weight(place.slope, "slope"), value)
        line = write(aten.add.Tensor, line, weight(place.base, "base"))
        if place.exponential:
            line = write(aten.exp.default, line)
        node = nodes[place.node]
        if place.leaf < 0:
            dtype = recording.constants[str(node.target)].dtype
            if dtype != torch.float32:
                line = write(aten._to_copy.default, line, dtype=dtype)
            node.replace_all_uses_with(line)
            graph.erase_node(node)
        else:
            flat, spec = tree_flatten((node.args, node.kwargs))
            flat[place.leaf] = line
            args, kwargs = tree_unflatten(flat, spec)
            with graph.inserting_before(node):
                new = TENSOR_FORMS[node.target](graph, args, kwargs)
            node.replace_all_uses_with(new)
            if node.name in recording.layers:
                recording.layers[new.name] = recording.layers[node.name]
            graph.erase_node(node)
            nodes[place.node] = new


def _control_name(name: str) -> str:
    """Make a name that is valid in a card."""
    plain = "".join(c if c.isalnum() or c in "_-." else "_" for c in name).strip("_-.")
    return f"model.{plain}" if plain in (AMOUNT, SEED, "") else plain


def _candidate_ranges(value: float) -> list[tuple[float, float]]:
    """Guess ranges, which files don't contain: from 0 to twice the value, or from -1 to 1 if that is 0."""
    widest = (-1.0, 1.0) if value == 0 else (0.0, 2 * value) if value > 0 else (2 * value, 0.0)
    return [widest, *([(0.0, 1.0)] if 0 <= value <= 1 else [])]


def _fit_line(seen: Sequence[Tensor], values: Sequence[float]) -> tuple[Tensor, Tensor, bool] | None:
    """Fit a line through the first two points, or their logarithms; None if the others are not on it."""
    for exponential in (False, True):
        points = list(seen)
        if exponential:
            if any(bool((point <= 0).any()) for point in points):
                return None
            points = [point.log() for point in points]
        slope = (points[1] - points[0]) / (values[1] - values[0])
        base = points[0] - slope * values[0]
        drawn = [slope * value + base for value in values]
        if all(
            torch.allclose(line, point, rtol=FIT_TOLERANCE, atol=FIT_TOLERANCE)
            for line, point in zip(drawn, points, strict=True)
        ):
            return slope, base, exponential
    return None


def _binary(target: Any) -> Callable[[fx.Graph, Any, Any], fx.Node]:
    """Write a binary operator with a tensor instead of a number; the factor `alpha` is multiplied out."""

    def write(graph: fx.Graph, args: Any, kwargs: Any) -> fx.Node:
        first, second, *rest = args
        alpha = rest[0] if rest else kwargs.get("alpha", 1)
        if isinstance(alpha, fx.Node) or alpha != 1:
            second = graph.call_function(aten.mul.Tensor, (second, alpha))
        if not isinstance(second, fx.Node):
            second = graph.call_function(aten.full.default, ([], float(second)))
        return graph.call_function(target, (first, second))

    return write


def _clamp(graph: fx.Graph, args: Any, kwargs: Any) -> fx.Node:
    node, low, high = (*args, None, None)[:3]
    for bound, target in (
        (kwargs.get("min", low), aten.maximum.default),
        (kwargs.get("max", high), aten.minimum.default),
    ):
        if bound is not None:
            other = bound if isinstance(bound, fx.Node) else graph.call_function(aten.full.default, ([], float(bound)))
            node = graph.call_function(target, (node, other))
    return node


def _below(graph: fx.Graph, args: Any, kwargs: Any) -> fx.Node:
    return _clamp(graph, (args[0], None, args[1]), kwargs)


def _reversed(graph: fx.Graph, args: Any, kwargs: Any) -> fx.Node:
    return graph.call_function(aten.sub.Tensor, (args[1], args[0]))


def _leaky(graph: fx.Graph, args: Any, kwargs: Any) -> fx.Node:
    zero = graph.call_function(aten.full.default, ([], 0.0))
    above = graph.call_function(aten.maximum.default, (args[0], zero))
    below = graph.call_function(aten.minimum.default, (args[0], zero))
    below = graph.call_function(aten.mul.Tensor, (below, args[1]))
    return graph.call_function(aten.add.Tensor, (above, below))


TENSOR_FORMS: dict[Any, Callable[[fx.Graph, Any, Any], fx.Node]] = {
    aten.mul.Scalar: _binary(aten.mul.Tensor),
    aten.mul.Tensor: _binary(aten.mul.Tensor),
    aten.div.Scalar: _binary(aten.div.Tensor),
    aten.add.Scalar: _binary(aten.add.Tensor),
    aten.add.Tensor: _binary(aten.add.Tensor),
    aten.sub.Scalar: _binary(aten.sub.Tensor),
    aten.sub.Tensor: _binary(aten.sub.Tensor),
    aten.rsub.Scalar: _reversed,
    aten.pow.Tensor_Scalar: _binary(aten.pow.Tensor_Tensor),
    aten.gt.Scalar: _binary(aten.gt.Tensor),
    aten.ge.Scalar: _binary(aten.ge.Tensor),
    aten.lt.Scalar: _binary(aten.lt.Tensor),
    aten.le.Scalar: _binary(aten.le.Tensor),
    aten.clamp.default: _clamp,
    aten.clamp_min.default: _clamp,
    aten.clamp_max.default: _below,
    aten.leaky_relu.default: _leaky,
}
