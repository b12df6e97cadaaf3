"""What can go wrong, one class for each way to react."""


class SettingsError(ValueError):
    """The settings are wrong: refuse to start. The message names every wrong setting."""


class RefusedRequestError(ValueError):
    """The request can never succeed as it is: answer 4xx. The message names the wrong value and what was expected."""


class UnavailableError(Exception):
    """A service did not give what was asked; the same call may succeed later."""
