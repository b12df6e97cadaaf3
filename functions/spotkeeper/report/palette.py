"""The colours of the page, light and dark: charts refer to them by name, the style sheet defines them."""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "page": "#f7f8fa",
    "surface": "#ffffff",
    "raised": "#f1f4f8",
    "line": "#dfe4ea",
    "text": "#16202c",
    "quiet": "#566273",
    "accent": "#1f5fbf",
    "good": "#1a7049",
    "warning": "#8a5300",
    "bad": "#b3261e",
    "good-ground": "#e5f4ec",
    "warning-ground": "#fdf1dc",
    "bad-ground": "#fce9e7",
    "grid": "#e6eaf0",
    "shade": "#16202c24",
    "series-1": "#2f6fd0",
    "series-2": "#0f9488",
    "series-3": "#d98a1f",
    "series-4": "#8b5fd0",
    "series-5": "#cf5b7c",
    "series-6": "#5b8f2f",
    "series-rest": "#9aa6b5",
    "series-none": "#c9d0d9",
    "saved": "#bfe3d2",
    "heat-0": "#eef3fa",
    "heat-1": "#d3e2f6",
    "heat-2": "#a9c8ee",
    "heat-3": "#6fa1df",
    "heat-4": "#3773c6",
    "heat-5": "#1b4c93",
    "heat-low-text": "#16202c",
    "heat-high-text": "#ffffff",
    "hour-fine": "#b9dccb",
    "hour-fair": "#f3d9a0",
    "hour-poor": "#d9534a",
    "hour-missing": "#7c8794",
}

DARK: Mapping[str, str] = {
    "page": "#0f141b",
    "surface": "#171e27",
    "raised": "#1f2833",
    "line": "#2c3744",
    "text": "#e6ebf1",
    "quiet": "#a2afbe",
    "accent": "#7fb0f5",
    "good": "#6fcf9f",
    "warning": "#e8b45c",
    "bad": "#f2958d",
    "good-ground": "#153025",
    "warning-ground": "#38290f",
    "bad-ground": "#3c1b1a",
    "grid": "#28323e",
    "shade": "#00000066",
    "series-1": "#6ba3f0",
    "series-2": "#3fb8ab",
    "series-3": "#e3a548",
    "series-4": "#b093ec",
    "series-5": "#e58aa5",
    "series-6": "#93c265",
    "series-rest": "#66727f",
    "series-none": "#44505d",
    "saved": "#23513f",
    "heat-0": "#1b2633",
    "heat-1": "#1d3552",
    "heat-2": "#235083",
    "heat-3": "#3c78bd",
    "heat-4": "#73a7e6",
    "heat-5": "#b4d3fa",
    "heat-low-text": "#ffffff",
    "heat-high-text": "#0f141b",
    "hour-fine": "#2c6b50",
    "hour-fair": "#8f6a26",
    "hour-poor": "#dd6a61",
    "hour-missing": "#798694",
}

SERIES = tuple(f"series-{number}" for number in range(1, 7))
REST, NONE = "series-rest", "series-none"
HEAT_STEPS = 6
LIGHT_HEAT_STEPS = 4
"""The steps of the heat map with dark text."""


def colour(name: str) -> str:
    """Return the CSS expression of a colour of the palette."""
    if name not in LIGHT:
        raise KeyError(name)
    return f"var(--{name})"
