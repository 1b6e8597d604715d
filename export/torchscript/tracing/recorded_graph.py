"""A recorded method: a graph of plain operators, with its constants, random draws and layer names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn
from torch.utils._pytree import tree_flatten

from export.torchscript.tracing.repeatable_noise import Draw


@dataclass
class Recording:
    """The recording of a method.

    Attributes
    ----------
    graph : fx.Graph
        Placeholders are the inputs in order, then the noise (one for each of `draws`); the output node returns a tuple.
    constants : dict of str to Tensor
        Tensors that the graph reads, by the name of their `get_attr`.
    draws : list of Draw
        Random draws in order, for one frame.
    asked : list of (str, value)
        Operators that returned the value of a traced tensor to Python, with the value.
    layers : dict of str to str
        The layer of a node's weights, by the node's name.
    frames : int
        Frames of noise a step.
    """

    graph: fx.Graph
    constants: dict[str, Tensor]
    draws: list[Draw]
    asked: list[tuple[str, Any]]
    layers: dict[str, str] = field(default_factory=dict)
    frames: int = 1

    def module(self) -> fx.GraphModule:
        """Make a module of the graph, with each constant under its name in the model."""
        root = nn.Module()
        for name, tensor in self.constants.items():
            *parents, last = name.split(".")
            owner = root
            for parent in parents:
                if not hasattr(owner, parent):
                    owner.add_module(parent, nn.Module())
                owner = getattr(owner, parent)
            owner.register_buffer(last, tensor)
        return fx.GraphModule(root, self.graph)

    def signature(self) -> list[tuple[Any, ...]]:
        """Return the structure of the graph, without the values of its constants."""
        place = {node: k for k, node in enumerate(self.graph.nodes)}

        def plain(value: Any) -> Any:
            if isinstance(value, fx.Node):
                return ("node", place[value])
            return value

        entries: list[tuple[Any, ...]] = []
        for node in self.graph.nodes:
            if node.op == "get_attr":
                constant = self.constants[node.target]
                entries.append(("constant", tuple(constant.shape), constant.dtype))
            else:
                leaves, spec = tree_flatten((node.args, node.kwargs))
                entries.append((node.op, str(node.target), str(spec), tuple(plain(leaf) for leaf in leaves)))
        return entries
