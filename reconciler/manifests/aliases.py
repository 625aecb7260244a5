"""What the aliases of a YAML document come to when they are written out: a few lines may stand for millions of values.

Counted on the composed nodes, where an alias is the same node once more, so that nothing is written out to be counted.
"""

from __future__ import annotations

from yaml.nodes import MappingNode, Node, ScalarNode

MAX_VALUES = 10_000
"""Of a document with aliases, counted after their expansion."""


def fault(root: Node, max_depth: int) -> tuple[str, Node] | None:
    """What is wrong with a document's aliases, and where: a cycle, or more than MAX_VALUES values when they are written
    out. Below `max_depth` levels it looks no further: the reader says that by itself."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Node) -> int:
        if isinstance(node, ScalarNode):
            return 1
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes:
            raise _Bomb("an alias stands within its own anchor", node)
        if len(open_nodes) > max_depth + 1:
            return 1
        open_nodes.add(id(node))
        if isinstance(node, MappingNode):
            total = 1 + sum(size(key) + size(value) for key, value in node.value)
        else:
            total = 1 + sum(size(item) for item in node.value)
        open_nodes.discard(id(node))
        sizes[id(node)] = total
        return total

    try:
        total = size(root)
    except _Bomb as bomb:
        return bomb.why, bomb.node
    if total > MAX_VALUES and total > 2 * len(sizes):
        biggest = f"{total:,}" if total < 10**9 else "more than a thousand million"
        return f"the aliases expand to {biggest} values, {MAX_VALUES:,} is the limit", root
    return None


class _Bomb(Exception):
    def __init__(self, why: str, node: Node) -> None:
        super().__init__(why)
        self.why = why
        self.node = node
