"""The link of a spec and the command line that repeats its render, each with a copy button."""

from c3dvis.spec import RenderSpec
from c3dvis.spec.text import command, file_stem, query_text
from c3dvis.ui.components.mount import mount


def share_link(spec: RenderSpec, *, key: str) -> None:
    """Draw both copy buttons and the command line of a spec."""
    command_line = command(spec, f"{file_stem(spec, short=True)}.gif")
    mount("share_link", {"query": query_text(spec), "command": command_line}, key=key)
