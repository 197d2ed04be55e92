"""Text from outside, such as the layer names of users' networks, within Markdown."""

import re


def plain(text: str) -> str:
    """The text with every character escaped that has a meaning in Markdown, HTML or Streamlit's directives."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
