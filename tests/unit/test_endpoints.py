# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An endpoint that does not answer as it should, however it fails, is one sentence within its time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from _recovery import endpoints
from _recovery.endpoints import Endpoint


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        self.server.asked += 1
        act = {"/drip": self.drip, "/loop": self.loop, "/hang": self.hang, "/on": self.on, "/file": self.file}.get(self.path)
        if act:
            act()
            return
        code = 503 if self.path == "/late" and self.server.asked < 3 else int(self.path[1:]) if self.path[1:].isdigit() else 200
        self.send_response(code)
        self.end_headers()
        self.wfile.write(b'{"database":"up"}')

    def redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()

    def on(self) -> None:
        self.redirect("/good")

    def loop(self) -> None:
        self.redirect("/loop")

    def file(self) -> None:
        self.redirect("file:///etc/passwd")

    def hang(self) -> None:
        self.server.over.wait(20)

    def drip(self) -> None:
        with suppress(OSError):
            for letter in "HTTP/1.1 200 OK\r\nX: " + "y" * 1000:
                self.wfile.write(letter.encode())
                self.wfile.flush()
                self.server.over.wait(0.02)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class Shop(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = 0
        self.over = threading.Event()

    def endpoint(self, path: str, status: int = 200, contains: str = "", timeout: float = 0.5) -> Endpoint:
        return Endpoint("shop", f"http://127.0.0.1:{self.server_port}{path}", status, contains, timeout)


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "status", "contains"), [("/good", 200, '"up"'), ("/404", 404, ""), ("/on", 200, "database"), ("/503", 503, "up")]
)
def test_a_good_answer_is_no_problem(shop: Shop, path: str, status: int, contains: str) -> None:
    assert endpoints.ask(shop.endpoint(path, status, contains)) is None


@pytest.mark.parametrize(
    ("path", "contains", "words"),
    [
        ("/503", "", "Found 503 from the endpoint shop; expected 200. Next: curl -i http://127.0.0.1:"),
        ("/good", "down", "Found another text from the endpoint shop; expected 200 and 'down'. Next: "),
        ("/loop", "", "Found redirects without an end of the endpoint shop; expected 200. Next: "),
        ("/hang", "", "Found no whole answer within 0.5 s of the endpoint shop; expected 200. Next: "),
        ("/drip", "", "Found no whole answer within 0.5 s of the endpoint shop; expected 200. Next: "),
        ("/file", "", "Found 302 from the endpoint shop; expected 200. Next: "),
    ],
)
def test_any_other_is_a_sentence_within_its_time(shop: Shop, path: str, contains: str, words: str) -> None:
    began = time.monotonic()
    problem = endpoints.ask(shop.endpoint(path, contains=contains))
    assert problem is not None
    assert problem.sentence().startswith(words)
    assert time.monotonic() - began < 5


def test_a_service_that_has_only_just_begun_gets_its_time(shop: Shop) -> None:
    assert endpoints.ask(shop.endpoint("/late", timeout=5)) is None
    assert shop.asked == 3


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://127.0.0.1/x", "an address that is not HTTP"),
        ("file:///etc/passwd", "an address that is not HTTP"),
        ("nonsense", "no address (unknown url type: 'nonsense')"),
    ],
)
def test_what_is_no_address_of_http_is_not_asked(url: str, reason: str) -> None:
    problem = endpoints.ask(Endpoint("shop", url, timeout=0.2))
    assert problem is not None
    assert problem.found == f"{reason} of the endpoint shop"


def test_a_port_that_nobody_serves_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    problem = endpoints.ask(Endpoint("shop", f"http://127.0.0.1:{port}/", timeout=0.2))
    assert problem is not None
    assert problem.found == "Connection refused of the endpoint shop"


def test_each_is_asked() -> None:
    assert [*endpoints.ask_all([Endpoint("a", "x", timeout=0.1), Endpoint("b", "y", timeout=0.1)])] == ["a", "b"]
