#!/usr/bin/env python3
"""What `naru load` says on its command line, what it writes, and how it ends.

    load_program_test.py PROGRAM [unittest arguments]
"""
import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = ""
PATIENCE = 40


class Answerer:
    """A server that answers every request with a few bytes, in threads."""

    def __init__(self, status="200 OK"):
        self.answer = ("HTTP/1.1 %s\r\nContent-Length: 5\r\n\r\nhello" % status).encode()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.requests = []
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        kept = b""
        try:
            while True:
                more = client.recv(65536)
                if not more:
                    return
                kept += more
                while b"\r\n\r\n" in kept:
                    head, _, rest = kept.partition(b"\r\n\r\n")
                    length = re.search(rb"Content-Length: (\d+)", head)
                    size = int(length.group(1)) if length else 0
                    if len(rest) < size:
                        break
                    self.requests.append(head + b"\r\n\r\n" + rest[:size])
                    kept = rest[size:]
                    client.sendall(self.answer)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for each in self.open:
            each.close()

    @property
    def url(self):
        return "http://127.0.0.1:%d/" % self.port


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="naru-load-")
        self.addCleanup(directory.cleanup)
        self.scratch = directory.name

    def path(self, name):
        return os.path.join(self.scratch, name)

    def write(self, name, text):
        with open(self.path(name), "w") as out:
            out.write(text)
        return self.path(name)

    def load(self, *arguments):
        return subprocess.run([PROGRAM, "load", *arguments], capture_output=True, text=True, timeout=PATIENCE, cwd=self.scratch)

    def check_refused(self, *arguments, says, status=2):
        """One line on stderr that says `says`, nothing on stdout, and this exit status."""
        done = self.load(*arguments)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "", done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("naru: "), done.stderr)
        self.assertRegex(done.stderr, says)


