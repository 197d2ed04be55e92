"""The address bar: corrects the address in place, and follows links within the dashboard without loading it anew."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from c3dvis.ui.components.mount import mount


def address(shown: Mapping[str, Sequence[str]], wanted: Mapping[str, Sequence[str]]) -> None:
    """Put the query `wanted` into the address bar if it shows the query `shown`, without an entry in the history.

    From then on a press on a link with the attribute `data-visit` is one entry in the history and a run of the page
    that the link leads to, which keeps the session and the pins.
    """
    data = {"shown": urlencode(shown, doseq=True), "wanted": urlencode(wanted, doseq=True)}
    mount("address", data, key="address")
