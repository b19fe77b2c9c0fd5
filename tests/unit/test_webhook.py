# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The webhook, as a real one answers: three tries, no redirect, and a message that is refused for itself."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from _recovery import webhook
from _recovery.webhook import Answer

SECRET = "/services/T0000/secret-part-of-the-address"


class Receiver(ThreadingHTTPServer):
    """Answers with the codes of `answers`, then with 200; keeps what it took."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.asked: list[str] = []
        self.taken: list[str] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{SECRET}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.server.answers.pop(0) if self.server.answers else 200
        self.server.asked.append("POST")
        if code == 200:
            self.server.taken.append(json.loads(body)["text"])
        self.send_response(code)
        if 300 <= code < 400:
            self.send_header("Location", "/login")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.asked.append("GET")
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(webhook.time, "sleep", lambda _seconds: None)
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_third_try_is_enough(receiver: Receiver) -> None:
    receiver.answers = [503, 429]
    assert webhook.deliver(receiver.url, {"text": "archiving fails"}) == Answer()
    assert receiver.taken == ["archiving fails"]


def test_after_three_tries_the_message_waits(receiver: Receiver) -> None:
    receiver.answers = [503] * 4
    assert webhook.deliver(receiver.url, {"text": "x"}) == Answer("the webhook answers 503")
    assert (receiver.taken, len(receiver.answers)) == ([], 1)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirected_message_has_not_arrived(receiver: Receiver, code: int) -> None:
    receiver.answers = [code] * 3
    assert webhook.deliver(receiver.url, {"text": "x"}) == Answer(f"the webhook answers {code}")
    assert "GET" not in receiver.asked


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_message_that_is_refused_for_itself_is_not_tried_again(receiver: Receiver, code: int) -> None:
    receiver.answers = [code]
    assert webhook.deliver(receiver.url, {"text": "x"}) == Answer(f"the webhook answers {code}", unwanted=True)
    assert receiver.asked == ["POST"]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_an_address_that_is_wrong_loses_no_message(receiver: Receiver, code: int) -> None:
    receiver.answers = [code] * 3
    assert webhook.deliver(receiver.url, {"text": "x"}).unwanted is False


class Dripping(Handler):
    """Answers a byte at a time, and never ends."""

    def do_POST(self) -> None:
        self.server.asked.append("POST")
        with suppress(OSError):
            for letter in "HTTP/1.1 200 OK\r\nX: " + "y" * 1000:
                self.wfile.write(letter.encode())
                self.wfile.flush()
                self.server.over.wait(0.02)


def test_an_answer_that_drips_is_none_in_time(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
    receiver.RequestHandlerClass = Dripping
    began = time.monotonic()
    answer = webhook.deliver(receiver.url, {"text": "x"})
    assert time.monotonic() - began < 5
    receiver.over.set()
    assert answer == Answer("the webhook cannot be reached: no whole answer within 0.2 s")
    assert receiver.asked == ["POST"] * 3


def test_no_reason_holds_the_address(receiver: Receiver) -> None:
    receiver.shutdown()
    receiver.server_close()
    for url in (receiver.url, f"http://no-such-host.invalid{SECRET}", f"http://127.0.0.1:1{SECRET} x", f"gopher{SECRET}", SECRET):
        answer = webhook.deliver(url, {"text": "x"})
        assert answer.reason.startswith(("the webhook cannot be reached", "the webhook's address is not one")), answer
        assert "secret" not in answer.reason
