"""A recorded method: its graph of plain operators, with constants, random draws and layer names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn
from torch.utils._pytree import tree_flatten

from export.torchscript.tracing.noise import Draw


@dataclass
class Recording:
    """What was written down.

    Attributes
    ----------
    graph
        Placeholders are the inputs in their order, then the noise (one for each of `draws`); the output node gives a
        tuple.
    constants
        Tensors that the graph reads, by the name of their `get_attr`.
    draws
        What is drawn, in order, for one frame.
    asked
        Operators that gave Python a number out of a traced tensor, with the number.
    layers
        The layer in whose weights a node's operands lie, by the node's name.
    """

    graph: fx.Graph
    constants: dict[str, Tensor]
    draws: list[Draw]
    asked: list[tuple[str, Any]]
    layers: dict[str, str] = field(default_factory=dict)
    frames: int = 1

    def module(self) -> fx.GraphModule:
        """Make the graph callable, each constant under the name that it has in the model."""
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
        """Give all that makes a graph's structure, without the numbers of its constants."""
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
