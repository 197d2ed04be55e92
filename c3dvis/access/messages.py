"""Which messages of a browser a public server takes.

Streamlit takes more from every browser than pages need: one message clears the caches that all visitors share, the
render queue among them, and others reload the program when a file changes or write files beside it.
"""

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg

LARGEST_MESSAGE = 2**20  # bytes; the values of all widgets of a page take a few thousand

_TAKEN = {"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request"}
_OPERATIONS = {"deferred_file", "dataframe_chunk"}


def is_taken(data: bytes | None) -> bool:
    """Whether a message may reach Streamlit; None is a message of text, which no page sends."""
    if data is None or len(data) > LARGEST_MESSAGE:
        return False
    try:
        message = BackMsg.FromString(data)
    except DecodeError:
        return False
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return message.backend_operation_request.WhichOneof("payload") in _OPERATIONS
    return kind in _TAKEN
