#!/usr/bin/env python3
"""What a running `naru serve` does when logs, signals and its surroundings are not what one would wish, and what every
command does when its output cannot be written.

    operations_test.py PROGRAM [unittest arguments]
"""
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

import program_test
from program_test import PATIENCE, Server, eventually

F_SETPIPE_SZ = 1031
IO_URING_ENTER = 426  # the same number on every architecture
REQUEST = b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def deny(system_call, error):
    """To be run in a child before exec: the system call answers with this errno from then on, as container runtimes have it."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = b"".join(struct.pack("HBBI", *each) for each in (
        (0x20, 0, 0, 0),                # load the system call's number
        (0x15, 0, 1, system_call),      # not this one: skip the next
        (0x06, 0, 0, 0x00050000 | error),
        (0x06, 0, 0, 0x7fff0000)))
    filter_bytes = ctypes.create_string_buffer(program)
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(filter_bytes)))

    def before_exec(_kept=filter_bytes):
        if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, fprog, 0, 0) != 0:
            os._exit(99)
    return before_exec


class Process:
    """`naru serve` on a port of its own, whose streams are the test's choice; its port is what the kernel says."""

    def __init__(self, *arguments, **how):
        self.process = subprocess.Popen([program_test.PROGRAM, "serve", *arguments], **how)
        if not eventually(lambda: self.ports() or self.process.poll() is not None) or not self.ports():
            self.kill()
            raise AssertionError("it does not listen")
        self.port = self.ports()[0]

    def ports(self):
        with contextlib.suppress(OSError):
            sockets = {os.readlink("/proc/%d/fd/%s" % (self.process.pid, each)) for each in os.listdir("/proc/%d/fd" % self.process.pid)}
            with open("/proc/%d/net/tcp" % self.process.pid) as table:
                lines = [line.split() for line in list(table)[1:]]
            return [int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and "socket:[%s]" % line[9] in sockets]
        return []

    def ask(self, text=REQUEST):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as one:
            one.sendall(text)
            answer = b""
            while part := one.recv(65536):
                answer += part
            return answer

    def end(self, which=signal.SIGTERM):
        self.process.send_signal(which)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def small_pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    return reader, writer


def full_pipe():
    reader, writer = small_pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


class Case(program_test.Case):
    def serve(self, *arguments, **how):
        return Process(self.root, "--listen", "127.0.0.1:0", "--threads", "1", *arguments, **how)

    def pipe(self, make):
        ends = make()
        for each in ends:
            self.addCleanup(self.close, each)
        return ends

    @staticmethod
    def close(number):
        with contextlib.suppress(OSError):
            os.close(number)

    def answers(self, server, times=1):
        for _ in range(times):
            self.assertTrue(server.ask().endswith(b"hello\n"))

    def lines(self, name):
        with contextlib.suppress(FileNotFoundError), open(os.path.join(self.scratch, name)) as log:
            return log.read().splitlines()
        return []


