"""Placeholders for packages that local-bigquery imports and this product does not need.

local-bigquery reads Avro, ORC and Arrow, runs JavaScript, and hands out NumPy arrays. Nothing here uses that, and the
packages take 340 MB; so `requirements/demo.txt` leaves them out. Where they are installed, as for development, they are
used.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import override

LEFT_OUT = ("fastavro", "numpy", "py_mini_racer", "pyarrow", "pyarrow.orc")
"""The modules that local-bigquery and DuckDB import at first, each after the one that contains it."""

_ASKED_LATER = "numpy"
"""DuckDB asks for its version before it registers a function. Of the others it uses what it finds imported."""


class AbsentPackageError(Exception):
    """What every name of an absent package stands for; a call of it makes an error that nobody raises."""


class _Absent(ModuleType):
    __version__ = "0"

    @override
    def __getattr__(self, name: str) -> type[AbsentPackageError]:
        if name.startswith("__"):
            raise AttributeError(name)
        return AbsentPackageError


@contextmanager
def placeholders() -> Iterator[None]:
    """Make local-bigquery importable without the packages that are left out."""
    absent = [name for name in LEFT_OUT if find_spec(name.partition(".")[0]) is None]
    sys.modules.update({name: _Absent(name) for name in absent})
    yield
    for name in absent:
        if name != _ASKED_LATER:
            del sys.modules[name]
