"""Definitions of C++ files at the scope of a namespace that the linker merges by name: types, functions and inline
variables. A small reader of C++ that knows comments, literals, preprocessor lines, namespaces and braces; everything
within a function or a class belongs to that function or class.
"""

import re
from dataclasses import dataclass

_SKIPPED = re.compile(
    r"""//[^\n]*|/\*.*?\*/
    |^[ \t]*\#(?:\\\n|[^\n])*                          # a preprocessor line, with those that continue it
    |\bR"(?P<end>[^(\s]*)\(.*?\)(?P=end)"              # a raw string
    |"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'  # the apostrophe in 1'000 begins no character
    |\[\[.*?\]\]                                       # an attribute
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_TOKEN = re.compile(r"operator\(\)|[A-Za-z_]\w*|\d[\w'.]*|::|\S")
_TYPE_KEYWORDS = {"class", "struct", "union", "enum"}
_OTHER = "other"  # a scope that is no named namespace


@dataclass(frozen=True)
class Definition:
    """`name` is qualified; of a function it has the types of the parameters as well."""

    name: str
    is_type: bool


def definitions(text):
    """The definitions of a file that have external linkage, outside functions and classes."""
    tokens = _TOKEN.findall(_SKIPPED.sub(lambda match: '""' if match[0][0] in "\"'R" else " ", text))
    found = set()
    scopes = []  # the names of the namespaces around, or _OTHER
    head = []  # the statement up to here
    parentheses = 0
    for token in tokens:
        if token == "(":
            parentheses += 1
        elif token == ")":
            parentheses -= 1
        if parentheses and token not in "{}":
            head.append(token)  # also a semicolon, within for (;;)
        elif token == "{":
            namespace = _namespace(head)
            is_definition = namespace is None and _OTHER not in scopes and not parentheses
            if is_definition and (definition := _definition(head, "::".join(scopes))):
                found.add(definition)
            scopes.append(_OTHER if namespace is None else namespace)
            head = []
        elif token == "}":
            if scopes:
                scopes.pop()
            head = []
        elif token == ";":
            if _OTHER not in scopes and (variable := _inline_variable(head, "::".join(scopes))):
                found.add(variable)
            head = []
        else:
            head.append(token)
    return found


def _namespace(head):
    """The name of the namespace that `head` opens; _OTHER for one without a name, None for anything else."""
    head = [token for token in head if token != "inline"]
    if head[:1] == ["extern"] and len(head) == 2:
        return "extern C"
    if head[:1] != ["namespace"]:
        return None
    return "".join(head[1:]) or _OTHER


def _definition(head, namespace):
    """The definition that `head`, before its brace, begins; None when another file could not double it."""
    head = [token for token in _without_template(head) if token != "try"]  # of a function's body
    if variable := _inline_variable(head, namespace):
        return variable
    if not head or head[0] == "catch" or "static" in head or "=" in head[: _index(head, "(")]:
        return None  # other constants are internal, and doubled variables fail to link
    if head[0] in _TYPE_KEYWORDS and ("(" not in head or ":" in head):
        name = []
        for token in head[1:]:
            if token in {":", "final", "<"}:
                break
            if token not in _TYPE_KEYWORDS:
                name.append(token)
        if not name:
            return None  # a type without a name
        return Definition(f"{namespace}::{''.join(name)}", is_type=True)
    if "(" not in head:
        return None
    opening = _index(head, "(")
    name = []
    for token in reversed(head[:opening]):
        if name and name[-1] not in {"::", "~"} and token not in {"::", "~"}:
            break
        name.append(token)
    closing = _closing(head, opening)
    parameters = ",".join(_parameter_types(head[opening + 1 : closing]))
    return Definition(f"{namespace}::{''.join(reversed(name))}({parameters})", is_type=False)


def _inline_variable(head, namespace):
    """The inline variable that `head` defines, up to its initial value in braces, if that comes."""
    declared = head[: _index(head, "=")]
    if "inline" not in declared or "static" in declared or "(" in declared:
        return None
    names = [token for token in declared[: _index(declared, "[")] if re.match(r"[A-Za-z_]", token)]
    return Definition(f"{namespace}::{names[-1]}", is_type=False)


def _without_template(head):
    """`head` without template<...> in front."""
    while head[:1] == ["template"]:
        depth = 0
        for i, token in enumerate(head):
            depth += {"<": 1, ">": -1}.get(token, 0)
            if token == ">" and depth == 0:
                head = head[i + 1 :]
                break
        else:
            return []
    return head


def _index(head, token):
    return head.index(token) if token in head else len(head)


def _closing(head, opening):
    depth = 0
    for i in range(opening, len(head)):
        depth += {"(": 1, ")": -1}.get(head[i], 0)
        if depth == 0:
            return i
    return len(head)


def _parameter_types(tokens):
    """The types of parameters, without their names and defaults."""
    parameters = [[]]
    depth = 0
    for token in tokens:
        depth += {"<": 1, "(": 1, "[": 1, ">": -1, ")": -1, "]": -1}.get(token, 0)
        if token == "," and depth == 0:
            parameters.append([])
        else:
            parameters[-1].append(token)
    for parameter in parameters:
        parameter = parameter[: _index(parameter, "=")]
        is_named = len(parameter) > 1 and re.match(r"\w", parameter[-1]) and parameter[-2] != "::"
        yield " ".join(parameter[:-1] if is_named else parameter)
