#!/usr/bin/env python3
"""Writes src/tcsync/_declarations.py from capi/include/tcsync.h: constants, structs, and the types of every function.

    generate_declarations.py [--output FILE]       without --output, it prints

Needs pycparser and a C compiler (CC, else cc), whose preprocessor removes comments and includes. A result of type
`const char *` is declared as an address, not as c_char_p: ctypes would cut that at the first zero byte.
"""

from __future__ import annotations

import argparse
import operator
import os
import re
import subprocess
import tempfile
from pathlib import Path

from pycparser import c_ast, c_parser

HEADER = Path(__file__).resolve().parents[1] / "include" / "tcsync.h"

# The header's needs of <stddef.h> and <stdint.h>; only the names matter.
FAKE_HEADERS = {
    "stddef.h": "typedef unsigned long size_t;\n",
    "stdint.h": "typedef int int32_t;\ntypedef long int64_t;\n",
}
SCALARS = {
    "int": "c_int",
    "char": "c_char",
    "size_t": "c_size_t",
    "int32_t": "c_int32",
    "int64_t": "c_int64",
    "tcsync_code": "c_int32",
}
NUMBER = re.compile(r"^#define (TCSYNC_[A-Z0-9_]+) (\d+)$", re.MULTILINE)
OPERATORS = {"|": operator.or_, "<<": operator.lshift}

PREAMBLE = '''"""Generated from tcsync.h by generate_declarations.py: do not edit.

A result of type `const char *` is declared as an address (c_void_p).
"""

from __future__ import annotations

from ctypes import (
    CDLL,
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_void_p,
)
'''


def preprocess(*flags: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FAKE_HEADERS.items():
            Path(folder, name).write_text(text, encoding="ascii")
        command = [
            os.environ.get("CC") or "cc",
            "-E",
            "-P",
            "-nostdinc",
            "-U__GNUC__",
            f"-I{folder}",
            *flags,
            str(HEADER),
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def number(node: c_ast.Node) -> int:
    """The value of a constant expression."""
    match node:
        case c_ast.Constant(type="int", value=value):
            return int(value, 0)
        case c_ast.UnaryOp(op="-", expr=expression):
            return -number(expression)
        case c_ast.BinaryOp(op=op, left=left, right=right) if op in OPERATORS:
            return int(OPERATORS[op](number(left), number(right)))
        case _:
            raise SystemExit(f"{HEADER}: no value for {type(node).__name__} at {node.coord}")


def constants(syntax: c_ast.FileAST) -> tuple[dict[str, int], dict[int, str]]:
    """Every constant by name, the macros that are numbers first; and the names of those that are codes."""
    # -dD keeps the definitions.
    values = {name: int(text) for name, text in NUMBER.findall(preprocess("-dD"))}
    codes: dict[int, str] = {}
    for enumeration in (declaration.type for declaration in syntax.ext if isinstance(declaration.type, c_ast.Enum)):
        named = {item.name: number(item.value) for item in enumeration.values.enumerators}
        values |= named
        if "TCSYNC_OK" in named:
            codes = {value: name for name, value in named.items() if value >= 0}
    if not codes:
        raise SystemExit(f"{HEADER}: no enumeration has TCSYNC_OK")
    return values, codes


def ctype(node: c_ast.Node, *, result: bool = False) -> str:
    """The name of the ctypes type."""
    match node:
        case c_ast.TypeDecl():
            return ctype(node.type)
        case c_ast.IdentifierType(names=["void"]):
            return "None"
        case c_ast.IdentifierType(names=[name]):
            return SCALARS.get(str(name), str(name))
        case c_ast.Struct(name=name):
            return str(name)
        case c_ast.ArrayDecl():
            return f"{ctype(node.type)} * {node.dim.value}"
        case c_ast.PtrDecl():
            pointed = ctype(node.type)
            if pointed == "None":
                return "c_void_p"
            if pointed == "c_char" and "const" in node.type.quals:
                return "c_void_p" if result else "c_char_p"
            return f"POINTER({pointed})"
        case _:
            raise SystemExit(f"{HEADER}: no ctypes type for {type(node).__name__} at {node.coord}")


def parameters(function: c_ast.FuncDecl) -> list[str]:
    types = [ctype(parameter.type) for parameter in function.args.params] if function.args else []
    return [] if types == ["None"] else types


def generate() -> str:
    """The text of the module."""
    syntax = c_parser.CParser().parse(preprocess())
    values, codes = constants(syntax)
    blocks = ["\n".join(f"{name} = {value}" for name, value in values.items())]
    blocks.append("CODE_NAMES = {\n" + "".join(f'    {code}: "{name}",\n' for code, name in codes.items()) + "}")
    functions = []
    for declaration in syntax.ext:
        name, node = declaration.name, declaration.type
        if isinstance(node, c_ast.FuncDecl):
            functions.append(
                f"    library.{name}.argtypes = ({''.join(f'{type_}, ' for type_ in parameters(node)).rstrip(' ')})\n"
                f"    library.{name}.restype = {ctype(node.type, result=True)}\n"
            )
        elif isinstance(node, c_ast.PtrDecl):
            types = ", ".join([ctype(node.type.type), *parameters(node.type)])
            blocks.append(f"{name} = CFUNCTYPE({types})")
        elif isinstance(node, c_ast.TypeDecl) and isinstance(node.type, c_ast.Struct):
            block = (
                f'class {name}(Structure):\n    """{"Opaque" if node.type.decls is None else "As in the header"}."""\n'
            )
            if node.type.decls is not None:
                fields = "".join(f'        ("{field.name}", {ctype(field.type)}),\n' for field in node.type.decls)
                block += f"\n    _fields_ = (\n{fields}    )\n"
            blocks.append(block.rstrip("\n"))
    declare = 'def declare(library: CDLL) -> None:\n    """Gives every function its types."""\n' + "".join(functions)
    return "\n\n".join([PREAMBLE.rstrip("\n"), *blocks, declare]).rstrip("\n") + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description="Writes ctypes declarations from tcsync.h")
    arguments.add_argument("--output", type=Path)
    output = arguments.parse_args().output
    if output:
        output.write_text(generate(), encoding="utf-8")
    else:
        print(generate(), end="")


if __name__ == "__main__":
    main()
