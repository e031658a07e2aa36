#!/usr/bin/env python3
"""A full chat room, by hand: chat_crowd.py PROGRAM [PEOPLE [MESSAGES [ARGUMENT...]]], by itself 10,000 and 20.

Starts the chat example with the arguments, lets that many people enter from processes of their own (2,500 in each, so
that no limit of descriptors is in the way), and has one of them say something. Each message must have reached all before
the next is said. Tells what the server has cost: memory for each person, and processor time for each delivery."""
import os
import select
import socket
import subprocess
import sys
import time

program = sys.argv[1]
people = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
messages = int(sys.argv[3]) if len(sys.argv) > 3 else 20
arguments = sys.argv[4:]
IN_EACH = 2_500


def enter(port: int, name: str) -> tuple[socket.socket, bytes]:
    """A WebSocket in the room, and what the room has said already."""
    person = socket.create_connection(("127.0.0.1", port), timeout=120)
    person.sendall((f"GET /chat?name={name} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    came = b""
    while b"\r\n\r\n" not in came:
        piece = person.recv(65536)
        assert piece, (name, came)
        came += piece
    assert came.startswith(b"HTTP/1.1 101 "), came
    person.setblocking(False)
    return person, came.partition(b"\r\n\r\n")[2]


class Listeners:
    """Some of the people, who answer pings, and count what has been said."""

    def __init__(self, tell: int) -> None:
        self.tell = tell
        self.poll = select.epoll()
        self.there: dict[int, socket.socket] = {}
        self.unread: dict[int, bytes] = {}
        self.got: dict[bytes, int] = {}
        self.wanted = -1

    def add(self, person: socket.socket, came: bytes) -> None:
        number = person.fileno()
        self.there[number] = person
        self.unread[number] = b""
        self.take(number, came)
        self.poll.register(number, select.EPOLLIN)

    def take(self, number: int, came: bytes) -> None:
        """Frames of a server: no mask, and small."""
        data = self.unread[number] + came
        at = 0
        while len(data) - at >= 2 and len(data) - at >= 2 + data[at + 1]:
            assert data[at + 1] < 126, data[at:at + 2]
            payload = data[at + 2:at + 2 + data[at + 1]]
            if data[at] == 0x89:
                self.there[number].send(bytes([0x8a, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)
            elif b"said-" in payload:
                mark = payload.partition(b"said-")[2]
                self.got[mark] = self.got.get(mark, 0) + 1
                if self.got[mark] == self.wanted:
                    os.write(self.tell, mark + b"\n")
            at += 2 + len(payload)
        self.unread[number] = data[at:]

    def hear(self, seconds: float | None) -> None:
        for number, _ in self.poll.poll(seconds):
            try:
                came = self.there[number].recv(262_144)
            except BlockingIOError:
                continue
            if not came:  # the server has ended
                os._exit(0)
            self.take(number, came)


def listen_to_the_room(port: int, first: int, count: int, tell: int) -> None:
    """Of one process: lets so many enter, and writes a line when they have, and for each message that all have got."""
    listeners = Listeners(tell)
    for each in range(first, first + count):
        listeners.add(*enter(port, f"person-{each}"))
        listeners.hear(0)
    listeners.wanted = count
    os.write(tell, b"entered\n")
    while True:
        listeners.hear(None)


def status(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def processor_time(pid: int) -> float:
    """Seconds, of all its threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as numbers:
            total += int(numbers.read().split()[0])
    return total / 1e9


def main() -> None:
    server = subprocess.Popen([program, "--listen", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith("listening on "), line
    port = int(line.rpartition(":")[2])
    speaker, _ = enter(port, "speaker")
    speakers = Listeners(-1)
    speakers.add(speaker, b"")
    empty = status(server.pid, "VmRSS")
    listeners = []
    try:
        begun = time.monotonic()
        for first in range(1, people, IN_EACH):
            count = min(IN_EACH, people - first)
            reads, writes = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reads)
                listen_to_the_room(port, first, count, writes)
                os._exit(0)
            os.close(writes)
            listeners.append((child, os.fdopen(reads, "r", encoding="ascii")))
        for _, told in listeners:
            assert told.readline() == "entered\n"
        print(f"{people:,} people are in the room after {time.monotonic() - begun:.1f} s")
        full = status(server.pid, "VmRSS")
        print(f"resident: {empty / 1e6:.1f} MB with one, {full / 1e6:.1f} MB with all, "
              f"{(full - empty) / (people - 1):,.0f} bytes for each")
        mask = b"\0\0\0\0"
        before = processor_time(server.pid)
        slowest = 0.0
        for each in range(messages):
            speakers.hear(0)
            text = f"said-{each}".encode()
            begun = time.monotonic()
            speaker.sendall(bytes([0x81, 0x80 | len(text)]) + mask + text)
            for _, told in listeners:
                line = told.readline()
                assert line == f"{each}\n", (each, line)
            slowest = max(slowest, time.monotonic() - begun)
        used = processor_time(server.pid) - before
        print(f"{messages} messages have reached all {people:,}, the slowest after {slowest * 1000:.0f} ms: "
              f"{used / messages / people * 1e6:.2f} us of processor time for each delivery")
        print(f"resident afterwards: {status(server.pid, 'VmRSS') / 1e6:.1f} MB, "
              f"at most {status(server.pid, 'VmHWM') / 1e6:.1f} MB")
    finally:
        server.terminate()
        server.wait()
        for child, _ in listeners:
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
