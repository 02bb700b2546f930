"""Purity: what a Python control must not do, read from its source without running it.

A control is a function of evidence and parameters. One that reaches for the network, another process or the clock
gives different answers to the same question; `lint` refuses the first two and warns of the rest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Final

from modelwarden.problem import Problem

REFUSED: Final = (
    *("aiobotocore", "aiohttp", "asyncio", "boto3", "botocore", "concurrent", "ctypes", "ftplib", "http.client"),
    *("http.server", "httpx", "imaplib", "importlib", "multiprocessing", "paramiko", "poplib", "pty", "requests"),
    *("runpy", "smtplib", "socket", "socketserver", "ssl", "subprocess", "urllib.request", "urllib3", "xmlrpc"),
)
"""Modules that reach the network or another process, or load what lint cannot see."""
WARNED: Final = (
    *("fcntl", "glob", "io", "os", "pathlib", "random", "secrets", "shutil", "signal", "sys", "tempfile"),
    *("threading", "time", "uuid"),
)
_CLOCKS: Final = frozenset({"now", "today", "utcnow"})
_CALLS: Final = frozenset({"__import__", "eval", "exec", "input", "open"})


def problems(text: str, path: str) -> list[Problem]:
    """Everything wrong with one file; nothing for a file that is no Python, since loading it says so."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    nodes = list(ast.walk(tree))  # once: to walk takes longer than to look
    found = [*_imports(nodes, path), *_calls(nodes, path)]
    for function in nodes:
        if isinstance(function, ast.FunctionDef) and any(map(_is_control, function.decorator_list)):
            found += _early_pass(function, path)
    return sorted(found, key=lambda problem: problem.line)


def _imports(nodes: Iterable[ast.AST], path: str) -> Iterator[Problem]:
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        line = node.lineno
        refused = next((module for name in names for module in REFUSED if _inside(name, module)), None)
        warned = next((module for name in names for module in WARNED if _inside(name, module)), None)
        if refused:
            what, help_ = (
                f"imports `{refused}`",
                "a control reads facts: declare them in `reads`; the collector fetches them",
            )
            yield Problem("impure-import", path, line, what, help_)
        elif warned:
            what, help_ = (
                f"imports `{warned}`",
                "a control depends on evidence and parameters alone; time is /request/as_of",
            )
            yield Problem("impure-import", path, line, what, help_, warning=True)


def _inside(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def _calls(nodes: Iterable[ast.AST], path: str) -> Iterator[Problem]:
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in _CLOCKS:
                help_ = "compare with the fact /request/as_of, so that the answer can be replayed"
                yield Problem("clock", path, node.lineno, f"`{name}()` reads the clock", help_, warning=True)
            case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
                help_ = "a control depends on evidence and parameters alone"
                yield Problem("impure-call", path, node.lineno, f"calls `{name}()`", help_, warning=True)


def _is_control(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Call(func=ast.Name(id="control") | ast.Attribute(attr="control")):
            return True
    return False


def _early_pass(function: ast.FunctionDef, path: str) -> Iterator[Problem]:
    """A `Pass` before the first use of the evidence: positive proof of nothing."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    evidence = arguments[0].arg if arguments else ""
    passes, uses = [], []
    for statement in function.body:
        for node in ast.walk(statement):
            match node:
                case ast.Call(func=ast.Name(id="Pass") | ast.Attribute(attr="Pass")):
                    passes.append((node.lineno, node.col_offset))
                case ast.Name(id=name) if name == evidence:
                    uses.append((node.lineno, node.col_offset))
    early = [place for place in passes if not uses or place < min(uses)]
    if early:
        help_ = f"read `{evidence or 'evidence'}` first: a Pass needs proof"
        yield Problem("pass-without-reading", path, min(early)[0], "passes before it has read anything", help_)
