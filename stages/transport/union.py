"""Several trees as one, for a source whose images and annotations lie in different archives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import BinaryIO

from stages.errors import InputError
from stages.transport.progress import Meter
from stages.transport.tree import ListedTree, Tree, no_such_file


class UnionTree(ListedTree):
    """The files of all ``trees``; a path that two of them have is an `InputError`."""

    def __init__(self, trees: list[Tree], meter: Meter):
        super().__init__(", ".join(tree.shown for tree in trees), meter)
        self._trees = trees
        self._owner: dict[str, Tree] = {}
        for tree in trees:
            for path in tree.files():
                other = self._owner.setdefault(path, tree)
                if other is not tree:
                    what = f"{other.where(path)} has the same path"
                    raise InputError(tree.where(path), what, "leave one of the two out of `path`")
        self._list(self._owner)

    def read(self, path: str) -> bytes:
        """Content, see `Tree`."""
        return self._owned(path).read(path)

    def open(self, path: str) -> BinaryIO:
        """An open file, see `Tree`."""
        return self._owned(path).open(path)

    def _owned(self, path: str) -> Tree:
        if path not in self._owner:
            raise no_such_file(self.where(path))
        return self._owner[path]

    def fetch(self, paths: Iterable[str]) -> None:
        """Bring files, tree by tree, see `Tree`."""
        of_tree: dict[int, list[str]] = defaultdict(list)
        for path in paths:
            if path in self._owner:
                of_tree[self._trees.index(self._owner[path])].append(path)
        for index in sorted(of_tree):
            self._trees[index].fetch(of_tree[index])

    def where(self, path: str) -> str:
        """A file's place, or that of a folder in the first tree that has it, for a message."""
        if path in self._owner:
            return self._owner[path].where(path)
        folder = f"{path.rstrip('/')}/" if path else ""
        for tree in self._trees if folder else ():
            if any(file.startswith(folder) for file in tree.files()):
                return tree.where(path)
        return super().where(path)
