#!/usr/bin/env python3
"""naru.exe under wine, from native clients: what it says, what it serves, and how it ends.

    program_under_wine.py WRAPPER [unittest arguments]
"""
import http.client
import os
import signal
import socket
import tempfile
import time
import unittest

import under_wine
from under_wine import PATIENCE, run


class Server(under_wine.Started):
    def __init__(self, *arguments):
        super().__init__(r"http://[^/]*:(\d+)/", "serve", *arguments)

    def get(self, path):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        client.request("GET", path)
        answer = client.getresponse()
        body = answer.read()
        client.close()
        return answer.status, body


def refuses(port):
    """Whether nobody listens any more, within reason."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass  # it was accepted by the system, and reset when the listener closed
    return False


class Program(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="naru-wine-")
        self.addCleanup(scratch.cleanup)
        self.root = scratch.name
        self.write("hello.txt", b"Hello, ferry.\n")

    def write(self, name, content):
        with open(os.path.join(self.root, name), "wb") as file:
            file.write(content)

    def test_doctor_says_what_works(self):
        said = run("doctor")
        self.assertEqual(said.returncode, 0)
        for engine in ("select", "poll", "iocp"):
            self.assertRegex(said.stdout, r"\+ %s +works" % engine)
        self.assertIn("auto    iocp", said.stdout)

    def test_what_is_not_here_says_so(self):
        said = run("lab")
        self.assertEqual(said.returncode, 1)
        self.assertIn("not offered on Windows", said.stderr)
        said = run("serve", self.root, "--engine", "epoll")
        self.assertEqual(said.returncode, 1)
        self.assertIn("not an engine of this system", said.stderr)

    def test_ctrl_c_lets_a_download_finish(self):
        large = os.urandom(2 * 1024 * 1024)
        self.write("large.bin", large)
        with Server(self.root, "--listen", "127.0.0.1:0", "--send-buffer", "16384", "--threads", "2",
                    "--drain-timeout", "30") as server:
            client = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            got = client.recv(1000)
            server.process.send_signal(signal.SIGTERM)  # Ctrl-C, by the wrapper
            line = server.process.stderr.readline()
            self.assertIn("Ctrl-C: no new connections", line)
            self.assertTrue(refuses(server.port))
            while piece := client.recv(1 << 16):
                got += piece
            client.close()
            self.assertTrue(got.endswith(large))
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_a_second_ctrl_c_ends_it_at_once(self):
        self.write("large.bin", bytes(8 * 1024 * 1024))
        with Server(self.root, "--listen", "127.0.0.1:0", "--send-buffer", "16384") as server:
            client = socket.create_connection(("127.0.0.1", server.port), PATIENCE)
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)  # and no more
            server.process.send_signal(signal.SIGTERM)
            self.assertIn("again to end at once", server.process.stderr.readline())
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(PATIENCE), 130)
            client.close()

    def test_names_that_windows_reads_another_way(self):
        self.write("a long name.txt", b"long")
        with Server(self.root, "--listen", "127.0.0.1:0") as server:
            self.assertEqual(server.get("/hello.txt"), (200, b"Hello, ferry.\n"))
            self.assertEqual(server.get("/a%20long%20name.txt"), (200, b"long"))
            for path in ("/hello.txt.", "/hello.txt%20", "/hello.txt::$DATA", "/hello.txt%5c", "/..%5chello.txt",
                         "/Z:/etc/passwd", "/z%3a%5cetc%5cpasswd", "/CON", "/nul.txt", "/ALONGN~1.TXT", "/%5c%5c.%5cC:"):
                status, body = server.get(path)
                self.assertIn(status, (400, 404), path)
                self.assertNotIn(b"root:", body)

    def test_the_access_log(self):
        with Server(self.root, "--listen", "127.0.0.1:0", "--access-log", "-") as server:
            server.get("/hello.txt")
            self.assertIn('"GET /hello.txt HTTP/1.1" 200 14', server.process.stdout.readline())


if __name__ == "__main__":
    under_wine.main()
