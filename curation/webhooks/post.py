"""One signed message to one checked address."""

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress

from curation.webhooks.address import Address

# For each step of the connection, and for all of it: a receiver may send a byte now and then.
STEP_SECONDS = 10.0
WHOLE_SECONDS = 20.0
MOST_READ = 4_096


def sign(secret: str, at: int, body: str) -> str:
    """The value of `T2J-Signature`: when it was signed (Unix time), and the HMAC-SHA256 of
    `time.body` under the webhook's secret, in hex."""
    digest = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class _Pinned(http.client.HTTPConnection):
    """A connection to the IP address that was checked, whatever the name leads to by now."""

    def __init__(self, to: Address) -> None:
        super().__init__(to.host, to.port, timeout=STEP_SECONDS)
        self.to = to

    def connect(self) -> None:
        sock = socket.create_connection((self.to.ip, self.to.port), STEP_SECONDS)
        if self.to.https:
            try:
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self.to.host)
            except BaseException:
                sock.close()
                raise
        self.sock = sock


def post(to: Address, body: str, headers: Mapping[str, str]) -> int:
    """Send it, and the status of the answer. Redirects are answers like others: not followed.

    Raises:
        OSError, http.client.HTTPException: it did not get there, or no answer came in time.
    """
    connection = _Pinned(to)
    try:
        connection.connect()
        sock = connection.sock
        late = threading.Event()
        watch = threading.Timer(WHOLE_SECONDS, _end, [sock, late])
        watch.daemon = True
        watch.start()
        try:
            connection.request("POST", to.path, body.encode(), {"Host": to.netloc, **headers})
            answer = connection.getresponse()
            answer.read(MOST_READ)
            if late.is_set():
                raise TimeoutError(f"no whole answer within {WHOLE_SECONDS:g} seconds")
            return answer.status
        finally:
            watch.cancel()
    finally:
        connection.close()


def _end(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
