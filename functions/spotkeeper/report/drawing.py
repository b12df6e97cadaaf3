"""Charts as SVG elements of the page, with colours and fonts from its style sheet."""

import re
from xml.etree import ElementTree as ET

import vl_convert
from altair import TopLevelMixin
from markupsafe import Markup

_SVG = "http://www.w3.org/2000/svg"
_UNWANTED = {
    *("aria-label", "aria-roledescription", "aria-hidden", "role"),
    *("class", "clip-path", "font-family", "opacity", "pointer-events"),
}
_COLOURS = ("fill", "stroke")
_BREAKS = re.compile(r"[\t\n\r]+")
_NOT_XML = re.compile(r"[^ -\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""https://www.w3.org/TR/xml/#charsets"""

_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")

ET.register_namespace("", _SVG)


def picture(chart: TopLevelMixin, key: str, title: str, description: str) -> Markup:
    """Return a chart as an SVG element with an accessible description."""
    drawn = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
    root = ET.fromstring(drawn)  # noqa: S314 (what vl-convert has just written)
    _take_out(root)
    width, height = root.get("width", "0"), root.get("height", "0")
    root.attrib.clear()
    root.attrib.update(
        {
            "viewBox": f"0 0 {width} {height}",
            "role": "img",
            "aria-labelledby": f"{key}-title {key}-text",
        }
    )
    said = [
        ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{key}-{end}"}) for tag, end in (("title", "title"), ("desc", "text"))
    ]
    for element, text in zip(said, (title, description), strict=True):
        element.text = printable(text)
    root[:0] = said
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 (written by an XML writer, which escapes)


def printable(text: str) -> str:
    """Return a text on one line, without characters that XML does not allow."""
    return _NOT_XML.sub("", _BREAKS.sub(" ", text))


def _take_out(root: ET.Element) -> None:
    """Remove what the page defines: fonts, roles of single marks, the white background, empty shapes.

    The description of a mark becomes its title, which browsers show under the pointer.
    """
    for element in [*root.iter()]:
        if _is_mark(element):
            ET.SubElement(element, f"{{{_SVG}}}title").text = element.get("aria-label")
        for name in _UNWANTED & element.attrib.keys():
            del element.attrib[name]
        colours = [f"{name}:{element.attrib.pop(name)}" for name in _COLOURS if _is_named(element.get(name))]
        if colours:
            element.set("style", ";".join(colours))
        for name in ("d", "transform"):
            if name in element.attrib:
                element.set(name, _LONG_NUMBER.sub(_shorter, element.attrib[name]))
    _drop_empty(root)


def _is_mark(element: ET.Element) -> bool:
    """Whether an element is a described mark: Vega describes axes and groups too."""
    is_shape = element.tag == f"{{{_SVG}}}path" and "aria-label" in element.attrib
    return is_shape and element.get("role") == "graphics-symbol"


def _is_named(colour: str | None) -> bool:
    return colour is not None and colour.startswith("var(")


def _shorter(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}".removesuffix(".0")


def _drop_empty(parent: ET.Element) -> None:
    for child in list(parent):
        _drop_empty(child)
        tag = child.tag.rpartition("}")[2]
        is_ground = tag == "rect" and child.get("fill") == "white"
        is_empty = tag == "defs" or (tag == "g" and len(child) == 0) or (tag == "path" and not _draws(child))
        if is_ground or is_empty:
            parent.remove(child)


def _draws(path: ET.Element) -> bool:
    return path.get("d", "") not in {"", "M0,0h0v0h0Z"} and ("style" in path.attrib or "stroke" in path.attrib)
