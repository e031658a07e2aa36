#!/usr/bin/env python3
"""`naru lab` and `naru lab-server` as a user meets them.

    lab_program_test.py PROGRAM [unittest arguments]
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

PROGRAM = ""
PATIENCE = 120
READERS = ["one-byte-level", "drain-level", "one-byte-edge", "drain-edge"]
SMALL = ["--engines", "epoll,poll", "--connections", "50", "--active", "10", "--rounds", "1", "--seconds", "0.05"]


def children_of(pid):
    """The processes below `pid`, and what is left of them after its end: those that carry its mark."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as file:
                if ("NARU_LAB_TEST=%s" % pid).encode() in file.read() and int(entry) != os.getpid():
                    found.append(int(entry))
        except OSError:
            pass
    return found


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="naru-lab-")
        self.addCleanup(directory.cleanup)
        self.out = directory.name
        self.mark = "%d-%d" % (os.getpid(), id(self))
        self.environment = dict(os.environ, NARU_LAB_TEST=self.mark)

    def start(self, *arguments):
        started = subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=self.environment)
        self.addCleanup(self.end, started)
        return started

    def end(self, started):
        started.kill()
        started.communicate()

    def run_lab(self, *arguments):
        started = self.start("lab", "--out", self.out, *arguments)
        out, errors = started.communicate(timeout=PATIENCE)
        return started.returncode, out, errors

    def report(self):
        with open(os.path.join(self.out, "report.json")) as file:
            return json.load(file)

    def assert_nothing_left(self):
        until = time.monotonic() + 10
        while children_of(self.mark) and time.monotonic() < until:
            os.sched_yield()
        left = []
        for each in children_of(self.mark):
            with open("/proc/%d/cmdline" % each) as words, open("/proc/%d/status" % each) as status:
                left.append((words.read().replace("\0", " "), status.read()))
        self.assertEqual(left, [])


class Runs(Case):
    def test_a_small_run_writes_both_reports(self):
        status, out, errors = self.run_lab(*SMALL, "--scenarios", "connections,churn,reading,servers")
        self.assertEqual(status, 0, errors)
        self.assertIn("report.html", out)
        report = self.report()
        self.assertTrue(report["complete"])
        self.assertIn("--connections 50", report["command"])
        keys = [each["key"] for each in report["samples"]]
        for wanted in ["connections/epoll/50/0", "connections/poll/10/0", "churn/epoll/0/0", "reading/drain-edge/0/0",
                       "servers/naru-epoll/0/0"]:
            self.assertIn(wanted, keys)
        samples = {each["key"]: each for each in report["samples"]}
        # A machine with other work spoils samples of 50 ms: then they say why, and give no ratio.
        for key in ["connections/epoll/50/0", "connections/poll/50/0"]:
            self.assertFalse(samples[key]["failed"], samples[key])
            if samples[key]["valid"]:
                self.assertGreater(samples[key]["cpu_us_per_request"], 0)
            else:
                self.assertNotEqual(samples[key]["reasons"], "")
        both = all(samples["connections/%s/50/0" % each]["valid"] for each in ["epoll", "poll"])
        told = any(each["figure"] == "cpu_us_per_request" and each["x"] == 50 and each["subject"] == "poll"
                   and each["baseline"] == "epoll" and each["valid"] for each in report["ratios"])
        self.assertEqual(told, both)
        with open(os.path.join(self.out, "report.html")) as file:
            page = file.read()
        self.assertIn("<svg", page)
        with open(os.path.join(self.out, "charts", "connections-cpu.svg")) as file:
            self.assertIn("--paper: ", file.read())
        self.assertIn("The C10K question", page)
        self.assert_nothing_left()

    def test_idle_connections_are_held_beside_the_active_ones(self):
        status, out, errors = self.run_lab("--scenarios", "held", "--held", "2000", "--runs", "2", "--seconds", "0.05")
        if "held:" in errors:
            self.skipTest(errors)
        self.assertEqual(status, 0, errors)
        samples = {each["key"]: each for each in self.report()["samples"]}
        self.assertFalse(samples["held/naru-held/2000/0"]["failed"], samples)
        self.assertEqual(samples["held/naru-held/2000/0"]["connections"], 2100)
        self.assertEqual(samples["held/naru-alone/2000/0"]["connections"], 100)
        self.assertIn("One process held 2,100 connections.", out)
        self.assertRegex(out, r"active connections .*not decided on this machine.* only [0-2] runs")
        for each in samples.values():  # every run is in one of two heaps
            self.assertGreaterEqual(each["disturbed_runs"] + len(each.get("p99_us_of_runs", [])), 1)
        self.assert_nothing_left()

    def test_they_can_be_websockets(self):
        status, out, errors = self.run_lab("--scenarios", "held", "--held", "1000", "--websockets", "--runs", "1",
                                           "--seconds", "0.05")
        if "held:" in errors:
            self.skipTest(errors)
        self.assertEqual(status, 0, errors)
        samples = {each["key"]: each for each in self.report()["samples"]}
        self.assertFalse(samples["held/naru-held/1000/0"]["failed"], samples)
        self.assertEqual(samples["held/naru-held/1000/0"]["connections"], 1100)
        self.assertIn("One process held 1,100 connections, 1,000 of them idle WebSockets.", out)
        self.assert_nothing_left()

    def test_what_a_million_lacks_is_said_in_a_line(self):
        status, _, errors = self.run_lab("--scenarios", "held", "--held", "999")
        self.assertNotEqual(status, 0)
        self.assertIn("--held", errors)

    def test_an_interrupted_run_goes_on(self):
        arguments = [*SMALL, "--scenarios", "connections,churn"]
        first = self.start("lab", "--out", self.out, *arguments)
        for line in first.stderr:
            if re.match(r"\[3/", line):
                break
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=PATIENCE)
        self.assertEqual(first.returncode, 128 + signal.SIGINT, errors)
        self.assertIn("goes on from here", errors)
        self.assert_nothing_left()
        done = len(self.report()["samples"])
        self.assertGreaterEqual(done, 2)
        self.assertFalse(self.report()["complete"])
        before = {each["key"]: each for each in self.report()["samples"]}
        status, _, errors = self.run_lab(*arguments)
        self.assertEqual(status, 0, errors)
        self.assertIn("%d of " % done, errors)
        after = {each["key"]: each for each in self.report()["samples"]}
        self.assertTrue(self.report()["complete"])
        for key, value in before.items():
            self.assertEqual(after[key], value)

    def test_nothing_outlives_a_killed_run(self):
        started = self.start("lab", "--out", self.out, *SMALL, "--scenarios", "connections")
        for line in started.stderr:
            if line.startswith("[2/"):
                break
        started.kill()
        started.communicate()
        self.assert_nothing_left()

    def test_the_report_is_served_while_it_grows(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        started = self.start("lab", "--out", self.out, *SMALL, "--scenarios", "churn", "--serve", "--listen",
                             "127.0.0.1:%d" % port)
        self.assertIn("http://127.0.0.1:%d/report.html" % port, started.stdout.readline())
        with urllib.request.urlopen("http://127.0.0.1:%d/report.html" % port, timeout=30) as answer:
            self.assertEqual(answer.status, 200)
        with urllib.request.urlopen("http://127.0.0.1:%d/progress.json" % port, timeout=30) as answer:
            self.assertIn("planned", json.load(answer))
        self.assertTrue(any("complete" in line for line in iter(started.stdout.readline, "")))
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=30)
        self.assert_nothing_left()


