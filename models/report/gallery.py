"""A page that shows figures, pictures and sounds: one HTML file that needs no network, beside the files it names."""

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
    """Gathers what a page shows, from top to bottom, and writes it.

    Parameters
    ----------
    title
        Of the page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Say something."""
        self._parts.append(f'<p class="note">{html.escape(text)}</p>')

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], strong: Sequence[bool] = ()) -> None:
        """Show a table; rows may be marked as strong."""
        marks = [*strong, *[False] * (len(rows) - len(strong))]
        lines = ["<table><thead><tr>", *(f"<th>{html.escape(cell)}</th>" for cell in head), "</tr></thead><tbody>"]
        for row, mark in zip(rows, marks, strict=True):
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
            lines.append(f'<tr class="strong">{cells}</tr>' if mark else f"<tr>{cells}</tr>")
        self._parts.append("".join([*lines, "</tbody></table>"]))

    def picture(self, name: str, caption: str) -> None:
        """Show a picture that lies beside the page."""
        source, told = html.escape(name, quote=True), html.escape(caption)
        self._parts.append(f'<figure><img src="{source}" alt="{told}"><figcaption>{told}</figcaption></figure>')

    def sounds(self, rows: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """Show sounds to listen to: a title for each row, and captions and files that lie beside the page."""
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
