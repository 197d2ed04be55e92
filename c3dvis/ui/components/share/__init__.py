"""What a visitor sends on or repeats: the link of a spec and its command line, each with a button to copy it."""

from c3dvis.spec import RenderSpec
from c3dvis.spec.text import command, file_stem, query_text
from c3dvis.ui.components.mount import mount


def share_line(spec: RenderSpec, *, key: str) -> None:
    """Draw the line of a spec."""
    repeat = command(spec, f"{file_stem(spec, short=True)}.gif")
    mount("share", {"query": query_text(spec), "command": repeat}, key=key)
