#!/usr/bin/env python3
"""The fetching example, from outside: http_fetch_test.py PROGRAM."""
import gzip
import http.server
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

program = sys.argv.pop(1)
LARGE = os.urandom(1 << 20) * 4
ENGINES = ("select", "poll", "epoll", "io_uring")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, body: bytes, status: int = 200, length: int | None = None, **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests += 1
        path = self.path.partition("?")[0]
        if path == "/large":
            self.answer(LARGE)
        elif path == "/gzip":
            self.answer(gzip.compress(b"unpacked " * 1000), Content_Encoding="gzip")
        elif path == "/moved":
            self.answer(b"", 302, Location="/hello?moved")
        elif path == "/missing":
            self.answer(b"no", 404)
        elif path == "/half":
            self.answer(b"only the beginning", length=1000)
            self.close_connection = True
        elif path == "/never":
            self.server.ended.wait(60)
            self.close_connection = True
        elif path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for each in range(50):
                self.wfile.write(b"%x\r\n%s\r\n" % (each + 1, b"c" * (each + 1)))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.answer(b"hello, " + self.path.encode())


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.requests = 0

    def handle_error(self, *_: object) -> None:  # clients that leave
        pass


def fetch(*arguments: str) -> tuple[int, list[str], str]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, sorted(done.stdout.splitlines()), done.stderr


class Fetch(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def tearDown(self) -> None:
        self.server.ended.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def test_whole_bodies_on_every_engine(self) -> None:
        for engine in ENGINES:
            with self.subTest(engine), tempfile.TemporaryDirectory() as directory:
                urls = [self.base + path for path in ("/hello", "/large", "/gzip", "/moved", "/chunks")]
                status, lines, errors = fetch("--engine", engine, "--output", directory, *urls)
                if "not available" in errors or "cannot be used" in errors:
                    continue
                self.assertEqual((status, errors), (0, ""))
                sizes = [13, len(LARGE), 9000, 19, 50 * 51 // 2]
                self.assertEqual(lines, sorted(f"200 {size} {url}" for size, url in zip(sizes, urls)))
                bodies = [pathlib.Path(directory, str(each)).read_bytes() for each in range(1, 6)]
                self.assertEqual(bodies, [b"hello, /hello", LARGE, b"unpacked " * 1000, b"hello, /hello?moved",
                                          b"".join(b"c" * each for each in range(1, 51))])
                self.assertEqual(len(os.listdir(directory)), 5)

    def test_many_at_once(self) -> None:
        urls = [f"{self.base}/{each}" for each in range(500)]
        status, lines, errors = fetch("--connections", "20", *urls)
        self.assertEqual((status, errors, len(lines)), (0, "", 500))
        self.assertEqual(self.server.requests, 500)

    def test_a_line_for_each_failure(self) -> None:
        with socket.socket() as taken, tempfile.TemporaryDirectory() as directory:
            taken.bind(("127.0.0.1", 0))  # and nobody listens
            refused = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            urls = [self.base + "/missing", self.base + "/half", refused, "no-url", "https://127.0.0.1:1/", self.base + "/hello"]
            status, lines, errors = fetch("--output", directory, *urls)
            self.assertEqual(status, 1)
            self.assertEqual(lines, [f"200 13 {self.base}/hello"])
            told = errors.splitlines()
            self.assertEqual(len(told), 5, errors)
            for url, what in ((urls[0], "status 404"), (urls[1], "in the middle of the body"), (refused, "Connection refused"),
                              ("no-url", "does not begin with http://"), ("https://127.0.0.1:1/", "Connection refused")):
                self.assertTrue(any(line.startswith("http_fetch: " + url) and what in line for line in told), (url, errors))
            self.assertEqual(os.listdir(directory), ["6"])

    def test_http2_of_nghttpd(self) -> None:
        if shutil.which("nghttpd") is None or shutil.which("openssl") is None:
            self.skipTest("nghttpd or openssl is not installed")
        with tempfile.TemporaryDirectory() as directory:
            key, certificate = (os.path.join(directory, name) for name in ("key.pem", "certificate.pem"))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", "-days", "3"], check=True, capture_output=True)
            pathlib.Path(directory, "large").write_bytes(LARGE)
            port = self.start_nghttpd(directory, key, certificate)
            urls = [f"https://localhost:{port}/large"] * 12
            output = os.path.join(directory, "output")
            os.mkdir(output)
            done = subprocess.run([program, "--output", output, *urls], capture_output=True, text=True, timeout=120,
                                  env={**os.environ, "SSL_CERT_FILE": certificate})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for each in range(1, 13):
                self.assertEqual(pathlib.Path(output, str(each)).read_bytes(), LARGE)

    def start_nghttpd(self, root: str, key: str, certificate: str) -> int:
        """It does not say which port it has taken: another is tried if that has been taken meanwhile."""
        for _ in range(20):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            server = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", root, str(port), key, certificate],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            while server.poll() is None:
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", port)) == 0:
                        return port
                time.sleep(0.02)
        self.fail("nghttpd does not start")

    def test_a_deadline(self) -> None:
        status, lines, errors = fetch("--timeout", "1", self.base + "/never", self.base + "/hello")
        self.assertEqual((status, len(lines)), (1, 1))
        self.assertIn("timed out", errors)

    def test_progress(self) -> None:
        status, _, errors = fetch("--progress", self.base + "/hello")
        self.assertEqual(status, 0)
        self.assertTrue(errors.endswith("1 of 1, 0 failed, 13 bytes\n"), errors)

    def test_misuse(self) -> None:
        for arguments in ((), ("--nothing", "x", "http://a/"), ("--engine", "none", "http://a/"), ("http://a/", "--timeout"),
                          ("--timeout", "x", "http://a/"), ("--connections", "0", "http://a/")):
            status, lines, errors = fetch(*arguments)
            self.assertEqual((status, lines, errors.count("\n")), (2, [], 1), arguments)


if __name__ == "__main__":
    unittest.main()