class CommandLine(Case):
    def test_help(self):
        done = self.load("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for flag in ("--connections", "--rate", "--duration", "--idle", "--json", "--hdr", "--compare", "--strict"):
            self.assertIn(flag, done.stdout)
        done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertRegex(done.stdout, r"load +Put load on a web server")

    def test_urls(self):
        self.check_refused(says="wants a URL")
        self.check_refused("example.org", says="must begin with http://")
        self.check_refused("ftp://example.org/", says="must begin with http://")
        self.check_refused("http://example.org/", "--resume", says="for https:// URLs")
        self.check_refused("http://127.0.0.1:99999/", says="port from 1 to 65535")
        self.check_refused("http:///x", says="no host")
        self.check_refused("http://a/ b", says="%XX")

    def test_targets_that_are_not_there(self):
        self.check_refused("http://no-such-host.invalid/", says="cannot find the host no-such-host.invalid", status=1)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # taken, but nobody listens
            port = taken.getsockname()[1]
            self.check_refused("http://127.0.0.1:%d/" % port, says=r"nothing listens on 127\.0\.0\.1:%d: connection refused" % port, status=1)
            self.check_refused("http://localhost:%d/" % port, says=r"nothing listens on localhost", status=1)

    def test_values_out_of_range(self):
        for flag, value in (("connections", "0"), ("connections", "-1"), ("connections", "2000000"), ("threads", "0"), ("threads", "999"),
                            ("rate", "0"), ("rate", "-5"), ("rate", "-1"), ("rate", "1e-10"), ("requests", "-1"), ("rate", "nan"), ("rate", "1e12"), ("duration", "0"), ("duration", "-1"),
                            ("duration", "soon"), ("duration", "25h"), ("duration", "5x"), ("requests", "0"), ("idle", "-1"), ("pipeline", "0"),
                            ("pipeline", "5000"), ("timeout", "0"), ("warmup", "-1s"), ("ramp", "-1"), ("max-errors", "101"),
                            ("expect", "abc"), ("expect", "99"), ("expect", "300-200"), ("source", "nowhere"), ("source", "192.0.2.1")):
            with self.subTest(flag=flag, value=value), Answerer() as server:
                self.check_refused(server.url, "--%s=%s" % (flag, value), says=flag)
        self.check_refused("http://127.0.0.1/", "--connections", "many", says="many")
        self.check_refused("http://127.0.0.1/", "--nonsense", says="nonsense")

    def test_more_requests_than_there_is_time_for(self):
        with Answerer() as server:
            done = self.load(server.url, "--rate", "100", "--requests", "1000000000000", "-d", "500ms", "-c", "4")
        self.assertRegex(done.stdout, r"\b\d+ in 0\.50 s")

    def test_empty_values(self):
        """A variable of a script that is not set is not taken for a flag that was not given."""
        for flag in ("--duration", "--warmup", "--timeout", "--rate", "--requests", "--connections", "--method", "--header", "--source",
                     "--engine", "--expect", "--body-file", "--json-file", "--hdr", "--server-process"):
            with self.subTest(flag=flag):
                self.check_refused("http://127.0.0.1:1/", flag, "", says=r"%s: must not be empty" % flag)

    def test_flags_that_do_not_go_together(self):
        self.check_refused("http://127.0.0.1/", "--close", "--pipeline", "4", says="exclude each other")
        self.check_refused("http://127.0.0.1/", "--close", "--http2", says="exclude each other")
        self.check_refused("http://127.0.0.1/", "--pipeline", "4", "--http2", says="exclude each other")
        self.check_refused("http://127.0.0.1/", "--streams", "4", says="is for --http2")
        self.check_refused("http://127.0.0.1/", "--http2", "--streams", "1025", says="from 1 to 1024")
        self.check_refused("http://127.0.0.1/", "--http2", "-H", "Keep-Alive: 5", says="has no place in HTTP/2")
        self.check_refused("http://127.0.0.1/", "--body", "a", "--body-file", "b", says="exclude each other")
        self.check_refused("http://127.0.0.1/", "--threads", "5", "--connections", "4", says="--threads 5 is more than --connections 4")
        self.check_refused("http://127.0.0.1/", "--requests", "5", "--warmup", "1", says="--warmup and --requests")
        self.check_refused("http://127.0.0.1/", "--compare", "a", "b", says="no URL")
        self.check_refused("http://127.0.0.1/", "--engine", "kqueue", says="there is no engine kqueue.*epoll")

    def test_requests_that_would_be_none(self):
        self.check_refused("http://127.0.0.1/", "--header", "no colon", says="NAME: VALUE")
        self.check_refused("http://127.0.0.1/", "--header", "A: b\r\nC: d", says="control characters")
        self.check_refused("http://127.0.0.1/", "--header", "Content-Length: 5", says="naru's to write")
        self.check_refused("http://127.0.0.1/", "--method", "GE T", says="not a method")
        self.check_refused("http://127.0.0.1/", "--body-file", self.path("missing"), says="missing.*No such file")
        self.check_refused("http://127.0.0.1/", "--body-file", self.path(""), says="--body-file: .*Is a directory")

    def test_files_that_cannot_be_written(self):
        self.check_refused("http://127.0.0.1/", "--hdr", self.path("no/such"), says="--hdr.*No such file")
        self.check_refused("http://127.0.0.1/", "--json-file", self.scratch, says="--json-file.*directory")

    def test_more_connections_than_descriptors(self):
        hard = int(subprocess.run(["bash", "-c", "ulimit -Hn"], capture_output=True, text=True).stdout.replace("unlimited", "0") or 0)
        if hard == 0 or hard > 900000:
            self.skipTest("this system lets a process have as many as there can be")
        with Answerer() as server:
            self.check_refused(server.url, "--connections", "1", "--idle", "999000", says=r"999001 connections need \d+ descriptors and the hard limit is %d" % hard, status=1)


class Runs(Case):
    def test_the_report(self):
        with Answerer() as server:
            done = self.load(server.url, "-c", "4", "-n", "2000", "--quiet")
            self.assertEqual((done.returncode, done.stderr), (0, ""), done)
            for part in ("closed loop", "2,000 in ", "service time", "p99", "verdict", "errors +none", "2,000 2xx"):
                self.assertRegex(done.stdout, part)
            self.assertNotIn("corrected", done.stdout)
            self.assertNotIn("\x1b", done.stdout)
            self.assertEqual(len(server.requests), 2000)

    def test_lines_fit_on_a_terminal_of_80_columns(self):
        with Answerer() as server:
            for arguments in (("-n", "1200"), ("-n", "300", "-r", "3000"), ("-n", "20", "--expect", "404")):
                for line in self.load(server.url, "-q", *arguments).stdout.splitlines():
                    self.assertLessEqual(len(line), 80, line)

    def test_small_figures(self):
        with Answerer("404 Not Found") as server:
            done = self.load(server.url, "-c", "1", "-r", "0.9", "-d", "1500ms", "--warmup", "0", "-q")
            self.assertRegex(" ".join(done.stdout.split()), r"2 in 1\.50 s: 1\.33 per second of 0\.9 asked for; 2 of 2 were answered in the end")
            self.assertRegex(done.stdout, r"received +%d bytes, \d+ bytes per second" % (2 * len(server.answer)))
            self.assertIn("2 of 2 requests and connections failed (100%, more than 1%)", " ".join(done.stdout.split()))
            self.assertNotIn("keep up", done.stdout)

    def test_a_server_that_never_answers(self):
        with socket.create_server(("127.0.0.1", 0), backlog=512) as mute:
            url = "http://127.0.0.1:%d/" % mute.getsockname()[1]
            done = self.load(url, "-c", "100", "-r", "1500", "-d", "1", "--warmup", "0", "-q", "--strict")
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout, r"errors +100 without an answer")
        self.assertIn("no_answers", done.stdout)

    def test_open_loop(self):
        with Answerer() as server:
            done = self.load(server.url, "-c", "8", "--rate", "500", "-d", "1500ms", "--warmup", "0")
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("corrected", done.stdout)
            self.assertIn("open loop, 500 requests per second", done.stdout)
            self.assertRegex(done.stderr, r"naru: second 1: \d+ requests, 0 errors, p50 ")
            self.assertEqual(len(server.requests), 750)

    def test_json(self):
        with Answerer() as server:
            done = self.load(server.url, "-c", "2", "-n", "1500", "--json", "--json-file", "copy.json", "-q", "--rate", "3000")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            found = json.loads(done.stdout)
            with open(self.path("copy.json")) as copy:
                self.assertEqual(json.load(copy), found)
            self.assertEqual(found["tool"], "naru load")
            self.assertEqual(found["mode"], "open")
            self.assertEqual(found["answered"], 1500)
            self.assertEqual(found["scheduled"], 1500)
            self.assertEqual(found["errors"]["total"], 0)
            self.assertEqual(sum(found["status"].values()), found["requests"], "of one window")
            self.assertEqual(found["status"]["2xx"], found["requests"])
            self.assertIsInstance(found["verdict"]["valid"], bool)
            self.assertEqual(found["verdict"]["valid"], not found["verdict"]["reasons"])
            for kind in ("service", "corrected"):
                latency = found["latency_us"][kind]
                self.assertEqual(latency["count"], 1500)
                self.assertLessEqual(latency["p50"], latency["p99"])
                self.assertIsNone(latency["p99.9"])
                self.assertIsNone(latency["p99.99"])
            self.assertLessEqual(latency["p99"], latency["max"])
            self.assertEqual(found["settings"]["connections"], 2)
            self.assertEqual(len(found["generator"]["threads"]), 1)

    def test_documented_members(self):
        """docs/load.md names every member of the report, and no others."""
        with Answerer() as server:
            found = json.loads(self.load(server.url, "-n", "100", "--json", "-q").stdout)
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/load.md")) as page:
            documented = set(re.findall(r"^\| `([a-z_0-9]+)` \|", page.read(), re.M))
        self.assertEqual(documented, set(found))

    def test_post(self):
        with Answerer() as server:
            body = self.write("body", "x" * 3000)
            done = self.load(server.url + "form?a=b", "--body-file", body, "-H", "Content-Type: text/plain", "-H", "X-Other: 1", "-n", "10", "-c", "2", "-q")
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(len(server.requests), 10)
            for each in server.requests:
                self.assertTrue(each.startswith(b"POST /form?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/plain\r\nX-Other: 1\r\nContent-Length: 3000\r\n\r\n" % server.port), each[:200])
            self.assertEqual(self.load(server.url, "-X", "PUT", "--body", "", "-n", "1", "-c", "1", "-q").returncode, 0)
            self.assertIn(b"PUT / HTTP/1.1", server.requests[-1])

    def test_strict(self):
        with Answerer("404 Not Found") as server:
            done = self.load(server.url, "-n", "1200", "-q")
            self.assertEqual(done.returncode, 0)
            self.assertIn("INVALID", done.stdout)
            self.assertRegex(done.stdout, r"errors: 1200 of 1200")
            self.assertIn("do not quote", done.stdout)
            self.assertEqual(self.load(server.url, "-n", "1200", "-q", "--strict").returncode, 3)
            self.assertIn("1,200 unexpected_status", done.stdout)
            self.assertNotIn("errors: ", self.load(server.url, "-n", "1200", "-q", "--expect", "404").stdout)

    def test_too_few_samples(self):
        with Answerer() as server:
            done = self.load(server.url, "-n", "500", "-q", "--strict")
            self.assertEqual(done.returncode, 3)
            self.assertIn("too_few_samples", done.stdout)
            rows = dict(re.findall(r"^  (p[0-9.]+|max|mean|stddev) +(.*?)$", done.stdout, re.M))
            self.assertEqual(sorted(name for name, value in rows.items() if value == "-"), ["p99", "p99.9", "p99.99"])
            self.assertEqual(len(rows), 9)

    def test_hdr(self):
        with Answerer() as server:
            done = self.load(server.url, "-n", "2000", "--hdr", "latency.hdr", "-q")
            self.assertEqual(done.returncode, 0)
        with open(self.path("latency.hdr")) as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[0].split(), ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
        rows = [each.split() for each in lines[2:] if not each.startswith("#")]
        self.assertTrue(all(len(row) == 4 for row in rows))
        self.assertEqual(rows[-1][1:3], ["1.000000000000", "2000"])
        self.assertEqual([each.split()[0] for each in lines if each.startswith("#")], ["#[Mean", "#[Max", "#[Buckets"])

    def test_http2_beside_nghttpd(self):
        if shutil.which("nghttpd") is None or shutil.which("openssl") is None:
            self.skipTest("nghttpd or openssl is not installed")
        key, certificate = self.path("key.pem"), self.path("certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-days", "3"], check=True, capture_output=True)
        root = self.path("root")
        os.mkdir(root)
        with open(os.path.join(root, "hello.txt"), "w", encoding="utf-8") as file:
            file.write("hello")
        for scheme, tls in (("http", ["--no-tls"]), ("https", [])):
            files = [key, certificate] if scheme == "https" else []
            port = self.start_nghttpd([*tls, "-d", root], files)
            url = "%s://localhost:%d/hello.txt" % (scheme, port)
            trust = ["--ca-file", certificate] if scheme == "https" else []
            ended = self.load(url, "--http2", "--streams", "16", "-c", "4", "-n", "3001", "--json", *trust)
            self.assertEqual(ended.returncode, 0, ended.stderr)
            report = json.loads(ended.stdout)
            self.assertEqual((report["requests"], report["status"]["2xx"], report["errors"]["total"]), (3001, 3001, 0))
            self.assertEqual((report["settings"]["streams"], report["settings"]["pipeline"]), (16, 1))
            self.assertIn("4 connections x 16 streams", self.load(url, "--http2", "--streams", "16", "-c", "4", "-n",
                                                                  "100", *trust).stdout.replace("\n", " "))

    def start_nghttpd(self, options, files):
        """It does not say which port it has taken: another is tried if that has been taken meanwhile."""
        for _ in range(20):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            server = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", *options, str(port), *files],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            while server.poll() is None:
                with socket.socket() as trial:
                    if trial.connect_ex(("127.0.0.1", port)) == 0:
                        return port
                time.sleep(0.02)
        self.fail("nghttpd does not start")

    def test_every_engine(self):
        with Answerer() as server:
            for engine in ("select", "poll", "epoll", "epoll-level", "epoll-oneshot", "io_uring"):
                done = self.load(server.url, "-n", "200", "-q", "--json", "-e", engine)
                if done.returncode == 1 and "cannot be used" in done.stderr:
                    continue
                self.assertEqual(json.loads(done.stdout)["settings"]["engine"], engine)

    def test_interrupted(self):
        for which in (signal.SIGINT, signal.SIGTERM):
            with Answerer() as server:
                process = subprocess.Popen([PROGRAM, "load", server.url, "-d", "60", "--warmup", "0", "--json", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                end = time.monotonic() + PATIENCE
                while len(server.requests) < 100 and time.monotonic() < end:
                    time.sleep(0.01)
                process.send_signal(which)
                out, err = process.communicate(timeout=PATIENCE)
                self.assertEqual((process.returncode, err), (128 + which, ""))
                found = json.loads(out)
                self.assertTrue(found["interrupted"])
                self.assertGreater(found["answered"], 50)
                self.assertLess(found["measured_s"], 50)

    def test_a_generator_that_was_stopped(self):
        """SIGSTOP and SIGCONT in the middle of a run with few connections: the server did nothing wrong, and the run is invalid."""
        with Answerer() as server:
            process = subprocess.Popen([PROGRAM, "load", server.url, "-c", "2", "-r", "500", "-d", "5", "--warmup", "0", "--json", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            end = time.monotonic() + PATIENCE
            while len(server.requests) < 200 and time.monotonic() < end:
                time.sleep(0.005)
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            time.sleep(0.7)  # the fault that is to be found
            process.send_signal(signal.SIGCONT)
            out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(err, "")
        found = json.loads(out)
        self.assertFalse(found["verdict"]["valid"])
        self.assertIn("generator_paused", [each["kind"] for each in found["verdict"]["reasons"]])
        self.assertGreater(found["generator"]["threads"][0]["longest_pause_us"], 500e3)

    def test_a_stop_is_as_long_as_it_was(self):
        """To a millisecond, which is a request of the schedule: more connections than were due before the stop, so one was free."""
        server = subprocess.Popen([PROGRAM, "lab-server", "--model", "epoll"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.stop_and_look("http://127.0.0.1:%s/64" % server.stdout.readline().split()[1], "-c", "2000", "-r", "1000")

    def test_a_stop_in_a_closed_loop_is_as_long_as_it_was(self):
        """To a millisecond also where one request is under way, and its answer is not to come before the stop ends."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def answer_slowly():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):  # at the end it is reset
                    while connection.recv(4096):
                        time.sleep(0.3)
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer_slowly, daemon=True).start()
        self.stop_and_look("http://127.0.0.1:%d/" % listener.getsockname()[1], "-c", "1")

    def stop_and_look(self, url, *flags):
        def seconds():
            with open(self.path("progress")) as progress:
                return progress.read().count(": second ")

        def await_seconds(count):
            end = time.monotonic() + PATIENCE
            while seconds() < count and process.poll() is None and time.monotonic() < end:
                time.sleep(0.01)

        began = time.monotonic()
        with open(self.path("progress"), "w") as progress:
            process = subprocess.Popen([PROGRAM, "load", url, *flags, "-d", "1h", "--warmup", "0", "--json"],
                                       stdout=subprocess.PIPE, stderr=progress, text=True)
        await_seconds(1)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        stopped = time.monotonic()
        time.sleep(0.5)  # the fault that is to be found
        measured = seconds()
        goes_on = time.monotonic()
        process.send_signal(signal.SIGCONT)
        await_seconds(measured + 2)  # one may have been on its way
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
        found = json.loads(out)["generator"]["threads"][0]["longest_pause_us"] / 1e6
        self.assertGreaterEqual(found, goes_on - stopped - 0.001)
        self.assertLessEqual(found, time.monotonic() - began)

    def read_terminal(self, arguments, environment, until_exit=True):
        """What the program writes to a terminal."""
        try:
            parent, child = pty.openpty()
        except OSError as without:
            self.skipTest("no pseudo-terminal: %s" % without)
        process = subprocess.Popen([PROGRAM, "load", *arguments], stdin=child, stdout=child, stderr=child, env=dict(os.environ, **environment))
        os.close(child)
        text = b""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not select.select([parent], [], [], 0.5)[0]:
                continue
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        self.assertEqual(process.wait(PATIENCE), 0)
        os.close(parent)
        return text.decode()

    def test_the_live_view(self):
        with Answerer() as server:
            arguments = [server.url, "-d", "2", "--warmup", "0", "-c", "4", "--rate", "800"]
            text = self.read_terminal(arguments, {"TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": ""})
            self.assertIn("\x1b[?25l", text)
            self.assertEqual(text.count("\x1b[?25l"), text.count("\x1b[?25h"), "the cursor is back")
            self.assertIn("of 2 s", text)
            self.assertRegex(text, "per second [▁-█]")
            self.assertLess(text.rindex("\x1b[J"), text.index("service time"), "the view is gone before the report comes")
            plain = self.read_terminal(arguments, {"TERM": "xterm", "LC_ALL": "C", "NO_COLOR": "1"})
            self.assertNotRegex(plain, r"\x1b\[[0-9;]*m", "no colours")
            self.assertTrue(plain.isascii())
            dumb = self.read_terminal(arguments, {"TERM": "dumb"})
            self.assertNotIn("\x1b", dumb)
            self.assertIn("naru: second 1:", dumb)


def report(**changes):
    made = {"tool": "naru load", "url": "http://a/", "mode": "closed", "measured_s": 6.0, "requests_per_s": 1000.0,
            "verdict": {"valid": True, "reasons": [], "remarks": []}, "settings": {"connections": 64},
            "latency_us": {"service": {"p50": 100.0, "p90": 150.0, "p99": 200.0, "max": 900.0}, "corrected": None},
            "generator": {"cpu_us_per_request": 5.0},
            "timeline": [{"second": each, "requests": 1000 + each % 2, "errors": 0, "p50_us": 100.0, "p99_us": 200.0 + each, "max_us": 900.0} for each in range(6)]}
    made.update(changes)
    return json.dumps(made)


class Comparison(Case):
    def compare(self, a, b):
        return self.load("--compare", self.write("a.json", a), self.write("b.json", b))

    def test_ratios(self):
        faster = report(requests_per_s=2000.0, timeline=[{"second": each, "requests": 2000, "errors": 0, "p50_us": 100.0, "p99_us": 200.0, "max_us": 1.0} for each in range(6)])
        done = self.compare(report(), faster)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"requests/s +1000\.0 +2000\.0 +2\.000 +larger than the noise")
        self.assertRegex(done.stdout, r"p50, us .* within the noise")
        self.assertRegex(self.compare(report(), report(settings={"connections": 65})).stdout, "differ in connections")

    def test_an_invalid_run_is_not_ranked(self):
        bad = report(verdict={"valid": False, "reasons": [{"kind": "clock_steal", "text": "stolen 5%"}], "remarks": []})
        for a, b in ((bad, report()), (report(), bad)):
            done = self.compare(a, b)
            self.assertEqual(done.returncode, 3)
            self.assertIn("Not compared", done.stdout)
            self.assertIn("stolen 5%", done.stdout)
            self.assertNotIn("B/A", done.stdout)

    def test_what_is_no_report(self):
        good = self.write("good.json", report())
        self.check_refused("--compare", good, self.path("missing.json"), says="cannot read.*missing.json")
        self.check_refused("--compare", good, self.path(""), says="cannot read.*Is a directory")
        self.check_refused("--compare", good, self.write("bad.json", "{"), says="bad.json is not JSON")
        self.check_refused("--compare", self.write("other.json", "{}"), good, says="other.json is not a report")
        self.check_refused("--compare", good, says="compare")

    def test_two_real_runs(self):
        with Answerer() as server:
            for name in ("a.json", "b.json"):
                self.assertEqual(self.load(server.url, "-n", "1500", "-q", "--json-file", name).returncode, 0)
        done = self.load("--compare", "a.json", "b.json")
        self.assertIn(done.returncode, (0, 3))
        self.assertIn("A  a.json", done.stdout)


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
