"""A network between a device and its broker, which can be cut and made slow."""

import contextlib
import socket
import threading
import time


class Link:
    """Forwards TCP connections at `port` to `target`; slow: so many bytes a second towards it."""

    def __init__(self, target: int, bytes_per_s: float = float("inf")) -> None:
        self._target, self.bytes_per_s = target, bytes_per_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self) -> None:
        """Breaks what goes through, for good."""
        with contextlib.suppress(OSError):  # ended before
            self._server.shutdown(socket.SHUT_RDWR)  # closed alone, it would take the one that it waits for
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Breaks what goes through; a new connection is let through again."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [near, far]
                threading.Thread(target=self._forward, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, slowly: bool) -> None:
        with contextlib.suppress(OSError), source, sink:
            while data := source.recv(1024):
                if slowly:
                    time.sleep(len(data) / self.bytes_per_s)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
