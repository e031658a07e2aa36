#!/usr/bin/env python3
"""The HTTP example, from outside: http_api_test.py PROGRAM. HTTP_API_ECHO_MIB: how much the large echo has."""
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

program = sys.argv.pop(1)
BLOCK = bytes(range(256)) * 256  # 64 KiB
ECHO_BYTES = int(os.environ.get("HTTP_API_ECHO_MIB", "256")) * 1024 * 1024
RSS_LIMIT_KIB = 64 * 1024
PATIENCE = 60


class Server:
    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        with open(os.path.join(self.directory.name, "page.html"), "w", encoding="utf-8") as file:
            file.write("<p>a page</p>\n")
        self.process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--root", self.directory.name, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line + self.process.stderr.read()
        self.port = int(line.rpartition(":")[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self.directory.cleanup()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(self, method, target, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
        raise AssertionError("no VmHWM")


def engines():
    working = []
    for name in ("select", "poll", "epoll", "epoll-level", "epoll-oneshot", "io_uring", "io_uring-sqpoll"):
        try:
            with Server("--engine", name):
                working.append(name)
        except AssertionError:  # the program has said why
            pass
    assert working, "no engine works here"
    return working


def receive_until(client, end):
    got = b""
    while not got.endswith(end):
        piece = client.recv(65536)
        if not piece:
            break
        got += piece
    return got


class OnEveryEngine(unittest.TestCase):
    """What a client sees, on each engine."""

    @classmethod
    def setUpClass(cls):
        cls.servers = {name: Server("--engine", name, "--threads", "2") for name in engines()}

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers.values():
            server.__exit__()

    def each(self):
        for self.engine, server in self.servers.items():
            yield server

    def _formatMessage(self, msg, standardMsg):
        return "%s: %s" % (self.engine, super()._formatMessage(msg, standardMsg))

    def test_hello(self):
        for server in self.each():
            status, fields, body = server.ask("GET", "/hello/W%C3%B6rld")
            self.assertEqual((status, body.decode()), (200, "Hello, Wörld!"))
            self.assertTrue(fields["Content-Type"].startswith("text/plain"))
            status, fields, body = server.ask("HEAD", "/hello/you")
            self.assertEqual((status, fields["Content-Length"], body), (200, "11", b""))
            status, fields, _ = server.ask("OPTIONS", "/hello/you")
            self.assertEqual((status, fields["Allow"]), (204, "GET, HEAD, OPTIONS"))
            status, fields, _ = server.ask("DELETE", "/hello/you")
            self.assertEqual((status, fields["Allow"]), (405, "GET, HEAD, OPTIONS"))
            self.assertEqual(server.ask("GET", "/nothing")[0], 404)

    def test_a_hundred_pipelined(self):
        for server in self.each():
            with server.connect() as client:
                client.sendall(b"".join(b"GET /hello/%d HTTP/1.1\r\nHost: a\r\n\r\n" % each for each in range(100)))
                client.shutdown(socket.SHUT_WR)
                got = receive_until(client, b"Hello, 99!")
            self.assertEqual([part.split(b"!")[0] for part in got.split(b"Hello, ")[1:]],
                             [b"%d" % each for each in range(100)])

    def test_notes(self):
        for server in self.each():
            self.assertEqual(server.ask("GET", "/notes/1")[0], 404)
            self.assertEqual(server.ask("PUT", "/notes/1", b"first")[0], 201)
            self.assertEqual(server.ask("PUT", "/notes/1", b"second")[0], 204)
            self.assertEqual(server.ask("GET", "/notes/1")[::2], (200, b"second"))
            self.assertEqual(server.ask("DELETE", "/notes/1")[0], 204)
            self.assertEqual(server.ask("DELETE", "/notes/1")[0], 404)
            whole = b"x" * (1024 * 1024)
            self.assertEqual(server.ask("PUT", "/notes/2", whole)[0], 201)
            self.assertEqual(server.ask("GET", "/notes/2")[2], whole)
            with server.connect() as client:  # its body may be refused before it has been sent
                client.sendall(b"PUT /notes/3 HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n")
                self.assertTrue(client.recv(65536).startswith(b"HTTP/1.1 413 "))
            self.assertEqual(server.ask("POST", "/notes/3", b"x")[1]["Allow"], "GET, HEAD, OPTIONS, PUT, DELETE")

    def test_events(self):
        for server in self.each():
            status, fields, body = server.ask("GET", "/events?count=3&interval=1")
            self.assertEqual((status, fields["Content-Type"]), (200, "text/event-stream"))
            self.assertEqual(body.decode(), "".join("id: %d\ndata: event %d of 3\n\n" % (n, n) for n in (1, 2, 3)))
            self.assertEqual(server.ask("GET", "/events?count=many")[0], 400)

    def test_files(self):
        for server in self.each():
            status, fields, body = server.ask("GET", "/static/page.html")
            self.assertEqual((status, body), (200, b"<p>a page</p>\n"))
            self.assertEqual(server.ask("GET", "/static/page.html", headers={"If-None-Match": fields["ETag"]})[0], 304)
            self.assertEqual(server.ask("GET", "/static/../http_api")[0], 404)
            self.assertEqual(server.ask("GET", "/static/missing")[0], 404)
            self.assertEqual(server.ask("GET", "/static")[1]["Location"], "/static/")

    def test_who_leaves_while_it_is_answered(self):
        for server in self.each():
            for _ in range(20):
                with server.connect() as client:
                    client.sendall(b"GET /events?count=9&interval=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
                    receive_until(client, b"of 9\n\n\r\n")
                with server.connect() as client:
                    client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                with server.connect() as client:
                    client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart")
            self.assertEqual(server.ask("GET", "/hello/you")[0], 200)

    def test_echo_of_chunks(self):
        for server in self.each():
            with server.connect() as client:
                client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                for each in range(50):  # each piece comes back before the next is sent
                    client.sendall(b"5\r\n%05d\r\n" % each)
                    self.assertTrue(receive_until(client, b"5\r\n%05d\r\n" % each))
                client.sendall(b"0\r\n\r\n")
                self.assertTrue(receive_until(client, b"0\r\n\r\n").endswith(b"0\r\n\r\n"))


class Alone(unittest.TestCase):
    def test_hello_is_fast_while_slow_works(self):
        with Server() as server:
            clients = [server.connect() for _ in range(20)]
            for each in clients:
                each.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            # Twenty take 150 ms on eight threads: those who ask meanwhile are answered before the last of them.
            answered = []
            slowest = threading.Thread(
                target=lambda: [receive_until(each, b"while.\n") for each in clients] and answered.append("slow"))
            slowest.start()
            for _ in range(20):
                self.assertEqual(server.ask("GET", "/hello/you")[0], 200)
            answered.append("hello")
            slowest.join()
            self.assertEqual(set(answered), {"slow", "hello"})
            for each in clients:
                each.close()

    def test_an_echo_without_end_takes_no_memory(self):
        with Server() as server, server.connect() as client:
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                           % ECHO_BYTES)
            failures = []

            def send():
                try:
                    for _ in range(ECHO_BYTES // len(BLOCK)):
                        client.sendall(BLOCK)
                except OSError as error:
                    failures.append(error)

            sender = threading.Thread(target=send)
            sender.start()
            got = b""
            while b"\r\n\r\n" not in got:
                got += client.recv(65536)
            got = got.partition(b"\r\n\r\n")[2]
            count = 0
            twice = memoryview(BLOCK * 2)
            while True:
                begin = count % len(BLOCK)
                self.assertEqual(got, bytes(twice[begin:begin + len(got)]))
                count += len(got)
                got = client.recv(65536)
                if not got:
                    break
            sender.join()
            self.assertEqual((count, failures), (ECHO_BYTES, []))
            if not os.environ.get("HTTP_API_BUILD"):  # sanitizers have a shadow and a quarantine
                self.assertLess(server.rss_kib(), RSS_LIMIT_KIB)

    def test_a_client_that_does_not_read_takes_no_memory(self):
        with Server() as server, server.connect() as client:
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.setblocking(False)
            piece = b"10000\r\n" + BLOCK + b"\r\n"
            quiet_since = time.monotonic()
            sent = 0
            while time.monotonic() - quiet_since < 0.5 and sent < 64 * 1024 * 1024:
                try:
                    sent += client.send(piece[sent % len(piece):])
                    quiet_since = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.01)
            self.assertLess(sent, 64 * 1024 * 1024, "somebody keeps what nobody reads")
            self.assertEqual(server.ask("GET", "/hello/you")[0], 200)

    def test_signals_end_it(self):
        for name in (signal.SIGTERM, signal.SIGINT):
            with Server("--threads", "2") as server, server.connect() as client:
                client.sendall(b"GET /events?count=1000&interval=10 HTTP/1.1\r\nHost: a\r\n\r\n")
                client.recv(100)
                server.process.send_signal(name)
                self.assertTrue(receive_until(client, b"0\r\n\r\n").endswith(b"0\r\n\r\n"), "its stream ends in order")
                self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_what_is_wrong_is_said(self):
        for arguments in (["--listen", "nowhere"], ["--engine", "steam"], ["--root", "/no/such/directory"],
                          ["--threads", "0"], ["--colour", "blue"], ["--listen"]):
            done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
