"""What can go wrong, one class for each way to react."""


class SettingsError(ValueError):
    """The settings are wrong: refuse to start. The message names every wrong setting."""


class RefusedRequestError(ValueError):
    """The request can never succeed as it is: answer 4xx. The message names the wrong value and what was expected."""


class UnavailableError(Exception):
    """A service did not give what was asked; the same call may succeed later."""


class UnfinishedError(UnavailableError):
    """Compute Engine accepted a request, but it did not finish before the deadline; `operation` is its operation."""

    def __init__(self, message: str, operation: str) -> None:
        super().__init__(message)
        self.operation = operation
