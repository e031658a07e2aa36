#!/usr/bin/env python3
"""naru.exe as a service, under wine's service control manager: started, asked, and stopped with an answer under way.

    service_under_wine.py WRAPPER [unittest arguments]
"""
import http.client
import os
import socket
import subprocess
import tempfile
import time
import unittest

import under_wine
from under_wine import PATIENCE, WINE, run

NAME = "naru-test"


def sc(*arguments):
    said = subprocess.run([WINE, "sc", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return said.returncode, said.stdout


def windows_path(path):
    return "Z:" + path.replace("/", "\\")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Service(unittest.TestCase):
    def setUp(self):
        self.root = self.enterContext(tempfile.TemporaryDirectory(prefix="naru-service-"))
        self.large = os.urandom(2 * 1024 * 1024)
        with open(os.path.join(self.root, "large.bin"), "wb") as file:
            file.write(self.large)

    def create(self, *arguments):
        command = " ".join([windows_path(os.environ["NARU_EXE"]), "serve", windows_path(self.root), "--service",
                            *arguments])
        code, said = sc("create", NAME, "binPath=", command, "start=", "demand")
        self.assertEqual(code, 0, said)
        self.addCleanup(sc, "delete", NAME)

    def wait_for_state(self, wanted):
        end = time.monotonic() + PATIENCE
        while wanted not in (said := sc("query", NAME)[1]):
            self.assertLess(time.monotonic(), end, said)
        return said

    def test_it_runs_and_stops_when_its_answers_are_out(self):
        port = free_port()  # the manager has no way to say which one was taken
        self.create("--listen", "127.0.0.1:%d" % port, "--send-buffer", "16384", "--drain-timeout", "30")
        code, said = sc("start", NAME)
        self.assertEqual(code, 0, said)
        self.wait_for_state("RUNNING")
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.addCleanup(client.close)
        client.request("GET", "/large.bin")
        answer = client.getresponse()
        self.assertEqual(answer.status, 200)
        code, said = sc("stop", NAME)
        self.assertEqual(code, 0, said)
        self.assertNotIn("STOPPED", sc("query", NAME)[1], "the client has not read its answer yet")
        self.assertEqual(answer.read(), self.large)
        self.wait_for_state("STOPPED")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), PATIENCE)

    def test_one_that_cannot_listen_ends(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.create("--listen", "127.0.0.1:%d" % taken.getsockname()[1])
            sc("start", NAME)
            self.wait_for_state("STOPPED")


class CommandLine(unittest.TestCase):
    def test_only_the_manager_starts_a_service(self):
        said = run("serve", ".", "--service")
        self.assertEqual(said.returncode, 1)
        self.assertRegex(said.stderr, r"^naru: --service: it was not the service control manager.*\n$")

    def test_its_directory_is_named(self):
        said = run("serve", "--service")
        self.assertEqual(said.returncode, 1)
        self.assertIn("which directory?", said.stderr)


if __name__ == "__main__":
    under_wine.main()
