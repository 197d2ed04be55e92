"""Texts that Streamlit would draw as something else than their characters, for the tests of plain text."""

import random

HOST = "zq.invalid"

PAYLOADS = (
    f"![zq](http://{HOST}/a.png)", f"[zq](https://{HOST})", f"<https://{HOST}>", f"https://{HOST}/x", f"www.{HOST}",
    f"zq@{HOST}", f"<img src=http://{HOST}/b.png>", f"[zq]: http://{HOST}", f"[^zq]: http://{HOST}", ":red[zq]",
    ":material/home:", ":material_home:", ":streamlit:", ":smile:", ":+1:", ":blue-badge[zq]", ":small[zq]",
    "$zq^2$", "$$zq$$", "`zq`", "``zq`", "*zq*", "**zq**", "_zq_", "__zq__", "~~zq~~", "~zq~", "# zq", "1. zq", "- zq",
    "+ zq", "> zq", "zq -> zq", "zq -- zq", "<->", "a <= b", "| zq | zq |", "---", "***", "```", "~~~", "&amp; &#65;",
    "\\*zq\\*", "zq\\", "zq  \nzq", "zq\n===", "zq\n\n    zq", "    zq", "::: zq", "::zq[zq]{zq}", ":zq[zq]{zq=zq}",
    "- [ ] zq", "(zq) [zq] {zq}", "Mixed_3b/Branch_0", "zq!", "it's “zq”: zq.", f"(https://{HOST}/a_b*c*).",
    ":color[zq]{foreground=red}", "a`b`c:d", "`:a`", "@", "::", "(:", "\u202ezq", "\t# zq",
)  # fmt: skip
"""Each kind of markup that Streamlit knows, and text that looks like it."""


def combined(count: int, seed: int) -> list[str]:
    """Texts made of pieces of the payloads."""
    chosen = random.Random(seed)
    pieces = [*PAYLOADS, *"\\`*_{}[]()<>#+-.!|~$:&@=^\"'/ \n", "zq", " ", "1", "www.", "http"]
    return ["".join(chosen.choices(pieces, k=chosen.randint(1, 7))) for _ in range(count)]
