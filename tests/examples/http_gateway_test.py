#!/usr/bin/env python3
"""The gateway example, from outside, before the http_api example: http_gateway_test.py GATEWAY HTTP_API."""
import http.client
import signal
import socket
import subprocess
import sys
import threading
import unittest

gateway, api = sys.argv.pop(1), sys.argv.pop(1)


class Program:
    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line + self.process.stderr.read()
        self.port = int(line.rpartition(":")[2])

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        self.process.stderr.close()
        return status


def engines() -> list[str]:
    return ["select", "epoll", "io_uring"]


class Gateway(unittest.TestCase):
    def through(self, engine: str):
        """A gateway and what is behind it; None where the engine cannot be used."""
        behind = Program(api, "--listen", "127.0.0.1:0", "--engine", "epoll")
        try:
            return behind, Program(gateway, "--listen", "127.0.0.1:0", "--engine", engine, "--to",
                                   f"http://127.0.0.1:{behind.port}")
        except AssertionError:
            behind.end()
            return None

    def ask(self, port: int, method: str, target: str, body=None, fields=None):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request(method, target, body, fields or {})
        answer = client.getresponse()
        text = answer.read()
        client.close()
        return answer.status, text, answer

    def echo(self, port: int, body: bytes) -> bytes:
        """Sends while it receives, to a handler that does."""
        with socket.create_connection(("127.0.0.1", port), timeout=60) as both:
            def send() -> None:
                both.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
                both.sendall(body)

            sender = threading.Thread(target=send)
            sender.start()
            answer = http.client.HTTPResponse(both)
            answer.begin()
            text = answer.read()
            sender.join()
            return text

    def test_goes_through_and_ends(self) -> None:
        used = 0
        for engine in engines():
            made = self.through(engine)
            if made is None:
                continue
            used += 1
            behind, before = made
            with self.subTest(engine):
                self.assertEqual(self.ask(before.port, "GET", "/hello/a%20b")[:2], (200, b"Hello, a b!"))
                self.assertEqual(self.ask(before.port, "HEAD", "/hello/x")[:2], (200, b""))
                status, text, answer = self.ask(before.port, "DELETE", "/hello/x")
                self.assertEqual(status, 405)
                self.assertIn("GET", answer.getheader("Allow"))
                large = bytes(range(256)) * 4000
                self.assertEqual(self.ask(before.port, "PUT", "/notes/one", large)[0], 201)
                self.assertEqual(self.ask(before.port, "GET", "/notes/one")[:2], (200, large))
                pieces = (large[at:at + 100_000] for at in range(0, 500_000, 100_000))
                self.assertEqual(self.ask(before.port, "PUT", "/notes/one", pieces)[0], 204)
                self.assertEqual(self.ask(before.port, "GET", "/notes/one")[:2], (200, large[:500_000]))
                more = large * 10
                self.assertTrue(self.echo(before.port, more) == more)
                events = self.ask(before.port, "GET", "/events?count=3&interval=1")[1]
                self.assertEqual(events.count(b"data:"), 3)
                status, text, answer = self.ask(before.port, "GET", "/gateway")
                self.assertTrue(text.startswith(b"9 requests in "), text)
                self.assertEqual(behind.end(), 0)
                status, text, answer = self.ask(before.port, "GET", "/hello/x")
                self.assertEqual(status, 502)
                self.assertIn(b"refused", text)
            self.assertEqual(before.end(), 0)
        self.assertGreater(used, 0)

    def test_says_what_is_wrong(self) -> None:
        for arguments in ([], ["--to"], ["--nothing", "x"], ["--to", "http://127.0.0.1:1", "--engine", "none"],
                          ["--to", "http://127.0.0.1:1", "--listen", "nowhere"], ["--to", "nonsense"]):
            ended = subprocess.run([gateway, *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, 1)
            self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)


if __name__ == "__main__":
    unittest.main()
