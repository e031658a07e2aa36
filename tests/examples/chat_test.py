#!/usr/bin/env python3
"""The chat example, from outside: chat_test.py PROGRAM [unbounded]. The latter where memory says nothing (sanitizers)."""
import base64
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest
import urllib.parse

program = sys.argv.pop(1)
memory_counts = "unbounded" not in sys.argv
if not memory_counts:
    sys.argv.remove("unbounded")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Server:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([program, "--listen", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line
        self.port = int(line.rpartition(":")[2])

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def memory(self) -> int:
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def ask(server: Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(request)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


class Peer:
    """One WebSocket; what it receives is unmasked and whole."""

    def __init__(self, server: Server, path: str, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", server.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
        self.input = b""
        while b"\r\n\r\n" not in self.input:
            self.more()
        head, _, self.input = self.input.partition(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
        assert head.startswith(b"HTTP/1.1 101 ") and accept in head, head

    def more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError
        self.input += piece

    def send(self, payload: str | bytes, code: int = TEXT) -> None:
        data = payload.encode() if isinstance(payload, str) else payload
        mask = os.urandom(4)
        if len(data) < 126:
            head = struct.pack("!BB", 0x80 | code, 0x80 | len(data))
        elif len(data) < 65536:
            head = struct.pack("!BBH", 0x80 | code, 0xfe, len(data))
        else:
            head = struct.pack("!BBQ", 0x80 | code, 0xff, len(data))
        repeated = (mask * (len(data) // 4 + 1))[:len(data)]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")
        self.socket.sendall(head + mask + masked)

    def need(self, count: int) -> None:
        while len(self.input) < count:
            self.more()

    def receive(self) -> tuple[int, bytes]:
        """(opcode, payload)"""
        self.need(2)
        code, length, at = self.input[0] & 15, self.input[1], 2
        assert self.input[0] & 0xf0 == 0x80 and length < 128, self.input[:2]
        if length >= 126:
            size = 2 if length == 126 else 8
            self.need(2 + size)
            length, at = int.from_bytes(self.input[2:2 + size], "big"), 2 + size
        self.need(at + length)
        payload, self.input = self.input[at:at + length], self.input[at + length:]
        return code, payload

    def text(self) -> str:
        code, payload = self.receive()
        while code == PING:  # of a server whose machine was busy for longer than its ping's interval
            self.send(payload, PONG)
            code, payload = self.receive()
        assert code == TEXT, (code, payload)
        return payload.decode()

    def until(self, wanted: str) -> None:
        while self.text() != wanted:
            pass

    def close(self) -> None:
        self.socket.close()


def enter(server: Server, name: str, receive_buffer: int = 0) -> Peer:
    """In the room, and everybody told so."""
    peer = Peer(server, "/chat?" + urllib.parse.urlencode({"name": name}), receive_buffer)
    while not peer.text().startswith(f"* {name} has come, "):
        pass
    return peer


def engines() -> list[str]:
    working = []
    for name in ("select", "poll", "epoll", "io_uring"):
        try:
            with Server("--engine", name):
                working.append(name)
        except AssertionError:  # the program has said why
            pass
    assert working, "no engine works here"
    return working


class Chat(unittest.TestCase):
    def test_the_page_and_what_is_no_websocket(self) -> None:
        with Server() as server:
            page = ask(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertTrue(page.startswith(b"HTTP/1.1 200 "))
            self.assertIn(b"new WebSocket(", page)
            for path, status in ((b"/echo", b"426"), (b"/chat?name=a", b"426"), (b"/chat", b"400"), (b"/x", b"404")):
                answer = ask(server, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                self.assertEqual(answer.split()[1], status, path)
            answer = ask(server, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.assertEqual(answer.split()[1], b"405")

    def test_echo_gives_back_and_closes(self) -> None:
        for name in engines():
            with self.subTest(name), Server("--engine", name, "--threads", "2") as server:
                peer = Peer(server, "/echo")
                for payload, code in ((b"hello", TEXT), (b"\0\xff" * 50_000, BINARY), (b"", TEXT)):
                    peer.send(payload, code)
                    self.assertEqual(peer.receive(), (code, payload))
                peer.send(b"there?", PING)
                self.assertEqual(peer.receive(), (PONG, b"there?"))
                peer.send(struct.pack("!H", 1000), CLOSE)
                self.assertEqual(peer.receive(), (CLOSE, struct.pack("!H", 1000)))
                with self.assertRaises(EOFError):
                    peer.receive()
                peer.close()

    def test_all_threads_are_one_room(self) -> None:
        for name in engines():
            with self.subTest(name), Server("--engine", name, "--threads", "4") as server:
                people = []
                for each in range(24):  # over the four threads, as the kernel spreads them
                    people.append(enter(server, f"guest {each}"))
                    if each > 0:
                        people[0].until(f"* guest {each} has come, {each + 1} here")
                people[3].send("good evening, \u4eba")
                for each in people:
                    each.until("guest 3: good evening, \u4eba")
                people.pop().close()
                for each in people:
                    each.until("* guest 23 has gone, 23 here")
                for each in people:
                    each.close()

    def test_messages_of_one_come_in_order_to_all(self) -> None:
        with Server("--threads", "3") as server:
            people = [enter(server, f"n{each}") for each in range(9)]
            for each in people:
                each.send("ready")
            for each in people:
                seen = set()
                while len(seen) < 9:
                    text = each.text()
                    if text.endswith(": ready"):
                        seen.add(text)
            for number in range(300):
                people[0].send(str(number))
            for each in people:
                for number in range(300):
                    self.assertEqual(each.text(), f"n0: {number}")
            for each in people:
                each.close()

    def test_who_does_not_read_holds_up_nobody_and_costs_little(self) -> None:
        with Server("--threads", "2") as server:
            slow = [enter(server, f"slow{each}", receive_buffer=4096) for each in range(20)]
            reader = enter(server, "reader")
            writer = enter(server, "writer")
            before = server.memory()
            line = "x" * 2000
            for number in range(3000):  # 6 MB for each of them
                writer.send(f"{number} {line}")
                if number % 50 == 49:
                    reader.until(f"writer: {number} {line}")
                    writer.until(f"writer: {number} {line}")
            if memory_counts:
                self.assertLess(server.memory() - before, 20 * 1024 * 1024)
            # When they read again, they have missed the oldest, and get the last.
            for each in slow:
                each.until(f"writer: 2999 {line}")
            for each in [*slow, reader, writer]:
                each.close()

    def test_clients_that_break_off_anywhere(self) -> None:
        with Server("--threads", "2") as server:
            witness = Peer(server, "/echo")
            for each in range(200):
                peer = Peer(server, "/echo" if each % 2 else f"/chat?name=n{each}")
                peer.send(b"y" * (each * 37 % 5000), BINARY)
                if each % 3 == 0:
                    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if each % 5 == 0:
                    peer.socket.sendall(b"\x81\xfe\x10")  # part of a head
                peer.close()
            witness.send("still")
            self.assertEqual(witness.receive(), (TEXT, b"still"))
            witness.close()

    def test_a_thousand_people(self) -> None:
        with Server("--threads", "2") as server:
            people = [enter(server, f"p{each}") for each in range(1000)]
            failed = []

            def listen(share: list[Peer]) -> None:
                try:
                    for each in share:
                        each.until("p0: everybody?")
                except (EOFError, OSError, AssertionError) as error:
                    failed.append(error)

            threads = [threading.Thread(target=listen, args=(people[each::4],)) for each in range(4)]
            for each in threads:
                each.start()
            people[0].send("everybody?")
            for each in threads:
                each.join()
            self.assertEqual(failed, [])
            for each in people:
                each.close()

    def test_wrong_arguments_are_told_in_one_line(self) -> None:
        for arguments in (["--listen", "nowhere"], ["--engine", "steam"], ["--threads", "0"], ["--what", "1"], ["x"]):
            ran = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(ran.returncode, 1, arguments)
            self.assertEqual(len(ran.stderr.splitlines()), 1, ran.stderr)


unittest.main()
