"""HAProxy's runtime API: one command, one answer.

The address is a UNIX path or ``host:port``; changing anything needs ``level admin`` (HAProxy 2.6
management guide, section 9.3).
"""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rightsizing.errors import StackError

TIMEOUT_S = 5.0  # an answer of the runtime API takes milliseconds
_MAX_ANSWER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class HaproxySocket:
    """Where the runtime API listens."""

    address: str

    def ask(self, command: str) -> str:
        """The answer to a command. Raises StackError when nobody answers."""
        try:
            with closing(self._connected()) as connection:
                connection.sendall(command.encode("ascii") + b"\n")
                answer = bytearray()
                while len(answer) < _MAX_ANSWER_BYTES and (part := connection.recv(65_536)):
                    answer += part
                return answer.decode("utf-8", "replace")
        except OSError as error:
            raise StackError(
                f"HAProxy's runtime socket {self.address} does not answer ({error}); check that "
                "it runs and that the socket has `level admin`"
            ) from error

    def tell(self, command: str) -> None:
        """Give a command that is answered by silence. Raises StackError with what it said."""
        answer = self.ask(command).strip()
        if answer:
            raise StackError(f"HAProxy refused `{command}`: {answer.splitlines()[0]}")

    def _connected(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        if host and port.isdigit():
            return socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(str(Path(self.address)))
        except OSError:
            connection.close()
            raise
        return connection
