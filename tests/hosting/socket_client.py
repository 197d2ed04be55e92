"""A client that speaks Streamlit's protocol: it signs in, opens the socket, runs pages and collects what they draw."""

import http.cookiejar
import urllib.request
from contextlib import ExitStack
from html import unescape
from typing import Any
from urllib.parse import quote

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.processes import PATIENCE


class Client:
    """One browser without a screen.

    Attributes:
        session_id: Streamlit's name of the session.
        drawn: the messages of the latest run.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._jar = http.cookiejar.CookieJar()
        self._http = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._jar)
        )
        self.get("/_stcore/health")
        self.session_id = ""
        self.drawn: list[ForwardMsg] = []
        self._socket: Any = None
        self._open = ExitStack()

    def get(self, path: str) -> bytes:
        with self._http.open(self.url + path, timeout=PATIENCE) as answer:
            return answer.read()

    def put_file(self, path: str, name: str, data: bytes) -> int:
        """Uploads a file; returns the status of the answer."""
        shown = quote(name, safe=" <>()'=./")
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{shown}"\r\n\r\n'
        request = urllib.request.Request(
            self.url + path, method="PUT", data=head.encode() + data + b"\r\n--x--\r\n",
            headers={
                "Content-Type": "multipart/form-data; boundary=x", "X-Xsrftoken": self.cookies["_streamlit_xsrf"],
            },
        )  # fmt: skip
        with self._http.open(request, timeout=PATIENCE) as answer:
            return answer.status

    def sign_in(self) -> None:
        """Follows the redirects to the provider and back."""
        self.get(sign_in_path(self))

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self._jar}

    def open(self) -> None:
        """Opens the socket, with the cookies of the client."""
        xsrf = self.cookies.get("_streamlit_xsrf", "")
        connection = connect(
            self.url.replace("http", "ws", 1) + "/_stcore/stream",
            origin=self.url,  # type: ignore[arg-type]
            subprotocols=["streamlit", xsrf] if xsrf else ["streamlit"],  # type: ignore[list-item]
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())},
            open_timeout=PATIENCE, max_size=None, proxy=None,
        )  # fmt: skip
        self._socket = self._open.enter_context(connection)

    def close(self) -> None:
        self._open.close()

    def send(self, message: bytes) -> None:
        self._socket.send(message)

    def run(self, query: str = "", page: str = "", message: BackMsg | None = None) -> str:
        """Runs a page and returns what it draws as one text, as a reader sees it.

        Args:
            query: of the link that is opened, as a press on a link within the dashboard opens it.
            page: last part of the page's address; empty for the Explore page.
            message: to send in place of both.
        """
        if message is None:
            message = BackMsg()
            message.rerun_script.query_string = query
            message.rerun_script.page_name = page
            message.rerun_script.is_history_navigation = bool(self.session_id)
        self.send(message.SerializeToString())
        return self.receive()

    def take_cookies(self, other: "Client") -> None:
        """Be a further tab of another client's browser."""
        for cookie in other._jar:
            self._jar.set_cookie(cookie)

    def set_cookie(self, name: str, value: str) -> None:
        """Replace the value of a cookie."""
        next(cookie for cookie in self._jar if cookie.name == name).value = value

    def next_message(self) -> ForwardMsg:
        return ForwardMsg.FromString(self._socket.recv(timeout=PATIENCE))

    def receive(self) -> str:
        """What the runs until the next end of a run draw."""
        self.drawn = []
        while True:
            message = self.next_message()
            self.drawn.append(message)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session_id = message.new_session.initialize.session_id
            if kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return unescape("\n".join(map(str, self.drawn))).replace("\\", "").replace("`", "")


def sign_in_path(client: Client) -> str:
    """Where a press on Sign in leads."""
    client.open()
    client.run(page="method")
    ids = button_ids(client.drawn)
    message = BackMsg()
    state = message.rerun_script.widget_states.widgets.add()
    state.id, state.trigger_value = ids["Sign in"], True
    client.run(message=message)
    client.close()
    (url,) = [each.auth_redirect.url for each in client.drawn if each.WhichOneof("type") == "auth_redirect"]
    return url


def button_ids(drawn: list[ForwardMsg]) -> dict[str, str]:
    """The widget's name of each button that was drawn, by its label."""
    return {
        each.delta.new_element.button.label: each.delta.new_element.button.id
        for each in drawn
        if each.WhichOneof("type") == "delta" and each.delta.new_element.WhichOneof("type") == "button"
    }
