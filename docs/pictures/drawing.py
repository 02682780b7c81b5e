"""A drawing in SVG for light and for dark pages: it has no ground of its own, and colours between the two."""

from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
INK = "#7d8590"
"""letters and lines: a contrast of 4 on white and on the dark of the site"""
TEAL, AMBER, RED = "#0d9488", "#d97706", "#e5484d"


class Drawing:
    """Shapes in the order of their drawing; lengths are pixels, from the upper left corner."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" font-family="system-ui, sans-serif" font-size="14">',
            f"<title>{escape(title)}</title>",
        ]

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", size: int = 14, fill: str = INK
    ) -> None:
        """A line of text; `y` is that of its foot."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">'
            f"{escape(text)}</text>"
        )

    def box(
        self, x: float, y: float, width: float, height: float, *, fill: str = "none", stroke: str = INK
    ) -> None:
        """A rectangle with round corners."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="1.5"/>'
        )

    def cell(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """A rectangle without a line."""
        self.parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>')

    def path(self, points: str, *, stroke: str = INK, width: float = 1.5) -> None:
        """A line through what SVG's `d` says."""
        self.parts.append(
            f'<path d="{points}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
            f'stroke-linecap="round"/>'
        )

    def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """A line with a head, straight across or straight down."""
        self.path(f"M{x:g} {y:g}L{to_x:g} {to_y:g}")
        if y == to_y:
            self.path(f"M{to_x - 6:g} {to_y - 4:g}L{to_x:g} {to_y:g}L{to_x - 6:g} {to_y + 4:g}")
        else:
            self.path(f"M{to_x - 4:g} {to_y - 6:g}L{to_x:g} {to_y:g}L{to_x + 4:g} {to_y - 6:g}")

    def svg(self) -> str:
        """The whole file."""
        return "\n".join([*self.parts, "</svg>\n"])
