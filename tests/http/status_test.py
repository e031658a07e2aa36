#!/usr/bin/env python3
"""What `naru serve --status` shows, and what its access log says as JSON.

    status_test.py PROGRAM [unittest arguments]
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

import program_test
from program_test import PATIENCE, Server, eventually


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)*)\})? (-?[0-9.e+-]+|\+Inf)$')


def parsed(text):
    """{(name, labels): value}, by a reader that takes nothing amiss."""
    assert text.endswith("\n")
    kinds, helped, samples = {}, set(), {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in helped, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped and name not in kinds and kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
        else:
            found = SAMPLE.fullmatch(line)
            assert found, line
            name, labels, value = found.groups()
            family = name if name in kinds else re.sub("_(bucket|sum|count)$", "", name)
            assert family in kinds, line
            assert (kinds[family] == "counter") == name.endswith("_total"), line
            key = (name, labels or "")
            assert key not in samples, line
            samples[key] = float(value)
    for (name, labels), value in samples.items():  # buckets only grow, and the last has all
        if name.endswith("_count"):
            family = name[:-len("_count")]
            buckets = [v for (n, l), v in samples.items() if n == family + "_bucket" and l.startswith(labels + ",")]
            assert buckets == sorted(buckets) and buckets[-1] == value, labels
    return samples


class Case(program_test.Case):
    def serve(self, *arguments):
        server = Server(self.root, "--listen", "127.0.0.1:0", "--threads", "2", "--status", "127.0.0.1:0", *arguments)
        self.addCleanup(server.__exit__)
        found = re.fullmatch(r"status on http://127\.0\.0\.1:(\d+)/\n", server.process.stdout.readline())
        self.assertTrue(found)
        server.status = int(found.group(1))
        return server

    def lines(self, name):
        try:
            with open(os.path.join(self.scratch, name)) as log:
                return log.read().splitlines()
        except FileNotFoundError:
            return []


class Status(Case):
    def test_metrics(self):
        server = self.serve()
        for path in ("/hello.txt", "/hello.txt", "/missing"):
            server.get(path)
        self.assertTrue(eventually(lambda: parsed(ask(server.status, "/metrics")[1]).get(("naru_answers_total", 'code="404"')) == 1))
        status, text, fields = ask(server.status, "/metrics")
        self.assertEqual((status, fields["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        samples = parsed(text)
        self.assertEqual(samples["naru_answers_total", 'code="200"'], 2)
        self.assertEqual(samples["naru_connections_accepted_total", 'tls="no"'], 3)
        self.assertEqual(samples["naru_loops", ""], 2)
        self.assertEqual(samples["naru_request_duration_seconds_count", 'route="/"'], 3)
        if promtool := shutil.which("promtool"):
            done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait()[0], 0)

    def test_the_page(self):
        server = self.serve()
        server.get("/hello.txt")
        status, text, fields = ask(server.status, "/")
        self.assertEqual(status, 200)
        self.assertIn("text/html", fields["Content-Type"])
        self.assertIn("default-src 'none'", fields["Content-Security-Policy"])
        self.assertNotRegex(text, r"(src|href)=")
        self.assertEqual(ask(server.status, "/nothing")[0], 404)

    def test_it_tells_of_the_end_until_the_end(self):
        with open(os.path.join(self.root, "large.bin"), "wb") as large:
            large.truncate(64_000_000)
        server = self.serve("--drain-timeout", "3600")
        self.assertEqual([ask(server.status, path)[:2] for path in ("/healthz", "/readyz")], [(200, "it answers\n"), (200, "ready\n")])
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as slow:
            slow.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertTrue(slow.recv(1))
            server.signal(signal.SIGTERM)
            self.assertTrue(eventually(lambda: ask(server.status, "/readyz")[0] == 503))
            self.assertTrue(eventually(lambda: parsed(ask(server.status, "/metrics")[1])["naru_draining", ""] == 1))
            self.assertEqual(ask(server.status, "/healthz")[0], 200)
            self.assertEqual(parsed(ask(server.status, "/metrics")[1])["naru_connections", 'state="sending"'], 1)
            while slow.recv(1 << 20):
                pass
        self.assertEqual(server.wait()[0], 0)

    def test_others_are_not_told(self):
        for where in ("0.0.0.0:0", "*:0", "[::]:0", "192.0.2.1:9100"):
            self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--status", where, says="--status-anywhere")
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--status", "nonsense", says="ADDRESS:PORT")
        with Server(self.root, "--listen", "127.0.0.1:0", "--status", "0.0.0.0:0", "--status-anywhere") as server:
            self.assertRegex(server.process.stdout.readline(), r"^status on http://0\.0\.0\.0:\d+/$")

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--status", "127.0.0.1:%d" % other.getsockname()[1],
                               says="the port is in use")


class Log(Case):
    def test_objects_of_json(self):
        log = os.path.join(self.scratch, "log")
        server = self.serve("--access-log", log, "--log-format", "json", "--request-id")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.request("GET", "/hello.txt", headers={"User-Agent": "caf\u00e9 \"x\"\\".encode()})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw:
            raw.sendall(b"GET /\xff\xfe HTTP/1.1\r\nHost: b\r\nUser-Agent: \xe2\x82\xac \xe2\x82\r\nConnection: close\r\n\r\n")
            while raw.recv(65536):
                pass
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait()[0], 0)
        with open(log, "rb") as file:
            first, second = sorted((json.loads(line.decode("utf-8")) for line in file), key=lambda each: each["host"])
        self.assertEqual(first["id"], answer.getheader("X-Request-Id"))
        self.assertEqual((first["status"], first["bytes"], first["client"]), (200, 6, "127.0.0.1"))
        self.assertEqual(first["user_agent"], "caf\u00e9 \"x\"\\")
        self.assertRegex(first["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertGreaterEqual(first["seconds"], 0)
        self.assertEqual(second["host"], "b")
        self.assertEqual(second["user_agent"], "\u20ac \\xe2\\x82")
        self.assertEqual(second["request"], "GET /\\xff\\xfe HTTP/1.1")

    def test_a_log_that_is_copied_and_cut_is_written_on_from_its_begin(self):
        log = os.path.join(self.scratch, "log")
        server = self.serve("--access-log", log)
        server.get("/hello.txt")
        self.assertTrue(eventually(lambda: len(self.lines("log")) == 1))
        shutil.copy(log, log + ".1")
        os.truncate(log, 0)
        server.get("/missing")
        self.assertTrue(eventually(lambda: len(self.lines("log")) == 1))
        self.assertIn("/missing", self.lines("log")[0])
        self.assertNotIn("\0", self.lines("log")[0])
        self.assertIn("/hello.txt", self.lines("log.1")[0])

    def test_formats(self):
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--log-format", "xml", says="combined or json")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
