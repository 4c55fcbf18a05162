"""Persistent HTTP/1.1 connections to one server, each exchange within one deadline.

A timeout of the usual kind bounds each read, and a server that drips a byte a second is never late. Here the
deadline bounds the whole exchange: connecting, sending, the head and the body. (Looking
up a host's name is the system's, and has its own limits.)
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from wardline.errors import DeadlineError, DeclarationError, UnavailableError

_TRIES = 2  # of connecting; a request of which a byte was sent is never sent again


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """A pool of connections to `url`: as many as there are calls at once, at most `idle` kept between calls.

    Redirects are not followed and the environment's proxies not asked: the address is the declared one.
    """

    def __init__(self, url: str, idle: int = 16) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise DeclarationError(f"{url!r} is no address of a server: http://host:port, or https://")
        self.url = url
        self.base = parts.path.rstrip("/")
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: deque[_Connection] = deque(maxlen=idle)
        self._lock = threading.Lock()

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None,
        *, deadline: float, most: int,
    ) -> Answer:  # fmt: skip
        """Exchange one request for its answer; `deadline` is monotonic, `most` the bytes of an answer.

        Raise DeadlineError past the deadline, UnavailableError where there is no sound answer to be had.
        """
        try:
            connection = self._connected(deadline)
            try:
                answer = connection.exchange(method, self.base + path, body, headers or {}, most)
            except BaseException:
                connection.close()
                raise
        except TimeoutError:
            raise DeadlineError(f"{self.url} did not answer by the deadline") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(f"{self.url}: {type(error).__name__}: {error}") from None
        if connection.sock is not None:
            with self._lock:
                dropped = self._idle[0] if len(self._idle) == self._idle.maxlen else None
                self._idle.append(connection)
            if dropped is not None:
                dropped.close()
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = list(self._idle), deque(maxlen=self._idle.maxlen)
        for connection in idle:
            connection.close()

    def _connected(self, deadline: float) -> _Connection:
        """Take an idle connection that is still open, or make one; connecting is safe to try again."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            if connection.fresh():
                connection.deadline = deadline
                return connection
            connection.close()
        for last in range(_TRIES):
            connection = _Connection(self._host, self._port, self._tls, deadline)
            try:
                connection.connect()
            except (ConnectionRefusedError, ConnectionResetError):
                connection.close()
                if last == _TRIES - 1:
                    raise
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise AssertionError("unreachable")


class _Connection(http.client.HTTPConnection):
    """One connection; `deadline` is that of the exchange under way."""

    def __init__(self, host: str, port: int | None, tls: ssl.SSLContext | None, deadline: float) -> None:
        super().__init__(host, port or (443 if tls else 80))
        self.deadline = deadline
        self._tls = tls

    def connect(self) -> None:
        """Connect, with what is left of the deadline."""
        made = socket.create_connection((self.host, self.port), self.left())
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock = made if self._tls is None else self._tls.wrap_socket(made, server_hostname=self.host)
        except BaseException:
            made.close()
            raise
        self.sock: Any = _Timed(sock, self)

    def exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str], most: int) -> Answer:
        """Send one request and read its answer."""
        self.request(method, path, body or None, dict(headers))
        response = self.getresponse()
        content = response.read(most + 1)
        if len(content) > most:
            raise http.client.HTTPException(f"an answer of more than {most} bytes")
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content)
        if not response.isclosed():
            if response.chunked or response.length is not None:
                raise http.client.IncompleteRead(content)
            response.close()
        if response.will_close:
            self.close()
        return answer

    def fresh(self) -> bool:
        """Say whether the other side has neither closed the connection nor said anything unasked."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)

    def left(self) -> float:
        """Return the seconds left; raise TimeoutError where there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Timed:
    """A socket each of whose operations has what is left of the deadline."""

    def __init__(self, sock: socket.socket, of: _Connection) -> None:
        self._sock = sock
        self._of = of
        self._files = 0
        self._closed = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def sendall(self, content: bytes) -> None:
        self._sock.settimeout(self._of.left())  # of sending all of it, says the manual of `sendall`
        self._sock.sendall(content)

    def recv_into(self, buffer: Any) -> int:
        self._sock.settimeout(self._of.left())
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._files += 1
        return io.BufferedReader(_Reader(self))

    def closed_file(self) -> None:
        self._files -= 1
        self._settle()

    def close(self) -> None:
        """Close when no answer is being read any more, as sockets do."""
        self._closed = True
        self._settle()

    def _settle(self) -> None:
        if self._closed and self._files <= 0:
            self._sock.close()


class _Reader(io.RawIOBase):
    """The reading side of it, as a file."""

    def __init__(self, of: _Timed) -> None:
        self._of = of

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._of.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._of.closed_file()