class Logs(Case):
    def test_a_reader_that_goes_away(self):
        reader, writer = self.pipe(os.pipe)
        with self.serve("--access-log", "-", stdout=writer, stderr=writer) as server:
            os.close(writer)
            self.assertTrue(os.read(reader, 4096))
            os.close(reader)
            self.answers(server, 30)
            self.assertEqual(server.end(), 0)

    def test_a_full_standard_error(self):
        with open(program_test.PROGRAM, "rb") as program:
            if b"__ubsan_handle" in program.read():
                self.skipTest("the sanitizer needs a descriptor of its own, and takes its lack for a fault")

        def few_descriptors():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        with open("/dev/full", "w") as full, self.serve("--direct-descriptors", "off", stdout=subprocess.DEVNULL, stderr=full,
                                                        preexec_fn=few_descriptors) as server:
            with contextlib.ExitStack() as held:
                for _ in range(80):
                    one = held.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
                    one.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertIsNone(server.process.poll())
            self.answers(server, 3)
            self.assertEqual(server.end(), 0)

    def test_closed_standard_streams(self):
        def closed():
            for each in (0, 1, 2):
                os.close(each)
        log = os.path.join(self.scratch, "access.log")
        with self.serve("--access-log", log, preexec_fn=closed) as server:
            streams = {each: os.readlink("/proc/%d/fd/%d" % (server.process.pid, each)) for each in (0, 1, 2)}
            self.assertEqual(set(streams.values()), {"/dev/null"})
            self.answers(server, 3)
            self.assertEqual(server.end(), 0)
        self.assertEqual(len(self.lines("access.log")), 3)
        for line in self.lines("access.log"):
            self.assertRegex(line, r'^127\.0\.0\.1 - - \[.*"GET /hello')

    def test_a_reader_of_the_access_log_that_stalls(self):
        reader, writer = self.pipe(small_pipe)
        requests = 200
        with self.serve("--access-log", "-", stdout=writer, stderr=subprocess.PIPE) as server:
            os.close(writer)
            self.answers(server, requests)
            self.assertEqual(server.end(), 0)
            said = server.process.stderr.read().decode()
            server.process.stderr.close()
        self.assertRegex(said, r"the access log has lost \d+ lines: what takes them stands still")
        lost = int(said.split("the access log has lost ")[1].split()[0])
        written = b""
        while part := os.read(reader, 65536):
            written += part
        self.assertEqual(lost + written.count(b'"GET /hello.txt'), requests)
        self.assertTrue(written.endswith(b"\n"))

    def test_streams_that_are_full_from_the_beginning(self):
        _, output = self.pipe(full_pipe)
        _, errors = self.pipe(full_pipe)
        with self.serve("--access-log", "-", stdout=output, stderr=errors) as server:
            self.answers(server, 3)
            server.process.send_signal(signal.SIGHUP)
            self.answers(server, 3)
            self.assertEqual(server.end(), 0)

    def test_a_file_past_its_limit(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        log = os.path.join(self.scratch, "access.log")
        with self.serve("--access-log", log, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=limited) as server:
            self.answers(server, 10)
            self.assertEqual(server.end(), 0)
            said = server.process.stderr.read().decode()
            server.process.stderr.close()
        lost = sum(int(each.split()[0]) for each in said.split("the access log has lost ")[1:])
        self.assertEqual(lost + len([line for line in self.lines("access.log") if line.endswith('"-"')]), 10, said)

    def test_a_fifo_that_nobody_reads(self):
        fifo = os.path.join(self.scratch, "fifo")
        os.mkfifo(fifo)
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--access-log", fifo, says="cannot write the access log")


class Signals(Case):
    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.scratch, "access.log")

    def logging(self):
        return self.serve("--access-log", self.log, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def rotated(self, server, tell):
        self.answers(server)
        self.assertTrue(eventually(lambda: len(self.lines("access.log")) == 1))
        os.rename(self.log, self.log + ".1")
        tell()
        self.assertTrue(eventually(lambda: os.path.exists(self.log)))
        self.answers(server)
        self.assertTrue(eventually(lambda: len(self.lines("access.log")) == 1))
        self.assertEqual(len(self.lines("access.log.1")), 1)
        self.assertEqual(server.end(), 0)
        server.process.stderr.close()

    def test_logs_are_opened_anew(self):
        for which in (signal.SIGHUP, signal.SIGUSR1):
            with self.subTest(which=which), self.logging() as server:
                self.rotated(server, lambda: server.process.send_signal(which))
            os.remove(self.log)
            os.remove(self.log + ".1")

    def test_a_log_that_was_renamed_is_noticed(self):
        with self.logging() as server:
            self.answers(server)
            self.assertTrue(eventually(lambda: len(self.lines("access.log")) == 1))
            os.rename(self.log, self.log + ".1")
            self.assertTrue(eventually(lambda: self.answers(server) or os.path.exists(self.log)))
            self.assertEqual(server.end(), 0)
            server.process.stderr.close()

    def test_a_log_that_cannot_be_opened_anew_is_written_on(self):
        directory = os.path.join(self.scratch, "logs")
        os.mkdir(directory)
        self.log = os.path.join(directory, "access.log")
        with self.logging() as server:
            self.answers(server)
            self.assertTrue(eventually(lambda: len(self.lines("logs/access.log")) == 1))
            os.rename(directory, directory + ".gone")
            server.process.send_signal(signal.SIGHUP)
            self.assertIn(b"anew", server.process.stderr.readline())
            self.assertIn(b"anew", server.process.stderr.readline())
            self.answers(server)
            self.assertEqual(server.end(), 0)
            server.process.stderr.close()
        self.assertEqual(len(self.lines("logs.gone/access.log")), 2)

    def test_what_does_not_end_it_and_what_does(self):
        for which in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(which=which), self.logging() as server:
                for nothing in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE):
                    server.process.send_signal(nothing)
                self.answers(server)
                self.assertEqual(server.end(which), 0)
                self.assertIn("%s: no new connections" % which.name, server.process.stderr.read().decode())
                server.process.stderr.close()

    def test_a_second_one_ends_it(self):
        with self.serve("--drain-timeout", "300", "--head-timeout", "300", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server, \
                socket.create_connection(("127.0.0.1", server.port), PATIENCE) as busy:
            busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")
            self.assertTrue(busy.recv(100))
            server.process.send_signal(signal.SIGTERM)
            self.assertIn(b"no new connections", server.process.stderr.readline())
            for nothing in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1):
                server.process.send_signal(nothing)

            def ended():
                server.process.send_signal(signal.SIGQUIT)  # it may not be listening for it yet
                return server.process.poll() is not None
            self.assertTrue(eventually(ended))
            self.assertEqual(server.process.returncode, 128 + signal.SIGQUIT)
            server.process.stderr.close()


