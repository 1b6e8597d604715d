"""Self-contained HTML page of a report: headings, tables and figures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top; }
figcaption { color: #666; font-size: .85rem; max-width: 30rem; overflow-wrap: anywhere; }
img { display: block; max-width: 100%; } audio { display: block; width: 100%; height: 2rem; margin-top: .3rem; }
svg { max-width: 100%; height: auto; } code { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #ddd; } figcaption { color: #999; } }
"""

Cell = str | float | int | None


def page(title: str, parts: Sequence[str]) -> str:
    """Return a page with a title and parts, each HTML."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """Return a section with a heading and parts, each HTML."""
    return f"<h2>{escape(heading)}</h2>\n" + "\n".join(parts)


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def figure(content: str, caption: str) -> str:
    """Return a picture, chart or sound, given as HTML, with a caption."""
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def table(rows: Sequence[Sequence[Cell]], heading: Sequence[str] = ()) -> str:
    """Return a table; numbers are right-aligned, None is a dash."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heading)
    body = "\n".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if head else ''}\n{body}</table>"


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    text = "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return f'<td class="number">{text}</td>'
