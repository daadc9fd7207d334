"""A module's source, cut down to one of its names and all that this name needs."""

from __future__ import annotations

import ast

_IMPORTS = ast.Import | ast.ImportFrom


def cut(source: str, name: str) -> str:
    """The docstring, and in their order the statements that bind `name` or what one of those uses.

    Statements that bind nothing are left out. `from package import *` cannot be told from what is needed, and stays.
    """
    tree = ast.parse(source)
    binding = {statement: _bound(statement) for statement in tree.body}
    wanted, kept = {name}, set[ast.stmt]()
    grown = True
    while grown:
        grown = False
        for statement, names in binding.items():
            if statement not in kept and (names & wanted or "*" in names):
                kept.add(statement)
                wanted |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
                grown = True
    lines = source.splitlines()
    text = "\n".join(lines[: tree.body[0].end_lineno]) if ast.get_docstring(tree) is not None else ""
    before: ast.stmt | None = None
    for statement in (one for one in tree.body if one in kept):
        together = isinstance(statement, _IMPORTS) and isinstance(before, _IMPORTS)
        gap = "\n" if together else "\n\n" if before is None else "\n\n\n"
        text += gap + _text(lines, statement, wanted)
        before = statement
    return text.lstrip("\n") + "\n"


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module gives a meaning."""
    if isinstance(statement, ast.Import):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.ImportFrom):
        if statement.module == "__future__":
            return {"*"}
        return {alias.asname or alias.name for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _text(lines: list[str], statement: ast.stmt, wanted: set[str]) -> str:
    """A statement as it is written; of an import from a module, only the names that are used."""
    if isinstance(statement, ast.ImportFrom) and statement.module != "__future__":
        used = [alias for alias in statement.names if (alias.asname or alias.name) in wanted or alias.name == "*"]
        return ast.unparse(ast.ImportFrom(statement.module, used, statement.level))
    decorators = getattr(statement, "decorator_list", [])
    first = min(node.lineno for node in (statement, *decorators))
    return "\n".join(lines[first - 1 : statement.end_lineno])