class Stopping(Case):
    def ends_with_a_queue(self, engine):
        """Whether all who were in the queue have been answered, and how long their last answer took."""
        with self.serve("--engine", engine, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server, contextlib.ExitStack() as held:
            kept = held.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            kept.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(kept.recv(4096).endswith(b"hello\n"))
            os.kill(server.process.pid, signal.SIGSTOP)
            clients = [held.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE)) for _ in range(100)]
            for each in clients:
                each.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            kept.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            server.process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            os.kill(server.process.pid, signal.SIGCONT)
            served = True
            for each in (*clients, kept):
                answer = b""
                try:
                    while part := each.recv(4096):
                        answer += part
                except ConnectionResetError:
                    pass  # with a request that nobody has read
                served = served and answer.endswith(b"hello\n")
            taken = time.monotonic() - begun
            self.assertEqual(server.process.wait(PATIENCE), 0)
            return served, taken

    def test_what_is_queued_in_the_kernel_is_served(self):
        """The queue is emptied for two seconds at most: a server that was not running for that long tries again."""
        for engine in ("select", "poll", "epoll", "epoll-level", "epoll-oneshot", "io_uring", "io_uring-sqpoll"):
            with self.subTest(engine=engine):
                for _ in range(10):
                    served, taken = self.ends_with_a_queue(engine)
                    self.assertTrue(served or taken >= 2, "after %.3f s" % taken)
                    if served:
                        break
                self.assertTrue(served)


class Surroundings(Case):
    def test_threads_that_cannot_be_had(self):
        if os.geteuid() != 0:
            self.skipTest("wants to be another user")

        def few_threads():
            resource.setrlimit(resource.RLIMIT_NPROC, (5, 5))
            os.setgid(54321)
            os.setuid(54321)
        os.chmod(self.scratch, 0o755)
        done = subprocess.run([program_test.PROGRAM, "serve", self.root, "--listen", "127.0.0.1:0", "--threads", "8", "--engine", "epoll"],
                              capture_output=True, text=True, timeout=PATIENCE, preexec_fn=few_threads)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, r"^naru: only \d of 8 threads could be started: .*--threads.*\n$")

    def test_io_uring_that_cannot_be_entered(self):
        for error in (1, 38):  # EPERM, ENOSYS
            how = {"preexec_fn": deny(IO_URING_ENTER, error)}
            with self.subTest(error=error):
                with self.serve(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **how) as server:
                    self.assertRegex(server.process.stdout.readline().decode(), r"with epoll \(.*seccomp.*\)")
                    self.answers(server)
                    self.assertEqual(server.end(), 0)
                    server.process.stdout.close()
                for engine in ("io_uring", "io_uring-sqpoll"):
                    refused = subprocess.run([program_test.PROGRAM, "serve", self.root, "--listen", "127.0.0.1:0", "--engine", engine],
                                             capture_output=True, text=True, timeout=PATIENCE, **how)
                    self.assertEqual((refused.returncode, refused.stdout), (1, ""))
                    self.assertRegex(refused.stderr, r"^naru: the engine io_uring.* cannot be used here: .*seccomp.*\n$")
                doctor = subprocess.run([program_test.PROGRAM, "doctor", "--json"], capture_output=True, text=True, timeout=PATIENCE, **how)
                self.assertEqual(doctor.returncode, 0)
                found = json.loads(doctor.stdout)
                engines = {each["name"]: each for each in found["engines"]}
                self.assertFalse(engines["io_uring"]["ok"])
                self.assertIn("seccomp", engines["io_uring"]["advice"])
                self.assertIn("epoll", engines["auto"]["value"])
                self.assertTrue(engines["epoll"]["ok"])
                self.assertFalse(found["io_uring"][0]["ok"])


