"""The OpenAPI description of the tracker's function, for tests that hold its answers against it."""

import json

import schemathesis
from flask import Flask
from werkzeug.test import TestResponse

from infra.local.stack.stack import ROOT

PATH = ROOT / "docs" / "track_spot_costs.openapi.json"


def described(application: Flask | None = None) -> schemathesis.BaseSchema:
    """Return the description, of a function that is served where one is given."""
    schema = schemathesis.openapi.from_dict(json.loads(PATH.read_text()))
    schema.app = application
    return schema


def validate(answer: TestResponse) -> None:
    """Raise what is wrong with an answer by the description."""
    described()["/"]["POST"].validate_response(answer)
