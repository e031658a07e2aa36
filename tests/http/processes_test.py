#!/usr/bin/env python3
"""The processes of `naru serve`: sockets that were passed to it, its manager, its worker, and the program that follows it.

    processes_test.py PROGRAM [unittest arguments]
"""
import contextlib
import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import unittest

import program_test
from program_test import PATIENCE, eventually, worker_of, workers_of

REQUEST = b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n%s\r\n"
ONCE = REQUEST % b"Connection: close\r\n"
TWICE = REQUEST % b""


def read_to_end(one):
    answer = b""
    while part := one.recv(65536):
        answer += part
    return answer


def ask(port):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
        one.sendall(ONCE)
        return read_to_end(one)


class Serving:
    """`naru serve`; its lines on standard error are read as they come."""

    def __init__(self, program, *arguments, **how):
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
        self.said = b""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.line = self.process.stdout.readline().decode()
        found = re.search(r"https?://[^/]*:(\d+)/", self.line)
        if not found:
            self.process.wait(PATIENCE)
            self.__exit__()
            raise AssertionError("no address: %r, %r" % (self.line, self.said))
        self.port = int(found.group(1))

    def read(self):
        for line in self.process.stderr:
            with self.changed:
                self.said += line
                self.changed.notify_all()

    def says(self, text, times=1):
        with self.changed:
            return self.changed.wait_for(lambda: self.said.count(text) >= times, PATIENCE)

    def tell(self, which):
        self.process.send_signal(which)

    def end(self, which=signal.SIGTERM):
        self.tell(which)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


class Case(program_test.Case):
    def serve(self, *arguments, program=None, **how):
        return Serving(program or program_test.PROGRAM, "serve", self.root, "--listen", "127.0.0.1:0", *arguments, **how)


