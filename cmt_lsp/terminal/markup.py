"""HTML and SVG as values. Text that goes in is escaped, whatever it says; only what was built here is markup."""

from __future__ import annotations

from html import escape

from cmt_lsp.terminal.render import clean

_WITHOUT_END = frozenset({"meta", "br", "rect", "line", "circle", "path"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: str | float | None) -> Markup:
    """One element; a child that is no Markup is text, and None is nothing.

    `_` in the name of an attribute stands for `-`, and one at its end is dropped: `class_`, `text_anchor`.
    """
    start = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(clean(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _WITHOUT_END:
        return Markup(f"<{tag}{start}/>")
    return Markup(f"<{tag}{start}>{joined(*children)}</{tag}>")


def joined(*children: str | None) -> Markup:
    """Children side by side, without an element around them."""
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(clean(child)) for child in children if child)
    )
