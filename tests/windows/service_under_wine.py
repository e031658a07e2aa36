#!/usr/bin/env python3
"""naru.exe as a service, under wine's service control manager: started, asked, and stopped with an answer under way.

    service_under_wine.py WRAPPER [unittest arguments]
"""
import contextlib
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

    @contextlib.contextmanager
    def created(self, *arguments):
        command = " ".join([windows_path(os.environ["NARU_EXE"]), "serve", windows_path(self.root), "--service",
                            *arguments])
        code, said = sc("create", NAME, "binPath=", command, "start=", "demand")
        self.assertEqual(code, 0, said)
        try:
            yield
        finally:
            sc("delete", NAME)

    def wait_for_state(self, wanted):
        end = time.monotonic() + PATIENCE
        while wanted not in (said := sc("query", NAME)[1]):
            self.assertLess(time.monotonic(), end, said)
        return said

    def assert_cannot_start(self, *arguments):
        """By its own words: one that was never started is stopped, too, with 1077 for its exit code."""
        with self.created(*arguments):
            sc("start", NAME)
            said = self.wait_for_state("STOPPED")
        self.assertRegex(said, r"\bWIN32_EXIT_CODE *: 1066\b")
        self.assertRegex(said, r"\bSERVICE_EXIT_CODE *: 1\b")

    def test_it_runs_and_stops_when_its_answers_are_out(self):
        port = free_port()  # the manager has no way to say which one was taken
        self.enterContext(
            self.created("--listen", "127.0.0.1:%d" % port, "--send-buffer", "16384", "--drain-timeout", "30"))
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
            self.assert_cannot_start("--listen", "127.0.0.1:%d" % taken.getsockname()[1])

    def test_one_with_settings_that_cannot_be_ends(self):
        for arguments in (("--engine", "tea"), ("--config", "here.toml"), ("--config", windows_path(self.root) + "\\no")):
            with self.subTest(arguments):
                self.assert_cannot_start(*arguments)


class CommandLine(unittest.TestCase):
    def assert_refused(self, arguments, words):
        said = run("serve", *arguments, "--service")
        self.assertEqual(said.returncode, 1)
        self.assertRegex(said.stderr, r"^naru: %s.*\n$" % words)

    def test_only_the_manager_starts_a_service(self):
        self.assert_refused(("C:\\",), "--service: it was not the service control manager")

    def test_what_is_wrong_with_the_settings_is_said_first(self):
        self.assert_refused(("C:\\", "--engine", "tea"), "there is no engine tea")

    def test_its_paths_are_absolute(self):
        self.assert_refused((".",), r"--service: the directory \. is no absolute path")
        self.assert_refused((r"\www",), r"--service: the directory \\www is no absolute path")
        self.assert_refused(("C:\\", "--config", "naru.toml"), r"--service: --config naru\.toml is no absolute path")
        self.assert_refused(("C:\\", "--access-log", "log"), r"--service: --access-log log is no absolute path")

    def test_its_directory_is_named(self):
        self.assert_refused((), r"--service: which directory\?")


if __name__ == "__main__":
    under_wine.main()
