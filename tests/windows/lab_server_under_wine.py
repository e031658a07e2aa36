#!/usr/bin/env python3
"""naru.exe lab-server under wine, from native clients: one loop on a completion port, and several threads on one.

    lab_server_under_wine.py WRAPPER [unittest arguments]
"""
import signal
import socket
import unittest

import under_wine
from under_wine import PATIENCE, run

REQUEST = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"


class LabServer(under_wine.Started):
    def __init__(self, *arguments):
        super().__init__(r"^ready (\d+)", "lab-server", *arguments)

    def connect(self):
        return Client(self.port)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text)

    def more(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise EOFError
        self.rest += piece

    def answer(self):
        """Status and body of the next answer."""
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(self.rest) < length:
            self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(head.split()[1]), body

    def get(self, size):
        self.send(REQUEST % size)
        return self.answer()

    def has_ended(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Model:
    """What every model does; `arguments` name it."""

    def setUp(self):
        self.server = self.enterContext(LabServer("--model", *self.arguments))

    def test_answers_and_keeps_the_connection(self):
        with self.server.connect() as client:
            for size in (64, 1024, 64, 1048576, 64):
                self.assertEqual(client.get(size), (200, b"x" * size))
            self.assertEqual(client.get(65)[0], 404)
            self.assertEqual(client.get(64)[0], 200)

    def test_requests_behind_each_other_and_in_pieces(self):
        with self.server.connect() as client:
            client.send(REQUEST % 64 * 100 + (REQUEST % 1024)[:7])
            for _ in range(100):
                self.assertEqual(client.answer(), (200, b"x" * 64))
            client.send((REQUEST % 1024)[7:])
            self.assertEqual(client.answer(), (200, b"x" * 1024))

    def test_ends_a_connection_when_it_should(self):
        for request, status in ((b"GET /64 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
                                (b"this is no request\r\n\r\n", 400)):
            with self.server.connect() as client:
                client.send(request)
                self.assertEqual(client.answer()[0], status)
                self.assertTrue(client.has_ended())

    def test_more_connections_than_accepts_are_posted(self):
        clients = [self.enterContext(self.server.connect()) for _ in range(200)]
        for _ in range(2):
            for client in clients:
                client.send(REQUEST % 256)
            for client in clients:
                self.assertEqual(client.answer(), (200, b"x" * 256))

    def test_connections_that_come_and_go(self):
        for _ in range(300):
            with self.server.connect() as client:
                self.assertEqual(client.get(64)[0], 200)


class OneLoop(Model, unittest.TestCase):
    arguments = ("iocp",)


class OneWorker(Model, unittest.TestCase):
    arguments = ("iocp-workers",)


class ThreeWorkers(Model, unittest.TestCase):
    arguments = ("iocp-workers", "--threads", "3")


class Ending(unittest.TestCase):
    def test_ctrl_c_ends_idle_connections_and_finishes_an_answer(self):
        for threads in ("1", "3"):
            with self.subTest(threads), LabServer("--model", "iocp-workers", "--threads", threads) as server:
                with server.connect() as idle, server.connect() as slow:
                    self.assertEqual(idle.get(64)[0], 200)
                    slow.send(REQUEST % 1048576)
                    slow.more()  # the answer has begun
                    server.process.send_signal(signal.SIGTERM)
                    self.assertIn("no new connections", server.process.stderr.readline())
                    self.assertTrue(idle.has_ended())
                    self.assertEqual(slow.answer(), (200, b"x" * 1048576))
                    self.assertTrue(slow.has_ended())
                    self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_ctrl_c_does_not_wait_for_a_client_that_takes_nothing(self):
        with LabServer("--model", "iocp-workers") as server, server.connect() as stuck:
            stuck.send(REQUEST % 1048576 * 16)
            stuck.socket.recv(1)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(PATIENCE), 0)


class CommandLine(unittest.TestCase):
    def test_what_is_wrong_is_said(self):
        for arguments, words in ((("--model", "tea"), "there is no model tea"),
                                 (("--model", "threads"), "there is no model threads"),
                                 (("--model", "epoll"), "not an engine of this system"),
                                 (("--model", "iocp", "--threads", "2"), "--threads is for iocp-workers")):
            said = run("lab-server", *arguments)
            self.assertEqual(said.returncode, 1)
            self.assertIn(words, said.stderr)


if __name__ == "__main__":
    under_wine.main()
