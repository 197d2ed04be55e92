"""The message format of the components that show clips: a JSON header, followed by pixels as raw bytes."""

import json
import struct
from collections.abc import Mapping
from typing import Any


def binary_message(magic: bytes, header: Mapping[str, Any], payload: bytes) -> bytes:
    """Join a header and pixels for the script of a component.

    Args:
        magic: four bytes that name the component's format.
        header: what JSON can hold.
        payload: the pixels.

    Returns:
        The magic, the length of the header in bytes (uint32, little endian), the header as JSON, the payload.
    """
    text = json.dumps(header).encode()
    return magic + struct.pack("<I", len(text)) + text + payload
