"""Opening a page where somebody sits at a screen."""

import os
import sys
import webbrowser
from pathlib import Path

from rich.console import Console


def open_page(page: Path, console: Console) -> None:
    """Open a page in the browser of a desktop; a browser for terminals would take this one."""
    has_screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if console.is_terminal and has_screen:
        try:
            webbrowser.open(page.resolve().as_uri())
        except (webbrowser.Error, OSError) as error:
            console.print(f"It could not be opened in a browser: {error}", highlight=False, markup=False)