class CommandLine(Case):
    def refused(self, words, *arguments):
        status, out, errors = self.run_lab(*arguments)
        self.assertEqual(status, 2)
        self.assertEqual(len(errors.strip().splitlines()), 1, errors)
        self.assertIn(words, errors)
        self.assert_nothing_left()

    def test_says_what_is_wrong(self):
        self.refused("there is no model kqueue", "--engines", "kqueue")
        self.refused("there is no scenario tea", "--scenarios", "tea")
        self.refused("--active", "--connections", "100", "--active", "200")
        self.refused("descriptors", "--connections", "2000000")
        self.refused("--rate", "--rate", "0")

    def test_says_when_the_port_of_the_report_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            where = "127.0.0.1:%d" % taken.getsockname()[1]
            status, _, errors = self.run_lab(*SMALL, "--scenarios", "churn", "--serve", "--listen", where)
        self.assertEqual(status, 1)
        self.assertIn("the port is in use", errors)
        self.assert_nothing_left()

    def test_two_runs_do_not_share_a_directory(self):
        first = self.start("lab", "--out", self.out, *SMALL, "--scenarios", "connections")
        for line in first.stderr:
            if line.startswith("[1/"):
                break
        status, _, errors = self.run_lab(*SMALL, "--scenarios", "churn")
        self.assertEqual(status, 1)
        self.assertIn("another naru lab is at work", errors)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=PATIENCE)
        self.assert_nothing_left()

    def test_says_when_it_cannot_write(self):
        file = os.path.join(self.out, "file")
        with open(file, "w"):
            pass
        started = self.start("lab", "--out", file)
        _, errors = started.communicate(timeout=PATIENCE)
        self.assertNotEqual(started.returncode, 0)
        self.assertIn("cannot make the directory", errors)


class Server(Case):
    def test_every_way_to_read_gives_the_same_answer(self):
        answers = set()
        for name in READERS + ["threads", "epoll"]:
            started = self.start("lab-server", "--model", name)
            word, port = started.stdout.readline().split()
            self.assertEqual(word, "ready")
            with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as client:
                client.sendall(b"GET /64 HTTP/1.1\r\nHost: x\r\n\r\n")
                client.sendall(b"GET /256 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                received = b""
                while True:
                    more = client.recv(65536)
                    if not more:
                        break
                    received += more
            answers.add(received)
            self.end(started)
        self.assertEqual(len(answers), 1)
        self.assertTrue(answers.pop().startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_says_what_it_does_not_know(self):
        started = self.start("lab-server", "--model", "tea")
        _, errors = started.communicate(timeout=20)
        self.assertNotEqual(started.returncode, 0)
        self.assertIn("there is no model tea", errors)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
