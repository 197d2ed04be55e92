"""Text from outside as plain text: from links, files, uploads, the users' networks, their labels, and errors.

Streamlit reads Markdown in nearly every text that it draws. Whatever is not written in this program goes through
`plain` or through one of the functions below; tables and measures are drawn as escaped HTML.
"""

import re

import streamlit as st

# What Streamlit replaces in text after it has read the Markdown, so that a backslash does not help: addresses, e-mail
# addresses, emoji and icons (:name:), arrows. Inside a code span it replaces nothing.
_REPLACED = re.compile(r":\S|@|www\.|^(<->|->|<-|--|>=|<=|~=)$", re.IGNORECASE)
_QUOTED = re.compile(r"""(?P<before>[(\["']*)(?P<word>.*?)(?P<after>[)\]"'.,;:!?]*)""")
# An underscore between letters or digits has no meaning.
_MARKUP = re.compile(r"[\\`*\[\]<&$~]|(?<![^\W_])_|_(?![^\W_])")
_LINE_START = re.compile(r"([#>+-])|(\d+)([.)])")


def plain(text: str) -> str:
    """The text as Markdown that shows every character as it is; line breaks become spaces.

    A word that Streamlit would make a link, an emoji or an icon is shown as code.
    """
    shown = " ".join(_as_code(word) if _REPLACED.search(word) else _escaped(word) for word in text.split())
    start = _LINE_START.match(shown)
    return shown[: start.end() - 1] + "\\" + shown[start.end() - 1 :] if start else shown


def draw_error(text: str) -> None:
    """Draw an error, whose text is shown as it is."""
    st.error(plain(text), icon=":material/error:")


def draw_warning(text: str, icon: str = ":material/warning:") -> None:
    """Draw a warning, whose text is shown as it is."""
    st.warning(plain(text), icon=icon)


def draw_caption(text: str) -> None:
    """Draw small print, whose text is shown as it is."""
    st.caption(plain(text))


def _escaped(word: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", word)


def _as_code(word: str) -> str:
    parts = _QUOTED.fullmatch(word)
    if not parts or not parts["word"]:
        return _escaped(word)
    # Streamlit changes this prefix of icons before it reads the Markdown.
    code = r"\/".join(_code_span(piece) for piece in re.split("(?<=:material)/", parts["word"]))
    return _escaped(parts["before"]) + code + _escaped(parts["after"])


def _code_span(code: str) -> str:
    if not code:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", code)), default=0))
    padding = " " if "`" in (code[0], code[-1]) else ""
    return f"{fence}{padding}{code}{padding}{fence}"
