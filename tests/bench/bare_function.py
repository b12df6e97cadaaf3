"""The floor: a function of the framework that does nothing."""

import flask
import functions_framework


@functions_framework.http
def enforce_budget_limit(request: flask.Request) -> str:
    """Do nothing."""
    del request
    return "OK"