class Listening(Case):
    def urls(self, *arguments):
        server = Server(self.root, *arguments)
        self.addCleanup(server.__exit__)
        places = [each.split("/")[2] for each in server.line.split() if each.startswith("http://")]
        for each in places:
            host, port = each.rsplit(":", 1)
            with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as one:
                one.sendall(REQUEST)
                self.assertIn(b"200 OK", one.recv(100))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait()[0], 0)
        return places

    @staticmethod
    def has_ipv6():
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
            return True
        except OSError:
            return False

    def test_several(self):
        for threads in ("1", "3"):
            places = self.urls("--threads", threads, "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0", "-l", "127.0.0.3:0")
            self.assertEqual([each.split(":")[0] for each in places], ["127.0.0.1", "127.0.0.2", "127.0.0.3"])

    def test_localhost(self):
        for threads in ("1", "2"):
            places = self.urls("--threads", threads, "--listen", "localhost:0")
            self.assertEqual([each.rsplit(":", 1)[0] for each in places], ["127.0.0.1"] + ["[::1]"] * self.has_ipv6())
            self.assertEqual(len({each.rsplit(":", 1)[1] for each in places}), 1, "one port")

    def test_a_file_has_one_or_several(self):
        self.assertEqual(len(self.urls("--config", self.write("one.toml", 'listen = "127.0.0.1:0"\n'))), 1)
        several = self.write("several.toml", 'listen = ["127.0.0.1:0", "127.0.0.2:0"]\n')
        self.assertEqual(len(self.urls("--config", several)), 2)
        self.assertEqual(len(self.urls("--config", several, "--listen", "127.0.0.1:0")), 1)
        for wrong in ("[]", "[1]", '["127.0.0.1:0", 2]', "1"):
            self.check_refused("serve", self.root, "--config", self.write("wrong.toml", "listen = %s\n" % wrong), says=r"wrong\.toml:1: listen wants text")

    def test_what_cannot_be(self):
        self.check_refused("serve", self.root, "-l", "127.0.0.1:0", "-l", "nonsense", says="cannot listen on nonsense")
        self.check_refused("serve", self.root, "-l", "127.0.0.1:0", "-l", "192.0.2.1:0", says="192.0.2.1.*no interface has this address")
        self.check_refused("serve", self.root, "-l", "127.0.0.1:8089", "-l", "127.0.0.1:8089", says="127.0.0.1:8089 is given twice")

    def check_refused_at_a_port(self, *arguments, says):
        """Of a port that was free: one that another program has by then says nothing, and another is taken."""
        while True:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            filled = [each % port if "%d" in each else each for each in arguments]
            done = self.run_program("serve", self.root, *filled)
            if "the port is in use" not in done.stderr:
                return self.check_refusal(done, says % port if "%d" in says else says)

    def test_one_port_for_two(self):
        one, every, tls = "127.0.0.1:8089", "*:%d", ["--tls-self-signed", "--listen-tls"]
        self.check_refused("serve", self.root, "-l", one, "-l", "[::ffff:127.0.0.1]:8089", says="is given twice")
        same = "--listen-tls " + one + ": --listen has the same address"
        self.check_refused("serve", self.root, "-l", one, *tls, one, says=same)
        self.check_refused("serve", self.root, "-l", "localhost:8089", *tls, one, says=same)
        self.check_refused("serve", self.root, "-l", one, "--status", one, says="--status " + one + ": --listen has the same address")
        self.check_refused("serve", self.root, "-l", "unix:here.sock", *tls, "unix:here.sock", says="--listen has the same address")
        config = self.write("both.toml", 'root = "root"\nlisten = "%s"\nlisten-tls = "%s"\ntls-self-signed = true\n' % (one, one))
        self.check_refused("serve", "--config", config, says=r"both\.toml:[23]: listen")
        self.assertRegex(self.run_program("check", config).stderr, r"both\.toml:[23]: listen")
        one = "127.0.0.1:%d"
        for first, second in ((one, every), (every, one), (one, "0.0.0.0:%d"), ("[::1]:%d", every), (every, "0.0.0.0:%d")):
            if first.startswith("[") and not self.has_ipv6():
                continue
            for threads in ("1", "3"):
                for more in ([], ["--no-sandbox"]):
                    with self.subTest(first=first, second=second, threads=threads, more=more):
                        self.check_refused_at_a_port("-l", first, "-l", second, "--threads", threads, *more,
                                                     says="cannot listen on .*:%d, where this server listens, too")
        self.check_refused_at_a_port("-l", one, *tls, every, says="where this server listens, too")
        self.check_refused_at_a_port("-l", every, "--status", one, says="where this server listens, too")


