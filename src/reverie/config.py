"""Typed configuration: frozen sections in, plain JSON out, and strict both ways.

A section is a frozen pydantic model. Members of a union carry their name as `kind`, so that a file
never names a class or a module, only words that are registered here by being a union's member.
"""

from __future__ import annotations

import copy
import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError, did_you_mean

T = TypeVar("T", bound="Section")
POINTED = re.compile(r"[+-]?(\d+\.|\.\d+)(e[+-]?\d+)?", re.I)
"""Numbers that JSON writes with a zero before or behind the point."""


class Section(BaseModel):
    """A frozen group of settings; each field's docstring is what `recipes show` says of it.

    Attributes:
        entries_from: By the name of a table among the fields, the field that its new entries start from;
            without one they start from the defaults of the first member.
    """

    entries_from: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    def with_(self: T, **changes: Any) -> T:
        """The section with some fields replaced, checked again: how one recipe varies another."""
        return cast(T, type(self).model_validate({**dict(self), **changes}))


def to_tree(section: Section) -> dict[str, Any]:
    """The section as JSON-ready values."""
    return section.model_dump(mode="json")


def to_json(section: Section) -> str:
    """The section as indented JSON, as it stands in a run folder."""
    return json.dumps(to_tree(section), indent=2) + "\n"


def from_tree(cls: type[T], tree: Mapping[str, Any], where: str = "") -> T:
    """Builds a section from what `json.load` returned; `where` names the place in errors.

    Raises:
        ConfigError: On an unknown name, a wrong type or a value out of bounds.
    """
    try:
        # JSON mode reads lists as tuples and stays strict in all else.
        return cls.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(cls, error, where))) from None


def override(section: T, assignments: Iterable[str]) -> T:
    """Applies `dotted.path=value` assignments, as the command line writes them.

    A value is JSON, else a bare word. A bare word given to a union picks that member with its
    defaults: `model.penalty=r1`.

    Raises:
        ConfigError: On a path that does not exist or a value that does not fit.
    """
    tree = to_tree(section)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not (path and equals):
            raise ConfigError(f"{assignment!r} is not an override; write it as path=value")
        *parents, leaf = path.split(".")
        where, value = ".".join(parents), _literal(text)
        node = _reach(type(section), tree, parents)
        if not _is_new(type(section), where, node, leaf):
            given, members = _child(node, leaf, where), _members(type(section), where)
            other = members.get(str(value))
            if leaf == "kind" and other is not members.get(str(given)):
                node.clear()  # another member has other fields
                node.update(_defaults(other, value) if other else {})
        member = _members(type(section), path).get(value) if isinstance(value, str) else None
        key = int(leaf) if isinstance(node, list) else leaf
        cast(Any, node)[key] = _defaults(member, value) if member else value
    return from_tree(type(section), tree)


def _reach(cls: type[Section], tree: dict[str, Any], path: list[str]) -> Any:
    """The part of the tree at this path, begun where it is a new entry of a table."""
    above = node = tree
    for depth, name in enumerate(path):
        where = ".".join(path[:depth])
        if _is_new(cls, where, node, name):
            node[name] = _entry(cls, where, above)
        above, node = node, _child(node, name, where)
    return node


def help_of(section: type[Section]) -> dict[str, str]:
    """The help text of every field, by name."""
    return {name: field.description or "" for name, field in section.model_fields.items()}


