"""Settings of an added network as people write them, on the command line and on the page."""

import re

from c3dvis.errors import InvalidSpec
from c3dvis.networks.graph.input_domain import SIDE_BY_SIDE


def numbers(text: str) -> tuple[float, ...]:
    """One number, or one for each channel: `0`, or `-1.9,-1.8,-1.7`.

    Raises:
        InvalidSpec: anything else.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InvalidSpec(f"Expected a number, or several divided by commas; received {text[:60]!r}.") from None


def size(text: str) -> tuple[int, int, int]:
    """(frames, height, width) from `16,112,112`.

    Raises:
        InvalidSpec: anything else.
    """
    found = numbers(text)
    if len(found) != 3 or not all(number.is_integer() for number in found):
        raise InvalidSpec(f"A size is frames,height,width; received {text[:60]}.")
    frames, height, width = map(int, found)
    return frames, height, width


def shown_channels(text: str) -> tuple[int, ...]:
    """The channels that a picture shows: `all` side by side, three (`0,1,2`) as red, green and blue, one (`3`) in grey.

    Raises:
        InvalidSpec: anything else.
    """
    if text == "all":
        return SIDE_BY_SIDE
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){0,2}", text):
        raise InvalidSpec(
            "The channels to show are all (side by side), three for red, green and blue (0,1,2), or one in grey (3); "
            f"received {text[:60]!r}."
        )
    return tuple(map(int, text.split(",")))