class Manager(Case):
    """What starts it passes sockets, and is told."""

    def passed(self, listeners, *arguments, names=None):
        """The server with these as descriptors 3 and following, as systemd has it."""
        def place():
            copies = [os.dup(each) if each < 3 + len(listeners) else each for each in (one.fileno() for one in listeners)]
            high = [os.dup2(each, 100 + number) for number, each in enumerate(copies)]
            for number, each in enumerate(high):
                os.dup2(each, 3 + number, inheritable=True)
        words = " ".join(["LISTEN_PID=$$", "LISTEN_FDS=%d" % len(listeners)] + (["LISTEN_FDNAMES=%s" % names] if names else []))
        return Serving("/bin/sh", "-c", words + ' exec "$0" "$@"', program_test.PROGRAM, "serve", self.root, *arguments,
                       close_fds=False, preexec_fn=place)

    def test_sockets_that_are_passed_are_listened_to_and_left_to_the_next(self):
        for arguments in ((), ("--no-sandbox",), ("--threads", "3")):
            with self.subTest(arguments=arguments), socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
                ports = [each.getsockname()[1] for each in (one, other)]
                with self.passed((one, other), *arguments) as server:
                    for port in ports:
                        self.assertIn(":%d/" % port, server.line)
                        self.assertTrue(ask(port).endswith(b"hello\n"))
                    self.assertEqual(server.end(), 0)
                with socket.create_connection(("127.0.0.1", ports[0]), PATIENCE) as waiting:
                    waiting.sendall(ONCE)
                    with self.passed((one, other), *arguments) as server:
                        self.assertTrue(read_to_end(waiting).endswith(b"hello\n"))
                        self.assertEqual(server.end(), 0)

    def test_a_name_that_begins_with_https_is_tls(self):
        with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as secure:
            with self.passed((plain, secure), "--tls-self-signed", names="http:https-public") as server:
                self.assertIn("http://127.0.0.1:%d/ and https://127.0.0.1:%d/" % (plain.getsockname()[1], secure.getsockname()[1]), server.line)
                self.assertEqual(server.end(), 0)

    def test_listeners_of_the_file_say_how_passed_sockets_are_spoken_to(self):
        log, path = os.path.join(self.scratch, "log"), os.path.join(self.scratch, "socket")
        with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other, \
                socket.socket(socket.AF_UNIX) as local:
            local.bind(path)
            local.listen()
            named_port, secure_port = (each.getsockname()[1] for each in (named, other))
            config = self.write("naru.toml", """
                access-log = "%s"
                trusted-proxy = ["127.0.0.1", "unix"]
                tls-self-signed = true
                [[listener]]
                address = "fd:web"
                proxy = true
                [[listener]]
                address = "localhost:%d"
                tls = true
                [[listener]]
                address = "unix:%s"
                proxy = true
                mode = "0660"
                """ % (log, secure_port, path))
            self.assertEqual(self.run_program("check", config).returncode, 0)
            with self.passed((named, other, local), "--config", config, names="web:unknown:unknown") as server:
                self.assertIn("https://127.0.0.1:%d/" % secure_port, server.line)
                self.assertIn("http://127.0.0.1:%d/" % named_port, server.line)
                for client, one in (("192.0.2.7", socket.create_connection(("127.0.0.1", named_port), PATIENCE)),
                                    ("192.0.2.8", socket.socket(socket.AF_UNIX))):
                    with one:
                        if one.family == socket.AF_UNIX:
                            one.connect(path)
                        one.sendall(b"PROXY TCP4 %s 192.0.2.1 4000 80\r\n" % client.encode() + ONCE)
                        self.assertTrue(read_to_end(one).endswith(b"hello\n"))
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                with context.wrap_socket(socket.create_connection(("127.0.0.1", secure_port), PATIENCE)) as one:
                    one.sendall(ONCE)
                    self.assertTrue(read_to_end(one).endswith(b"hello\n"))
                self.assertEqual(server.end(), 0)
            with open(log, encoding="ascii") as lines:
                self.assertCountEqual([each.split()[0] for each in lines], ["192.0.2.7", "192.0.2.8", "127.0.0.1"])  # ordered per loop
        with self.assertRaisesRegex(AssertionError, "fd:web: who has started this has passed no socket of that name"):
            Serving(program_test.PROGRAM, "serve", self.root, "--config", config)

    def test_what_does_not_listen_is_refused(self):
        with socket.socket() as nothing, self.assertRaisesRegex(AssertionError, "LISTEN_FDS: descriptor 3 cannot be listened to"):
            self.passed((nothing,))

    def test_the_manager_is_told(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(os.path.join(self.scratch, "notify"))
            manager.settimeout(PATIENCE)

            def hears(begins):
                while True:
                    line = manager.recv(200).decode()
                    if line.startswith(begins):
                        return line
                    self.assertEqual(line, "WATCHDOG=1")
            for arguments in ((), ("--no-sandbox",)):
                environment = dict(os.environ, NOTIFY_SOCKET=os.path.join(self.scratch, "notify"))
                if not arguments:
                    environment["WATCHDOG_USEC"] = "100000"
                with self.serve(*arguments, env=environment) as server:
                    hears("READY=1")
                    if not arguments:
                        hears("WATCHDOG=1")
                        server.tell(signal.SIGHUP)
                        self.assertRegex(hears("RELOADING=1"), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
                        hears("READY=1")
                    self.assertEqual(server.end(), 0)
                    hears("STOPPING=1")


class Worker(Case):
    def test_one_that_dies_is_started_anew(self):
        with self.serve("--threads", "2") as server:
            for times in (1, 2):
                (worker,) = workers_of(server.process.pid)
                os.kill(worker, signal.SIGKILL)
                self.assertTrue(server.says(b"the worker has ended by signal 9", times), server.said)
                self.assertTrue(ask(server.port).endswith(b"hello\n"))
                self.assertNotEqual(workers_of(server.process.pid), [worker])
            self.assertEqual(server.end(), 0)

    def test_it_ends_with_its_master(self):
        with self.serve() as server:
            (worker,) = workers_of(server.process.pid)
            server.kill()
            self.assertTrue(server.says(b"the master is gone: no new connections"))
            self.assertTrue(eventually(lambda: not os.path.exists("/proc/%d" % worker) or self.is_zombie(worker)))

    @staticmethod
    def is_zombie(process):
        with contextlib.suppress(OSError), open("/proc/%d/stat" % process) as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
        return True

    def test_a_log_is_not_written_through_a_link(self):
        target = self.write("target", "")
        link = os.path.join(self.scratch, "access.log")
        os.symlink(target, link)
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--access-log", link, says="cannot write the access log")

    def test_hosts_have_logs_of_their_own(self):
        program = os.path.join(self.scratch, "naru")
        os.symlink(os.path.abspath(program_test.PROGRAM), program)
        config = self.write("naru.toml", "")

        def at(name):
            return os.path.join(self.scratch, name)

        def lines(name):
            with open(at(name)) as file:
                return {line.split('"')[1].split()[1] for line in file}

        def configure(**logs):
            hosts = "".join('[[host]]\nnames = "%s.test"\naccess-log = "%s"\n' % (host, at(log)) for host, log in logs.items())
            self.write("naru.toml", 'threads = 1\naccess-log = "%s"\n' % at("main.log") + hosts)

        def ask_of(host, path):
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as one:
                one.sendall(b"GET %s HTTP/1.1\r\nHost: %s.test\r\nConnection: close\r\n\r\n" % (path.encode(), host.encode()))
                return read_to_end(one)

        def opened(process):
            with contextlib.suppress(OSError):
                return {os.readlink("/proc/%d/fd/%s" % (process, each)) for each in os.listdir("/proc/%d/fd" % process)}
            return set()

        def written(host, path, log):  # the worker before may have accepted some
            self.assertTrue(eventually(lambda: ask_of(host, path) and os.path.exists(at(log)) and path in lines(log)), (path, log))
        configure(a="a.log", b="a.log")
        with self.serve("--config", config, program=program) as server:
            written("a", "/1", "a.log")
            written("b", "/2", "a.log")
            written("other", "/3", "main.log")
            self.assertEqual((lines("a.log"), lines("main.log")), ({"/1", "/2"}, {"/3"}))
            (first,) = workers_of(server.process.pid)
            os.rename(at("a.log"), at("a.log.1"))
            server.tell(signal.SIGUSR1)
            self.assertTrue(server.says(b"the access logs are opened anew"))
            self.assertTrue(eventually(lambda: at("a.log") in opened(first)))
            written("a", "/4", "a.log")
            # One more is opened by the master for a fresh worker, and the one before keeps its own.
            configure(a="a.log", b="b.log")
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as kept:
                kept.sendall(b"GET /5 HTTP/1.1\r\nHost: b.test\r\n\r\n")
                self.assertIn(b"404", kept.recv(65536))
                server.tell(signal.SIGHUP)
                self.assertTrue(server.says(b"it names other places, and a fresh worker serves it"))
                server.process.stdout.readline()  # which it is by then
                written("b", "/6", "b.log")
                # The program that follows knows which worker may open what.
                server.tell(signal.SIGUSR2)
                server.process.stdout.readline()
                last = worker_of(server.process.pid)
                os.rename(at("a.log"), at("a.log.2"))
                os.rename(at("b.log"), at("b.log.1"))
                self.assertTrue(eventually(lambda: server.tell(signal.SIGUSR1) or (
                    at("a.log") in opened(first) and {at("a.log"), at("b.log")} <= opened(last))))
                kept.sendall(b"GET /7 HTTP/1.1\r\nHost: b.test\r\n\r\n")
                self.assertIn(b"404", read_to_end(kept))
                self.assertTrue(eventually(lambda: "/7" in lines("a.log")))
            written("b", "/8", "b.log")
            # Fewer are taken in place.
            configure(a="b.log")
            server.tell(signal.SIGHUP)
            self.assertTrue(server.says(b"the configuration has been read again\n"))
            written("b", "/9", "main.log")  # which it is by then
            written("b", "/10", "main.log")
            written("a", "/11", "b.log")
            self.assertNotIn(b"cannot", server.said)
            self.assertEqual(server.end(), 0)
        self.assertNotIn("/10", lines("b.log"))
        self.assertEqual(lines("a.log.1"), {"/1", "/2"})
        self.assertEqual(lines("a.log.2") - {"/6"}, {"/4", "/5"})

    def test_of_localhost_one_family_is_enough_for_a_fresh_one_too(self):
        config = self.write("naru.toml", 'listen = "localhost:8080"\nthreads = 1\n')
        alone = ["unshare", "-n", "sh", "-c", 'ip link set lo up && ip addr del 127.0.0.1/8 dev lo && exec "$0" "$@"']
        try:
            possible = subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL).returncode == 0
        except FileNotFoundError:
            possible = False
        if not possible:
            self.skipTest("no network of its own can be had, without 127.0.0.1")
        with Serving(*alone, os.path.abspath(program_test.PROGRAM), "serve", self.root, "--config", config) as server:
            self.assertIn("http://[::1]:8080/", server.line)
            self.write("naru.toml", 'listen = "localhost:8080"\nthreads = 2\n')
            server.tell(signal.SIGHUP)
            self.assertIn("2 threads", server.process.stdout.readline().decode())
            self.assertEqual(server.end(), 0)

    def test_the_drain_waits_for_the_delay_and_a_second_signal_does_not(self):
        for arguments in ((), ("--no-sandbox",)):
            with self.subTest(arguments=arguments), self.serve("--drain-delay", "300", *arguments) as server:
                server.tell(signal.SIGTERM)
                self.assertTrue(ask(server.port).endswith(b"hello\n"))
                self.assertTrue(eventually(lambda: server.tell(signal.SIGTERM) or server.process.poll() is not None))
                self.assertEqual(server.process.returncode, 128 + signal.SIGTERM)
        with self.serve("--drain-delay", "0.01") as server:
            self.assertEqual(server.end(), 0)

    def test_the_file_with_its_number(self):
        path = os.path.join(self.scratch, "naru.pid")
        with self.serve("--pid-file", path) as server:
            with open(path) as file:
                self.assertEqual(int(file.read()), server.process.pid)
            self.assertEqual(server.end(), 0)
        self.assertFalse(os.path.exists(path))
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--pid-file", os.path.join(self.scratch, "no/such"), says="cannot write .*no/such")


def status_of(process):
    with open("/proc/%d/status" % process) as status:
        return {key: value.split() for key, value in (line.split(":", 1) for line in status)}


class Sandbox(Case):
    def test_each_part_has_a_switch(self):
        for word, filtered in (("all", True), ("files", False), ("calls", True), ("none", False)):
            with self.subTest(word=word), self.serve("--sandbox", word) as server:
                (worker,) = workers_of(server.process.pid)
                self.assertTrue(ask(server.port).endswith(b"hello\n"))
                status = status_of(worker)
                self.assertEqual(status["NoNewPrivs"], ["1"])
                if status_of(os.getpid())["Seccomp"] == ["0"]:  # and not below another filter itself
                    self.assertEqual(status["Seccomp"] == ["2"], filtered and b"no filter" not in server.said)
                self.assertEqual(server.end(), 0)
        self.check_refused("serve", self.root, "--sandbox", "some", says="--sandbox wants all, files, calls or none, not some")
        self.check_refused("serve", self.root, "--sandbox", "all", "--no-sandbox", says="--sandbox is of the worker")

    def test_the_worker_has_no_way_back(self):
        with self.serve() as server:
            for each in workers_of(server.process.pid):
                self.assertEqual(status_of(each)["NoNewPrivs"], ["1"])
            self.assertEqual(server.end(), 0)
        with self.serve("--no-sandbox") as server:
            self.assertEqual(workers_of(server.process.pid), [])
            self.assertEqual(status_of(server.process.pid)["NoNewPrivs"], ["0"])
            self.assertEqual(server.end(), 0)

    def test_a_root_that_was_replaced_is_served_by_a_fresh_worker(self):
        with self.serve() as server:
            self.assertTrue(ask(server.port).endswith(b"hello\n"))
            os.rename(self.root, self.root + ".old")
            os.mkdir(self.root)
            self.write("root/hello.txt", "another\n")
            self.assertTrue(eventually(lambda: ask(server.port).endswith(b"another\n")))
            self.assertEqual(server.end(), 0)

    def test_who_it_becomes(self):
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--user", "no-such-user", says="there is no such user")
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--user", "nobody", "--no-sandbox", says="--user")
        if os.geteuid() != 0:
            self.skipTest("wants to become another user")
        nobody = pwd.getpwnam("nobody")
        logs = os.path.join(self.scratch, "logs")
        os.mkdir(logs)
        os.chown(logs, nobody.pw_uid, nobody.pw_gid)
        for each in (self.scratch, self.root):
            os.chmod(each, 0o755)
        log = os.path.join(logs, "access.log")
        with self.serve("--user", "nobody", "--access-log", log) as server:
            (worker,) = workers_of(server.process.pid)
            self.assertEqual(set(status_of(worker)["Uid"]), {str(nobody.pw_uid)})
            self.assertEqual(set(status_of(worker)["Gid"]), {str(nobody.pw_gid)})
            self.assertEqual(status_of(server.process.pid)["Uid"][0], "0")
            self.assertTrue(ask(server.port).endswith(b"hello\n"))
            self.assertEqual(os.stat(log).st_uid, nobody.pw_uid)
            os.rename(log, log + ".1")
            server.tell(signal.SIGHUP)
            self.assertTrue(eventually(lambda: os.path.exists(log)))
            self.assertEqual(server.end(), 0)


class Upgrade(Case):
    def setUp(self):
        super().setUp()
        self.program = os.path.join(self.scratch, "naru")
        os.symlink(os.path.abspath(program_test.PROGRAM), self.program)

    def load(self, port, stop, failures, answers):
        """Connections with one request, and such with several."""
        def client(requests):
            while not stop.is_set():
                try:
                    with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
                        for left in reversed(range(requests)):
                            one.sendall(TWICE if left else ONCE)
                            answer = b""
                            while not answer.endswith(b"\r\n\r\nhello\n"):
                                part = one.recv(65536)
                                if not part:
                                    raise ConnectionError("it ended behind %r" % answer)
                                answer += part
                            answers.append(1)
                            if b"Connection: close" in answer:
                                break
                except OSError as failure:
                    failures.append(repr(failure))
        clients = [threading.Thread(target=client, args=(each,)) for each in (1, 1, 4)]
        for each in clients:
            each.start()
        return clients

    def test_ten_times_under_load_nobody_is_refused_or_reset(self):
        pid_file = os.path.join(self.scratch, "naru.pid")
        config = self.write("naru.toml", "threads = 1\n")
        with self.serve("--config", config, "--pid-file", pid_file, program=self.program) as server:
            master = server.process.pid
            stop, failures, answers = threading.Event(), [], []
            clients = self.load(server.port, stop, failures, answers)
            for each in range(10):
                before = workers_of(master)
                self.write("naru.toml", "threads = %d\n" % (1 + (each + 1) % 3))
                done = self.run_program("upgrade", "--pid-file", pid_file)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                self.assertRegex(server.process.stdout.readline().decode(), r"serves .* %d thread" % (1 + (each + 1) % 3))
                self.assertTrue(eventually(lambda: not set(before) & set(workers_of(master))), "the old one has ended")
                self.assertIsNone(server.process.poll())
                answered = len(answers)
                self.assertTrue(eventually(lambda: len(answers) > answered + 5))
            stop.set()
            for each in clients:
                each.join(PATIENCE)
            self.assertEqual(failures, [])
            self.assertEqual(len(workers_of(master)), 1)
            self.assertEqual(server.end(), 0)

    def test_a_program_that_does_not_serve_changes_nothing(self):
        with self.serve("--threads", "1", program=self.program) as server:
            workers = workers_of(server.process.pid)
            os.remove(self.program)
            for times, text in enumerate(("#!/bin/sh\nexit 3\n", "nothing that runs", None), 1):
                if text is None:
                    os.remove(self.program)
                else:
                    self.write("naru", text)
                    os.chmod(self.program, 0o755)
                server.tell(signal.SIGUSR2)
                self.assertTrue(server.says(b"the new program has ended with status", times), server.said)
                self.assertTrue(ask(server.port).endswith(b"hello\n"))
                self.assertEqual(workers_of(server.process.pid), workers)
            os.symlink(os.path.abspath(program_test.PROGRAM), self.program)
            server.tell(signal.SIGUSR2)
            self.assertIn("serves", server.process.stdout.readline().decode())
            self.assertTrue(ask(server.port).endswith(b"hello\n"))
            self.assertEqual(server.end(), 0)

    def test_who_was_started_by_a_program_before_this_has_its_log(self):
        """Such a program hands on which worker may serve, and not which files it may log to. The shell in between waits for
        children of its own, and may get the worker before that has ended by then."""
        log = os.path.join(self.scratch, "access.log")
        with self.serve("--access-log", log, "--threads", "1", program=self.program) as server:
            os.remove(self.program)
            self.write("naru", '#!/bin/sh\nNARU_HAND_OVER=$(echo "$NARU_HAND_OVER" | grep -v "^log ")\n'
                       'export NARU_HAND_OVER\nexec %s "$@"\n' % os.path.abspath(program_test.PROGRAM))
            os.chmod(self.program, 0o755)
            server.tell(signal.SIGUSR2)
            self.assertIn("serves", server.process.stdout.readline().decode())
            os.rename(log, log + ".1")
            server.tell(signal.SIGUSR1)
            self.assertTrue(server.says(b"the access log is opened anew"), server.said)
            self.assertNotIn(b"cannot", server.said)
            self.assertTrue(eventually(lambda: ask(server.port) and os.path.exists(log) and os.path.getsize(log) > 0))
            self.assertEqual(server.end(), 0)

    def test_a_socket_file_is_removed_by_whose_it_is(self):
        """Also after the program was replaced, and where another server has taken the path in between."""
        path = os.path.join(self.scratch, "socket")
        for is_taken in (False, True):
            with self.subTest(is_taken=is_taken), socket.socket(socket.AF_UNIX) as other, \
                    self.serve("--listen", "unix:" + path, "--threads", "1", program=self.program) as server:
                if is_taken:
                    os.remove(path)
                    other.bind(path)
                server.tell(signal.SIGUSR2)
                self.assertIn("serves", server.process.stdout.readline().decode())
                self.assertEqual(server.end(), 0)
                self.assertEqual(os.path.exists(path), is_taken)
        os.remove(path)

    def test_a_connection_that_is_open_goes_on_with_the_old_one(self):
        with self.serve("--threads", "1", program=self.program) as server, \
                socket.create_connection(("127.0.0.1", server.port), PATIENCE) as kept:
            kept.sendall(TWICE)
            self.assertTrue(kept.recv(4096).endswith(b"hello\n"))
            (old,) = workers_of(server.process.pid)
            server.tell(signal.SIGUSR2)
            self.assertIn("serves", server.process.stdout.readline().decode())
            self.assertIn(old, workers_of(server.process.pid))
            closing = False
            while not closing:  # it is told to retire in its own time
                kept.sendall(TWICE)
                answer = kept.recv(4096)
                self.assertTrue(answer.endswith(b"hello\n"), answer)
                closing = b"Connection: close" in answer
            self.assertEqual(kept.recv(10), b"")
            self.assertTrue(eventually(lambda: old not in workers_of(server.process.pid)))
            self.assertEqual(server.end(), 0)

    def test_who_is_no_server(self):
        other = subprocess.Popen(["sleep", "100"])
        try:
            self.check_refused("upgrade", str(other.pid), says="no naru serve")
            self.assertIsNone(other.poll())
        finally:
            other.kill()
            other.wait()
        self.check_refused("upgrade", says="which server")
        self.check_refused("upgrade", "--pid-file", os.path.join(self.scratch, "none"), says="cannot read")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
