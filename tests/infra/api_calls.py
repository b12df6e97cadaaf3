"""Which methods of Google's clients, and of those of our own, the adapters call, read from their source.

A name, an attribute of `self` or a parameter that holds a client is followed to the calls on it. This is coarse: what
it cannot follow shows as a client on which nothing is called, and a test refuses that.
"""

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from google.auth.transport.requests import AuthorizedSession
from google.cloud import (  # type: ignore[attr-defined]
    asset_v1,
    bigquery,
    billing_v1,
    compute_v1,
    monitoring_v3,
    pubsub_v1,
)

from spotkeeper.gcp.audit_log import LogEntries
from spotkeeper.gcp.bigquery.rest_query import RestQuery
from spotkeeper.gcp.compute.capacity import CapacityAdvice
from spotkeeper.gcp.compute.lists import AddressList, AutoscalerList, DiskList, InstanceList, OperationList
from spotkeeper.gcp.compute.shapes import MachineTypes

FUNCTIONS = Path(__file__).parents[2] / "functions"
LIBRARIES = (asset_v1, bigquery, billing_v1, compute_v1, monitoring_v3, pubsub_v1)
CLIENTS: Mapping[str, type] = {
    **{
        name: found
        for library in LIBRARIES
        for name, found in vars(library).items()
        if inspect.isclass(found) and name.endswith("Client")
    },
    "bigquery.Client": bigquery.Client,
    "AuthorizedSession": AuthorizedSession,
    **{
        found.__name__: found
        for found in (
            AutoscalerList,
            CapacityAdvice,
            DiskList,
            InstanceList,
            LogEntries,
            MachineTypes,
            OperationList,
            RestQuery,
        )
    },
    "AddressList": AddressList,
}

type Call = tuple[str, str]
"""The class of a client and a method of it."""


@dataclass(slots=True)
class Calls:
    """What one or more files make of clients: those that they name, and the methods they use."""

    clients: set[str] = field(default_factory=set)
    methods: set[Call] = field(default_factory=set)


@cache
def calls_of(entry: str) -> Calls:
    """Return the calls in a module of `spotkeeper` and in all modules of `spotkeeper.gcp` that it leads to."""
    found = Calls()
    for module in sorted(_reached(entry)):
        made = calls_in((FUNCTIONS / f"{module.replace('.', '/')}.py").read_text())
        found.clients |= made.clients
        found.methods |= made.methods
    return found


def calls_in(source: str) -> Calls:
    """Return the calls in one file, class by class: `self._client` is another one in each."""
    calls = Calls()
    for part in ast.parse(source).body:
        holders = _holders(part)
        for node in ast.walk(part):
            calls.clients |= _classes(node) if isinstance(node, ast.Call) else set()
            if isinstance(node, ast.Attribute):
                for client in _held(node.value, holders):
                    if inspect.isroutine(getattr(CLIENTS[client], node.attr, None)):
                        calls.methods.add((client, node.attr))
    return calls


def _reached(entry: str) -> set[str]:
    reached, waiting = set[str](), {entry}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        tree = ast.parse((FUNCTIONS / f"{module.replace('.', '/')}.py").read_text())
        imports = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        waiting |= {name for name in imports if name.startswith("spotkeeper.gcp.")} - reached
    return reached


def _holders(tree: ast.AST) -> Mapping[str, set[str]]:
    """What may hold which clients: `self._client`, `zonal`. Names are followed until nothing new is found."""
    holders: defaultdict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None:
            holders[node.arg] |= _classes(node.annotation)
    for _ in range(3):
        for target, value in _assignments(tree):
            holders[target] |= _classes(value) | _held(value, holders)
    return holders


def _assignments(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((ast.unparse(target), node.value) for target in targets)
        elif isinstance(node, ast.For):
            yield ast.unparse(node.target), node.iter


def _held(value: ast.AST, holders: Mapping[str, set[str]]) -> set[str]:
    """The clients behind an expression: a name, an item of what holds them, or several in a tuple."""
    if isinstance(value, ast.Name | ast.Attribute):
        return set(holders.get(ast.unparse(value), ()))
    if isinstance(value, ast.Subscript):
        return _held(value.value, holders)
    if isinstance(value, ast.Tuple | ast.List):
        return set[str]().union(*(_held(each, holders) for each in value.elts))
    return set()


def _classes(node: ast.AST) -> set[str]:
    """The clients that an expression names: `compute_v1.InstancesClient(…)`, `MetricServiceClient | None`."""
    return {name for each in ast.walk(node) if (name := _client_name(each)) is not None}


def _client_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name | ast.Attribute):
        text = ast.unparse(node)
        for name in (text, text.rpartition(".")[2]):
            if name in CLIENTS:
                return name
    return None