def leaves(section: Section, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Every setting as (dotted path, value as `override` takes it, help text)."""
    tree, texts = to_tree(section), help_of(type(section))
    for name, value in section:
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Section):
            yield from leaves(value, path)
        else:
            yield path, as_typed(tree[name]), texts[name]


def as_typed(value: Any) -> str:
    """A value of a tree as `override` takes it: a bare word, else JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _child(node: Any, name: str, where: str) -> Any:
    at = f"{where}." if where else ""
    if isinstance(node, list):
        if name.isdecimal() and int(name) < len(node):
            return node[int(name)]
        raise ConfigError(f"{at}{name} does not exist; {where} has {len(node)} entries, from 0")
    if not isinstance(node, dict):
        raise ConfigError(f"{at}{name} does not exist; {where} is the value {node!r}")
    if name not in node:
        deeper = [
            f"{at}{part}.{name}" for part, t in node.items() if isinstance(t, dict) and name in t
        ]
        either = " or ".join(map(repr, deeper))
        hint = f"did you mean {either}?" if deeper else did_you_mean(name, node)
        raise ConfigError(f"{at}{name} does not exist; {hint}")
    return node[name]


def _members(cls: type[Section], path: str) -> dict[str, type[Section]]:
    """The members by kind of the union at this path; empty where there is no union."""
    found: list[type[Section]] = [cls]
    table = False
    for name in path.split("."):
        fields = [] if table else [s.model_fields[name] for s in found if name in s.model_fields]
        if fields:
            found = [s for field in fields for s in _sections(field.annotation)]
        elif not (table or name.isdecimal()):
            return {}
        table = any(typing.get_origin(field.annotation) is dict for field in fields)
    return {} if table else {tag: s for s in found for tag in _tags(s)[1:]}


def _table(cls: type[Section], path: str) -> type[Section] | None:
    """The section whose table, with names of a person's own, is at this path; None where none is."""
    owner, inside, field = cls, cls, None
    for name in path.split(".") if path else []:
        owner, field = inside, inside.model_fields.get(name)
        inside = next(iter(_sections(field.annotation)), cls) if field else cls
    return owner if field is not None and typing.get_origin(field.annotation) is dict else None


def _is_new(cls: type[Section], path: str, node: Any, name: str) -> bool:
    """Whether the table at this path has no entry of that name yet."""
    return isinstance(node, dict) and name not in node and _table(cls, path) is not None


def _entry(cls: type[Section], path: str, above: dict[str, Any]) -> Any:
    """What a new entry of the table at this path starts from; `above` holds the table's neighbours."""
    source = cast(type[Section], _table(cls, path)).entries_from.get(path.rpartition(".")[2])
    if source is not None:
        return copy.deepcopy(above[source])
    kind, member = next(iter(_members(cls, f"{path}.new").items()))
    return _defaults(member, kind)


def _defaults(member: type[Section], kind: str) -> dict[str, Any]:
    """A member as it is when only its kind is given."""
    try:
        return to_tree(member())
    except ValidationError:  # a field without a default is still missing
        return {"kind": kind}


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # of thousands of digits, or of brackets
        return float(text) if POINTED.fullmatch(text) else text


def _explain(cls: type[Section], error: ValidationError, where: str) -> list[str]:
    """One sentence a problem: the path, what was found, what to write instead."""
    lines: dict[str, list[str]] = {}
    tables: set[str] = set()
    for problem in error.errors():
        owner, path, kinds = _locate(cls, problem["loc"])
        name = ".".join([*([where] if where else []), *path]) or "the configuration"
        kind, given, context = problem["type"], problem["input"], problem.get("ctx", {})
        if kind == "extra_forbidden" and owner is not None:
            text = f"{name} does not exist; {did_you_mean(path[-1], owner.model_fields)}"
        elif kind == "union_tag_invalid":
            tags = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
            text = f"{name}.kind is {context['tag']!r}; {did_you_mean(context['tag'], tags)}"
        elif kind == "union_tag_not_found":
            text = f"{name} is {given!r}; expected a table with a 'kind'"
        elif kind == "literal_error":
            options = [word.strip(" '") for word in _options(context["expected"])]
            text = f"{name} is {given!r}; {did_you_mean(given, options)}"
        elif kind == "dict_type" and kinds:
            text = f"{name} is {given!r}; {did_you_mean(given, kinds)}"
        elif kind == "missing":
            text = f"{name} is missing"
        elif kind == "value_error":
            text = str(context["error"])
        elif kind in ("too_short", "too_long"):
            end, length = (
                ("least", "min_length") if kind == "too_short" else ("most", "max_length")
            )
            text = f"{name} has {context['actual_length']} entries; expected at {end} {context[length]}"
        else:
            message = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            message = _PLAINLY.get(kind, message)
            text = f"{name} is {given!r}; expected {message}"
        lines.setdefault(name, []).append(text)
        tables |= {name} if isinstance(given, dict) and text.endswith("expected number") else set()
    # A union of a number and a schedule fails once for each member; a table was meant as the latter.
    said = {name: texts[1:] if name in tables else texts for name, texts in lines.items()}
    return [texts[0] for texts in said.values() if texts]


_PLAINLY = {
    "tuple_type": "a list in brackets, with commas between",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


def _options(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(",")


def _locate(
    cls: type[Section], loc: tuple[int | str, ...]
) -> tuple[type[Section] | None, list[str], list[str]]:
    """Follows a pydantic location, whose union tags are not part of the path a person writes.

    Returns the section that holds the place, the path to it, and the kinds that a union there takes.
    """
    owner: type[Section] | None = cls
    path: list[str] = []
    members: dict[str, type[Section]] = {}
    table = False
    for part in loc:
        if table:
            path.append(str(part))
            table = False
        elif isinstance(part, str) and part in members:
            owner, members = members[part], {}
        elif isinstance(part, int):
            path.append(str(part))
        elif owner is not None and part in owner.model_fields:
            path.append(part)
            annotation = owner.model_fields[part].annotation
            table = typing.get_origin(annotation) is dict
            sections = list(_sections(annotation))
            members = {name: s for s in sections for name in _tags(s)}
            owner = sections[0] if len(sections) == 1 else owner
        elif "[" not in part and part not in _PLAIN and (not members or owner in members.values()):
            path.append(part)
    kinds = [name for name, s in members.items() if name != s.__name__]
    return owner, path, [] if table else kinds


_PLAIN = {"float", "int", "str", "bool", "constrained-int"}


def _tags(section: type[Section]) -> tuple[str, ...]:
    kind = section.model_fields.get("kind")
    tags = typing.get_args(kind.annotation) if kind else ()
    return (section.__name__, *tags)


def _sections(annotation: Any) -> Iterable[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _sections(argument)
