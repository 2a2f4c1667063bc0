"""The YAML document itself: numbers as YAML 1.2 reads them, no key twice, and the line of every key."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from stages.errors import InputError

# PyYAML follows YAML 1.1, where 1e-5 and 3e-06 (which DVC writes) are strings; this is YAML 1.2's float.
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$")

# Of a key: text, or what reads like another plain value and is its text here (`labels: {1: person}`); `<<` merges.
_KEYS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "merge")}


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2 floats."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


class Document:
    """A parsed YAML file that can say on which line a key stands."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            text = self.path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, _Loader)
            self._refuse_keys(self._root, "")
            self.value = yaml.load(text, _Loader)
        except FileNotFoundError:
            raise InputError(str(path), "no such file", "run from the repository's top folder") from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise InputError(f"{path}:{line}", f"not YAML ({error.problem})", "mend that line") from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())[:100]
            raise InputError(str(path), f"not YAML in UTF-8 ({reason})", "mend the file") from None
        if not isinstance(self.value, dict):
            raise InputError(str(path), "holds no keys", "start from the params.yaml of the repository")

    def where(self, place: tuple) -> str:
        """``file:line: dotted.key`` of a place in the document, or of its nearest parent that exists."""
        node, line = self._root, 1
        for part in place:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return f"{self.path}:{line}: {'.'.join(str(part) for part in place)}"

    def _refuse_keys(self, node: yaml.Node | None, prefix: str) -> None:
        """No key that stands twice in its block, and none that is a block, a list or a date."""
        if isinstance(node, yaml.SequenceNode):
            for child in node.value:
                self._refuse_keys(child, prefix)
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, child in node.value:
                self._refuse_no_text(key, prefix)
                if key.value in seen:
                    where = f"{self.path}:{key.start_mark.line + 1}: {prefix}{key.value}"
                    raise InputError(where, "the key stands twice in one block", "delete one of the two")
                seen.add(key.value)
                self._refuse_keys(child, f"{prefix}{key.value}.")

    def _refuse_no_text(self, key: yaml.Node, prefix: str) -> None:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in _KEYS:
            where = f"{self.path}:{key.start_mark.line + 1}: {prefix}".rstrip(": .")
            raise InputError(where, f"a key is {_kind(key)}, not text", "put it in quotes, or fill in `{{ }}`")


def _kind(key: yaml.Node) -> str:
    """What a key is that is no text, and how it begins."""
    if isinstance(key, yaml.ScalarNode):
        return f"`{key.value[:40]}`, a {key.tag.rpartition(':')[2]}"
    return "a list" if isinstance(key, yaml.SequenceNode) else "a block in braces"


def _child(node: yaml.Node, part: object) -> tuple[yaml.Node, int] | None:
    """The node under a mapping's key or a sequence's index, with its line."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None
