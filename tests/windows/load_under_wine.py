#!/usr/bin/env python3
"""naru.exe load under wine, against a native server: what it measures, what it says, and how it ends.

    load_under_wine.py WRAPPER NARU [unittest arguments]

NARU is the native program.
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import under_wine
from under_wine import PATIENCE, run

NATIVE = ""
BODY = b"Hello, ferry.\n"


class Load(unittest.TestCase):
    def setUp(self):
        self.root = self.enterContext(tempfile.TemporaryDirectory(prefix="naru-load-"))
        with open(os.path.join(self.root, "hello.txt"), "wb") as file:
            file.write(BODY)
        self.server = self.enterContext(under_wine.Started(
            r"http://[^/]*:(\d+)/", "serve", self.root, "--listen", "127.0.0.1:0", "--threads", "1", program=NATIVE))
        self.url = "http://127.0.0.1:%d/hello.txt" % self.server.port

    def load(self, *arguments):
        return run("load", self.url, *arguments, patience=60)

    def measure(self, *arguments):
        said = self.load("--json", "--quiet", *arguments)
        self.assertEqual(said.returncode, 0, said.stderr)
        return json.loads(said.stdout)

    def test_a_closed_loop_counts_what_it_asked(self):
        for engine in ("iocp", "select", "poll"):
            made = self.measure("--requests", "2000", "--connections", "8", "--engine", engine)
            self.assertEqual(made["mode"], "closed")
            self.assertEqual(made["settings"]["engine"], engine)
            self.assertEqual(made["answered"], 2000)
            self.assertEqual(made["errors"]["total"], 0)
            self.assertEqual(made["status"]["2xx"], 2000)
            self.assertGreater(made["bytes_received"], 2000 * len(BODY))
            self.assertGreater(made["latency_us"]["service"]["p99"], 0)

    def test_two_threads_with_pipelining(self):
        made = self.measure("--requests", "2000", "--connections", "4", "--threads", "2", "--pipeline", "4")
        self.assertEqual(made["answered"], 2000)
        self.assertEqual(len(made["generator"]["threads"]), 2)

    def test_a_connection_for_each_request(self):
        made = self.measure("--requests", "200", "--connections", "4", "--close")
        self.assertEqual(made["answered"], 200)
        self.assertEqual(made["errors"]["total"], 0)
        self.assertGreaterEqual(made["connections"]["opened"], 200)

    def test_idle_connections_stay(self):
        made = self.measure("--requests", "500", "--connections", "2", "--idle", "100")
        self.assertEqual(made["connections"]["idle_open"], 100)

    def test_an_open_loop_keeps_its_schedule(self):
        made = self.measure("--rate", "500", "--duration", "2", "--warmup", "0")
        self.assertEqual(made["mode"], "open")
        self.assertEqual(made["scheduled"], 1000)
        self.assertEqual(made["answered"], 1000)
        self.assertGreaterEqual(made["latency_us"]["corrected"]["p50"], made["latency_us"]["service"]["p50"])
        self.assertAlmostEqual(made["measured_s"], 2, delta=0.2)

    def test_a_slow_schedule_sleeps(self):
        made = self.measure("--rate", "50", "--duration", "2", "--warmup", "0")
        self.assertEqual(made["answered"], 100)
        self.assertLess(made["generator"]["threads"][0]["spin_share"], 0.5)

    def test_what_windows_does_not_tell_is_not_claimed(self):
        made = self.measure("--requests", "1500", "--connections", "4")
        self.assertEqual(made["machine"], {"steal_share": None, "listen_overflows": None, "listen_drops": None})
        self.assertIsNone(made["generator"]["threads"][0]["wait_share"])
        self.assertIsNotNone(made["generator"]["threads"][0]["cpu_share"])
        self.assertIn("not known on this system", " ".join(made["verdict"]["remarks"]))

    def test_the_report_for_people(self):
        said = self.load("--requests", "1500", "--connections", "4")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"requests +1,500 in ")
        self.assertRegex(said.stdout, r"verdict +(valid|INVALID)")
        self.assertIn("not known on this system", re.sub(r"\s+", " ", said.stdout))
        self.assertNotIn("\x1b", said.stdout)

    def test_two_reports_side_by_side(self):
        names = [os.path.join(self.root, each) for each in ("a.json", "b.json")]
        for name in names:
            self.measure("--duration", "2", "--connections", "4", "--json-file", name)
            with open(name) as file:
                self.assertEqual(json.load(file)["tool"], "naru load")
        said = run("load", "--compare", *names)
        self.assertIn(said.returncode, (0, 3), said.stderr)  # 3: a run was invalid, as on a busy machine
        self.assertRegex(said.stdout, r"requests")

    def test_where_nobody_listens_says_so(self):
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        said = run("load", "http://127.0.0.1:%d/" % port)
        self.assertEqual(said.returncode, 1)
        self.assertIn("connection refused", said.stderr)

    def test_a_name_is_looked_up(self):
        self.url = self.url.replace("127.0.0.1", "localhost")
        self.assertEqual(self.measure("--requests", "100")["answered"], 100)

    def test_errors_are_told_by_kind(self):
        self.url = self.url.replace("hello", "missing")
        made = self.measure("--requests", "100")
        self.assertEqual(made["errors"]["unexpected_status"], 100)

    def test_ctrl_c_ends_it_with_a_report(self):
        process = subprocess.Popen([under_wine.PROGRAM, "load", self.url, "--duration", "60"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        for line in process.stderr:
            if "second 1:" in line:
                break
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130)
        self.assertIn("(interrupted)", said)


if __name__ == "__main__":
    NATIVE = os.path.abspath(sys.argv.pop(2))
    under_wine.main()