class Output(Case):
    commands = (["--version"], ["--help"], ["serve", "--help"], ["doctor"], ["doctor", "--json"])

    def run_with(self, arguments, **how):
        return subprocess.run([program_test.PROGRAM, *arguments], timeout=PATIENCE, **how).returncode

    def test_standard_output_that_cannot_be_written(self):
        for arguments in self.commands:
            with self.subTest(arguments=arguments), open("/dev/full", "w") as full:
                self.assertEqual(self.run_with(arguments, stdout=full, stderr=subprocess.DEVNULL), 1)
                self.assertEqual(self.run_with(arguments, stdout=full, stderr=full), 1)
                self.assertEqual(self.run_with(arguments, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.close(1)), 1)
                reader, writer = os.pipe()
                os.close(reader)
                self.assertEqual(self.run_with(arguments, stdout=writer, stderr=subprocess.DEVNULL), 1)
                os.close(writer)

    def test_errors_that_cannot_be_written(self):
        for arguments, status in ((["swim"], 2), (["serve", "/none"], 1), (["load"], 2)):
            with self.subTest(arguments=arguments), open("/dev/full", "w") as full:
                self.assertEqual(self.run_with(arguments, stderr=full), status)
                self.assertEqual(self.run_with(arguments, preexec_fn=lambda: os.close(2)), status)

    def load(self, server, *arguments, **how):
        return self.run_with(["load", "-n", "20", "-c", "2", "http://127.0.0.1:%d/hello.txt" % server.port, *arguments], **how)

    def test_a_load_whose_output_cannot_be_written(self):
        result = os.path.join(self.scratch, "result.json")
        with open("/dev/full", "w") as full, self.serve(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            self.assertEqual(self.load(server, "--json-file", result, stdout=subprocess.DEVNULL, stderr=full), 1)
            with open(result) as file:
                json.load(file)
            self.assertEqual(self.load(server, "--json", stdout=full, stderr=subprocess.DEVNULL), 1)
            self.assertEqual(self.load(server, stdout=full, stderr=full), 1)
            self.assertEqual(self.load(server, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.close(2)), 1)
            self.assertEqual(self.load(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), 0)

    def test_result_files_are_whole_or_not_there(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        directory = os.path.join(self.scratch, "results")
        os.mkdir(directory)
        result = os.path.join(directory, "result")
        with self.serve(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            for flag in ("--json-file", "--hdr"):
                self.assertEqual(self.load(server, flag, result, preexec_fn=limited, **quiet), 1)
                self.assertEqual(os.listdir(directory), [])
            self.write("results/result", "before")
            os.symlink("result", os.path.join(directory, "link"))
            self.assertEqual(self.load(server, "--json-file", result, preexec_fn=limited, **quiet), 1)
            with open(result) as file:
                self.assertEqual(file.read(), "before")
            self.assertEqual(self.load(server, "--json-file", os.path.join(directory, "link"), **quiet), 0)
            self.assertEqual(sorted(os.listdir(directory)), ["link", "result"])
            self.assertTrue(os.path.islink(os.path.join(directory, "link")))
            with open(result) as file:
                json.load(file)
            self.assertEqual(self.load(server, "--json-file", "/dev/full", **quiet), 1)
            self.assertEqual(self.load(server, "--json-file", "/dev/null", **quiet), 0)
            self.assertEqual(self.load(server, "--json-file", directory, **quiet), 2)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
