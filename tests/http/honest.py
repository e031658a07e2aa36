"""Honest requests, one to a connection, over HTTP/1.1 and HTTP/2, in clear text and over TLS."""
import re
import socket
import ssl
import struct
import time

from hostile_kinds import BEGUN, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, WINDOW_UPDATE, frame, head

PATIENCE = 20


def trusting():
    """Takes any certificate: the servers under test have made their own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


TRUSTING = trusting()


def length(text):
    found = re.search(rb"\r\nContent-Length: (\d+)\r\n", text[:text.index(b"\r\n\r\n") + 2])
    return int(found.group(1)) if found else 0


class Connection:
    def __init__(self, port, secure=False, patience=PATIENCE):
        self.end = time.monotonic() + patience
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        try:
            if secure:
                self.socket = TRUSTING.wrap_socket(self.socket)
        except OSError:
            self.socket.close()
            raise
        self.got = b""
        self.closes = False  # the last answer said that it is the connection's last

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, text):
        self.socket.sendall(text)

    def more(self):
        self.socket.settimeout(max(0.01, self.end - time.monotonic()))
        more = self.socket.recv(1 << 20)
        if not more:
            raise AssertionError("the connection ended after %d bytes: %r" % (len(self.got), self.got[:200]))
        self.got += more

    def take(self, size):
        while len(self.got) < size:
            self.more()
        taken, self.got = self.got[:size], self.got[size:]
        return taken

    def answer(self, to_head=False):
        """The next answer's status and body."""
        while b"\r\n\r\n" not in self.got:
            self.more()
        text = self.take(self.got.index(b"\r\n\r\n") + 4)
        self.closes = b"\r\nconnection: close\r\n" in text.lower()
        return int(text.split(b" ")[1]), b"" if to_head else self.take(length(text))


def answer(port, request, to_head=False, secure=False, patience=PATIENCE):
    """The status and body of one answer on a connection of its own."""
    with Connection(port, secure, patience) as one:
        one.say(request)
        return one.answer(to_head)


def http2_bodies(port, paths, secure=False, patience=PATIENCE):
    """What came for each path, all asked for at once: the bodies of whole answers; None for a stream that was reset."""
    with Connection(port, secure, patience) as one:
        one.say(BEGUN + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fff0000 - 65535)) + b"".join(
            frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, head(b"GET", path)) +
            frame(WINDOW_UPDATE, 0, 2 * number + 1, struct.pack(">I", 0x7fff0000 - 65535))
            for number, path in enumerate(paths)))
        bodies = {2 * number + 1: b"" for number in range(len(paths))}
        pieces = {stream: [] for stream in bodies}
        open_streams = set(bodies)
        while open_streams:
            size, kind, flags, stream = struct.unpack(">IBBI", b"\0" + one.take(9))
            payload = one.take(size)
            if kind == SETTINGS and not flags & 1:
                one.say(frame(SETTINGS, 1, 0))
            elif kind == 7 and payload[4:8] != b"\0\0\0\0":
                raise AssertionError("GOAWAY: %r" % payload)
            elif kind == 3:
                pieces[stream] = None
                open_streams.discard(stream)
            elif kind == DATA:
                pieces[stream].append(payload)
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                open_streams.discard(stream)
        return [None if each is None else b"".join(each) for each in pieces.values()]
