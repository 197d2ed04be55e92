"""A contact sheet: the middle frames of many clips on one picture, each with a name below."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP = 6
_LINE = 16
_PAPER, _INK = (255, 255, 255), (32, 38, 43)


def contact_sheet(
    clips: Sequence[np.ndarray], names: Sequence[str], columns: int = 6, quality: int | None = None
) -> bytes:
    """A contact sheet.

    Args:
        clips: (T, H, W, 3) uint8 RGB, one or more. All cells have the largest clip's size; a smaller clip is in the
            upper left corner of its cell.
        names: one for each clip.
        columns: largest number of clips in a row.
        quality: of a WebP, from 1 to 100: for photographs; None makes a PNG.

    Raises:
        ValueError: there is no clip, or not one name for each clip.
    """
    if not clips or len(clips) != len(names):
        raise ValueError(
            f"A contact sheet needs a name for each of its clips. Received: {len(clips)} clips and {len(names)} names."
        )
    height = max(clip.shape[1] for clip in clips)
    width = max(clip.shape[2] for clip in clips)
    columns = min(columns, len(clips))
    rows = -(-len(clips) // columns)
    size = (_GAP + columns * (width + _GAP), _GAP + rows * (height + _LINE + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for index, (clip, name) in enumerate(zip(clips, names, strict=True)):
        row, column = divmod(index, columns)
        left, top = _GAP + column * (width + _GAP), _GAP + row * (height + _LINE + _GAP)
        sheet.paste(Image.fromarray(clip[len(clip) // 2]), (left, top))
        pen.text((left, top + height + 2), name, fill=_INK, font=font)
    file = io.BytesIO()
    if quality is None:
        sheet.save(file, "PNG", optimize=True)
    else:
        sheet.save(file, "WEBP", quality=quality, method=6)
    return file.getvalue()
