#!/usr/bin/env python3
"""The key-value example, from outside: key_value_test.py PROGRAM."""
import os
import random
import signal
import socket
import subprocess
import sys
import unittest

program = sys.argv.pop(1)


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

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client


def receive(client: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = client.recv(count - len(got))
        if not piece:
            break
        got += piece
    return got


def value(text: str) -> bytes:
    return text.encode().ljust(32, b".")


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


class KeyValue(unittest.TestCase):
    def exchange(self, client: socket.socket, request: bytes, answer: bytes) -> None:
        client.sendall(request)
        self.assertEqual(receive(client, len(answer)), answer)

    def test_values_are_kept_and_replaced(self) -> None:
        for name in engines():
            with self.subTest(name), Server("--engine", name) as server, server.connect() as client:
                self.exchange(client, b"GET a\n", b"NONE\n")
                self.exchange(client, b"SET a " + value("one") + b"\n", b"STORED\n")
                self.exchange(client, b"GET a\n", b"VALUE " + value("one") + b"\n")
                with server.connect() as other:
                    self.exchange(other, b"SET a " + b"\n" * 32 + b"\n", b"STORED\n")
                self.exchange(client, b"GET a\n", b"VALUE " + b"\n" * 32 + b"\n")

    def test_requests_may_be_pipelined_and_cut_anywhere(self) -> None:
        chance = random.Random(7)
        requests, answers = b"", b""
        for each in range(200):
            key = b"key%d" % (each % 17)
            requests += b"SET " + key + b" " + value(str(each)) + b"\nGET " + key + b"\nGET missing\n"
            answers += b"STORED\nVALUE " + value(str(each)) + b"\nNONE\n"
        with Server() as server, server.connect() as client:
            self.exchange(client, requests, answers)
            at = 0
            while at < len(requests):
                step = chance.randint(1, 90)
                client.sendall(requests[at:at + step])
                at += step
            self.assertEqual(receive(client, len(answers)), answers)

    def test_what_is_no_request_ends_the_connection_and_no_other(self) -> None:
        with Server() as server, server.connect() as witness:
            for wrong in (b"PUT a\n", b"GET \n", b"GET a b\n", b"GET " + b"k" * 40, b"SET " + b"k" * 40,
                          b"SET a " + b"v" * 33 + b"\n", b"SET  " + b"v" * 32 + b"\n", b"\n", b"GE\n"):
                with server.connect() as client:
                    client.sendall(wrong)
                    self.assertEqual(receive(client, 100), b"ERROR\n", wrong)
            self.exchange(witness, b"GET a\n", b"NONE\n")

    def test_threads_share_the_port(self) -> None:
        with Server("--threads", "3") as server:
            for each in range(20):
                with server.connect() as client:
                    self.exchange(client, b"SET a " + value(str(each)) + b"\nGET a\n",
                                  b"STORED\nVALUE " + value(str(each)) + b"\n")

    def test_wrong_arguments_are_told_in_one_line(self) -> None:
        for arguments in (["--listen", "nowhere"], ["--engine", "steam"], ["--threads", "0"], ["--what", "1"], ["x"]):
            ran = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(ran.returncode, 1, arguments)
            self.assertEqual(len(ran.stderr.splitlines()), 1, ran.stderr)


unittest.main()
