"""How clients can be hostile: what each kind says at first, and what it does in each round."""
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def get(path):
    return b"GET " + path + b" HTTP/1.1\r\nHost: test\r\n\r\n"


class Kind:
    """`over`: the port that it comes to, clear or tls; `secure`: it makes the handshake before it says anything; `shed`:
    all of them are let go."""

    def __init__(self, says, share=1.0, sips=0, adds=b"", later=b"", over="clear", secure=False, shed=False):
        self.says = says
        self.share = share  # of the number of clients
        self.sips = sips  # bytes that it reads in a round
        self.adds = adds  # bytes that it sends in a round
        self.later = later  # bytes that it sends when its first request is under way
        self.over = over
        self.secure = secure
        self.shed = shed


def client_hello():
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4


def literal(name, value):
    """A field in HPACK that no table gets."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(method, path):
    return {b"GET": b"\x82", b"POST": b"\x83"}[method] + b"\x86" + literal(b":path", path) + literal(b":authority", b"test")


def streams(count, method, path, flags=END_HEADERS, behind=lambda stream: b""):
    return b"".join(frame(HEADERS, flags, stream, head(method, path)) + behind(stream)
                    for stream in range(1, 2 * count, 2))


def many_crumbs():
    """A field of 4,000 bytes into the table, and a thousand references of a byte to it."""
    field = b"\x40\x06cookie\x7f" + bytes([(4000 - 127) & 0x7f | 0x80, (4000 - 127) >> 7]) + b"c" * 4000
    return frame(HEADERS, END_STREAM | END_HEADERS, 1, head(b"GET", b"/hello.txt") + field + b"\xbe" * 1000)


BEGUN = PREFACE + frame(SETTINGS, 0, 0)
SHUT = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
CANCEL = struct.pack(">I", 8)
HELLO = client_hello()
POST = b"POST /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n"
HEAD = b"GET /hello.txt HTTP/1.1\r\nHost: test\r\nX-Head: "

HTTP1 = {
    "readers that read nothing": Kind(get(b"/large.bin")),
    "readers that read 100 bytes a round": Kind(get(b"/large.bin"), sips=100),
    "readers with a byte behind their request": Kind(get(b"/large.bin") + b"G"),
    "readers that send a byte later": Kind(get(b"/large.bin"), later=b"G"),
    "readers with 8 KiB behind their request": Kind(get(b"/large.bin") + get(b"/hello.txt") * 200),
    "bodies of which a byte came": Kind(POST + b"x"),
    "bodies that come byte by byte": Kind(POST, adds=b"x"),
    "heads that come byte by byte": Kind(HEAD, adds=b"x"),
    "heads of 12 KiB that do not end": Kind(HEAD + b"x" * 12_000),
    "pipeliners of small files that do not read": Kind(get(b"/page.bin") * 150),
    "pipeliners of medium files that do not read": Kind(get(b"/medium.bin") * 100),
    "pipeliners of missing files that do not read": Kind(get(b"/missing") * 200, share=0.1),
    "listings that are not read": Kind(get(b"/listed/"), share=0.1),
    "clients that say nothing": Kind(b""),
    "clients that have had an answer": Kind(get(b"/hello.txt")),
}

TLS = {
    "TLS clients that say nothing": Kind(b"", over="tls"),
    "a byte of a handshake": Kind(HELLO[:1], over="tls"),
    "half of a handshake's first message": Kind(HELLO[:len(HELLO) // 2], over="tls"),
    "handshakes that stop in the middle": Kind(HELLO, over="tls"),
    "handshakes that come byte by byte": Kind(HELLO[:5], adds=HELLO[5:6], over="tls"),
    "garbage instead of a handshake": Kind(b"\x16\x03\x01\x40\x00" + b"\xff" * 500, over="tls"),
    "clear text instead of a handshake": Kind(get(b"/hello.txt"), over="tls", shed=True),
    "garbage behind a handshake's first message": Kind(HELLO, later=b"\x17\x03\x03\x00\x10" + b"x" * 16, over="tls", shed=True),
    "TLS clients that say nothing more": Kind(b"", share=0.05, over="tls", secure=True),
    "TLS readers that read nothing": Kind(get(b"/large.bin"), share=0.05, over="tls", secure=True),
}

HTTP2 = {
    "half of HTTP/2's preface": Kind(PREFACE[:20]),
    "HTTP/2 clients that say nothing more": Kind(BEGUN),
    "streams that are reset at once": Kind(
        BEGUN + streams(300, b"GET", b"/large.bin", END_STREAM | END_HEADERS,
                        lambda stream: frame(RST_STREAM, 0, stream, CANCEL)), shed=True),
    "streams that we are made to reset": Kind(
        BEGUN + streams(300, b"GET", b"/large.bin", END_STREAM | END_HEADERS,
                        lambda stream: frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\0")), shed=True),
    "heads of which CONTINUATION has no end": Kind(
        BEGUN + frame(HEADERS, END_STREAM, 1, head(b"GET", b"/hello.txt")), adds=frame(CONTINUATION, 0, 1, literal(b"x", b"y"))),
    "floods of CONTINUATION": Kind(
        BEGUN + frame(HEADERS, END_STREAM, 1, head(b"GET", b"/hello.txt")) + frame(CONTINUATION, 0, 1) * 2000, shed=True),
    "windows that are shut": Kind(SHUT + streams(120, b"GET", b"/large.bin", END_STREAM | END_HEADERS)),
    "windows that open by a byte": Kind(
        SHUT + streams(20, b"GET", b"/large.bin", END_STREAM | END_HEADERS),
        adds=b"".join(frame(WINDOW_UPDATE, 0, each, b"\0\0\0\1") for each in range(1, 40, 2))),
    "HTTP/2 readers that read nothing": Kind(
        PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0x7fffffff)) + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\0\0") +
        streams(100, b"GET", b"/large.bin", END_STREAM | END_HEADERS)),
    "bodies of a hundred streams that do not end": Kind(
        BEGUN + streams(100, b"POST", b"/hello.txt", END_HEADERS, lambda stream: frame(DATA, 0, stream, b"x"))),
    "floods of PING": Kind(BEGUN + frame(PING, 0, 0, b"12345678") * 1000, shed=True),
    "floods of SETTINGS": Kind(BEGUN + frame(SETTINGS, 0, 0) * 1000, shed=True),
    "floods of PRIORITY": Kind(BEGUN + frame(PRIORITY, 0, 1, b"\0\0\0\0\1") * 1000, shed=True),
    "floods of empty DATA": Kind(
        BEGUN + frame(HEADERS, END_HEADERS, 1, head(b"POST", b"/hello.txt")) + frame(DATA, 0, 1) * 1000, shed=True),
    "heads of a thousand crumbs": Kind(BEGUN + many_crumbs(), share=0.2, shed=True),
}

KINDS = {**HTTP1, **TLS, **HTTP2}
GROUPS = {"http1": HTTP1, "tls": TLS, "http2": HTTP2}
