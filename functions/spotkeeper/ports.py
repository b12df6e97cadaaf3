"""What the ports of both functions share."""

from collections.abc import Callable

type Report = Callable[[str], None]
"""Takes a sentence on what is missing from an answer that is good otherwise."""
