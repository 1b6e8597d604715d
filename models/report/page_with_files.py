"""HTML page of figures, pictures and sounds that are separate files in its folder."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

STYLE = """
body { background: #111; color: #d8d8d8; font: 15px/1.5 system-ui, sans-serif; max-width: 1200px; margin: 2em auto;
       padding: 0 1em; }
h1, h2 { font-weight: 500; }
table { border-collapse: collapse; margin: 1em 0; font-size: 13px; }
th, td { padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #333; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
tr.strong { font-weight: 600; background: #1c1c1c; }
img { max-width: 100%; }
figure { margin: 1em 0; }
figcaption, .note { color: #999; font-size: 13px; }
audio { height: 32px; width: 240px; vertical-align: middle; }
"""


class Page:
    """Collects the parts of a page from top to bottom, and writes it.

    Parameters
    ----------
    title
        Title of the page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """Add a heading."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f'<p class="note">{html.escape(text)}</p>')

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], strong: Sequence[bool] = ()) -> None:
        """Add a table; `strong` marks rows to highlight."""
        marks = [*strong, *[False] * (len(rows) - len(strong))]
        lines = ["<table><thead><tr>", *(f"<th>{html.escape(cell)}</th>" for cell in head), "</tr></thead><tbody>"]
        for row, mark in zip(rows, marks, strict=True):
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            lines.append(f'<tr class="strong">{cells}</tr>' if mark else f"<tr>{cells}</tr>")
        self._parts.append("".join([*lines, "</tbody></table>"]))

    def picture(self, name: str, caption: str) -> None:
        """Add a picture from the folder of the page."""
        source, label = html.escape(name, quote=True), html.escape(caption)
        self._parts.append(f'<figure><img src="{source}" alt="{label}"><figcaption>{label}</figcaption></figure>')

    def sounds(self, rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """Add players for sounds: for each row a title, and captions with files in the folder of the page."""
        lines = []
        for title, sounds in rows:
            players = "".join(
                f'<td>{html.escape(caption)}<br><audio controls preload="none" '
                f'src="{html.escape(name, quote=True)}"></audio></td>'
                for caption, name in sounds
            )
            lines.append(f"<tr><td>{html.escape(title)}</td>{players}</tr>")
        self._parts.append(f"<table><tbody>{''.join(lines)}</tbody></table>")

    def write(self, path: Path) -> None:
        """Write the page."""
        head = f'<meta charset="utf-8"><title>{html.escape(self._title)}</title><style>{STYLE}</style>'
        body = "\n".join(self._parts)
        text = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'
        path.write_text(text, encoding="utf-8")
