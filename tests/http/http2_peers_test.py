#!/usr/bin/env python3
"""Other people's HTTP/2 clients, in clear text: curl, nghttp and h2load, those that are installed.

    http2_peers_test.py PROGRAM [arguments for unittest]
"""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = ""
WAIT = 60
LARGE = bytes(range(256)) * 4096


class Peers(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="naru-http2-")
        self.addCleanup(self.directory.cleanup)
        root = os.path.join(self.directory.name, "root")
        os.mkdir(root)
        for name, content in (("small.txt", b"0123456789" * 10), ("large.bin", LARGE)):
            with open(os.path.join(root, name), "wb") as file:
                file.write(content)
        config = os.path.join(self.directory.name, "naru.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("h2c = true\nthreads = 1\n")
        self.server = subprocess.Popen([PROGRAM, "serve", "--config", config, root, "--listen", "127.0.0.1:0"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(self.stop)
        ready, _, _ = select.select([self.server.stdout], [], [], WAIT)
        line = self.server.stdout.readline() if ready else ""
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        self.assertTrue(found, line)
        self.url = found.group(0)

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(WAIT), 0)
        self.server.stdout.close()

    def run_peer(self, program, *arguments):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")
        ended = subprocess.run([program, *arguments], capture_output=True, timeout=WAIT)
        self.assertEqual(ended.returncode, 0, ended.stderr[-500:])
        return ended.stdout

    def test_curl(self):
        if shutil.which("curl") and b"HTTP2" not in subprocess.run(["curl", "-V"], capture_output=True).stdout:
            self.skipTest("this curl does not speak HTTP/2")
        got = self.run_peer("curl", "-s", "--http2-prior-knowledge", self.url + "large.bin")
        self.assertEqual(got, LARGE)
        head = self.run_peer("curl", "-s", "-i", "--http2-prior-knowledge", "-d", "x" * 1000, self.url + "small.txt")
        self.assertTrue(head.startswith(b"HTTP/2 405"), head)
        part = self.run_peer("curl", "-s", "--http2-prior-knowledge", "-r", "5-9", self.url + "small.txt")
        self.assertEqual(part, b"56789")
        old = self.run_peer("curl", "-s", "--http1.1", self.url + "small.txt")
        self.assertEqual(old, b"0123456789" * 10)

    def test_nghttp(self):
        got = self.run_peer("nghttp", self.url + "large.bin", self.url + "small.txt")
        self.assertEqual(len(got), len(LARGE) + 100)

    def test_h2load(self):
        for path, count in (("small.txt", 5000), ("large.bin", 100)):
            said = self.run_peer("h2load", "-n", str(count), "-c", "10", "-m", "16", self.url + path).decode()
            self.assertIn(f"{count} succeeded, 0 failed, 0 errored, 0 timeout", said)
            self.assertIn(f"status codes: {count} 2xx", said)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
