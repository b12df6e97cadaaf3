"""A function as functions-framework serves it, in this process: without a socket, for as many threads as call it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import functions_framework
import pytest
from flask import Flask

from infra.local.stack.stack import ROOT


@contextmanager
def served(target: str, settings: Mapping[str, str]) -> Iterator[Flask]:
    """Serve a function with these settings and no others."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.endswith("_ENDPOINT")]:
            patch.delenv(name)
        for name, value in {**settings, "FUNCTION_TARGET": target}.items():
            patch.setenv(name, value)
        application = functions_framework.create_app(target, str(ROOT / "functions" / "main.py"))
        application.logger.disabled = True
        yield application
