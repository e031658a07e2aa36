#!/usr/bin/env python3
"""What the naru program says on its command line, and how it ends.

    program_test.py PROGRAM [unittest arguments]
"""
import http.client
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = ""
PATIENCE = 30


def eventually(condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def workers_of(master):
    """The processes that serve for this one."""
    with open("/proc/%d/task/%d/children" % (master, master)) as children:
        return [int(each) for each in children.read().split()]


def worker_of(master):
    """The one that serves; of a server without a master: itself."""
    return (workers_of(master) or [master])[-1]  # those before it have retired


class Server:
    """`naru serve`, ended by its process id whatever happens."""

    def __init__(self, *arguments, **how):
        self.process = subprocess.Popen([PROGRAM, "serve", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        self.line = self.process.stdout.readline() if ready else ""
        found = re.search(r"http://[^/]*:(\d+)/", self.line)
        if not found:
            self.kill()
            raise AssertionError("no address: %r, %r" % (self.line, self.process.stderr.read()))
        self.port = int(found.group(1))

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def signal(self, which):
        self.process.send_signal(which)

    def wait(self):
        """(exit code, rest of stdout, stderr)"""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.process.stdout.close()
        self.process.stderr.close()


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="naru-program-")
        self.addCleanup(directory.cleanup)
        self.scratch = directory.name
        self.root = os.path.join(self.scratch, "root")
        os.mkdir(self.root)
        self.write("root/hello.txt", "hello\n")

    def write(self, name, text):
        path = os.path.join(self.scratch, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def run_program(self, *arguments):
        return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=PATIENCE, cwd=self.scratch)

    def run_with_descriptors(self, count, command):
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=self.scratch,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))

    def check_refused(self, *arguments, says):
        self.check_refusal(self.run_program(*arguments), says)

    def check_refusal(self, done, says):
        """One line on stderr that says `says`, nothing on stdout, and a non-zero end."""
        self.assertGreater(done.returncode, 0, done)
        self.assertLess(done.returncode, 126, done)
        self.assertEqual(done.stdout, "", done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("naru: "), done.stderr)
        self.assertRegex(done.stderr, says)


class CommandLine(Case):
    def test_help(self):
        for arguments, says in ((["--help"], "serve"), (["serve", "--help"], "--listen"), (["doctor", "--help"], "--json")):
            done = self.run_program(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(says, done.stdout)

    def test_version(self):
        done = self.run_program("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^naru \d+\.\d+\.\d+\nbuild: .+\ncompiler: (clang|GCC) [\d.]+\nengines: .*epoll.*\nlibraries: .+\n$")

    def test_manual_and_completion(self):
        self.assertTrue(self.run_program("manual").stdout.startswith(".TH NARU 1 "))
        self.assertIn("\\-\\-listen", self.run_program("manual", "serve").stdout)
        self.assertIn("complete ", self.run_program("completion", "bash").stdout)
        self.check_refused("manual", "swim", says="there is no command swim")
        self.check_refused("completion", "tcsh", says="no completion for tcsh")
        self.check_refused("manual", "--output", "/none/naru.1", says="cannot write /none/naru.1")

    def test_doctor(self):
        done = self.run_program("doctor")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for engine in ("select", "poll", "epoll", "epoll-level", "epoll-oneshot", "io_uring"):
            self.assertIn(engine, done.stdout)

    def test_doctor_json(self):
        done = self.run_program("doctor", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = json.loads(done.stdout)
        self.assertIn("version", found)
        names = [each["name"] for each in found["engines"]]
        for engine in ("select", "poll", "epoll", "io_uring"):
            self.assertIn(engine, names)
        for section in found.values():
            for finding in section if isinstance(section, list) else []:
                self.assertEqual(set(finding), {"name", "ok", "value", "advice"})
                self.assertIsInstance(finding["ok"], bool)

    def test_no_or_unknown_command(self):
        self.check_refused(says="(?i)subcommand")
        self.check_refused("swim", says='"swim" is no command')

    def test_bad_flags(self):
        self.check_refused("serve", "--nonsense", says="nonsense")
        self.check_refused("serve", "--threads", "many", says="many")
        self.check_refused("serve", "--listen", says="listen")
        self.check_refused("serve", "a", "b", says="b")

    def test_values_out_of_range(self):
        for flag, value in (("threads", "0"), ("threads", "5000"), ("head-timeout", "0"), ("head-timeout", "-1"), ("head-timeout", "nan"),
                            ("write-timeout", "1e9"), ("disk-timeout", "0"), ("backlog", "0"), ("fast-open", "70000"), ("tcp-keep-alive", "1,2"),
                            ("tcp-keep-alive", "1,2,3,4"), ("tcp-keep-alive", "0,1,1"), ("user-timeout", "-5"), ("send-buffer", "-1"),
                            ("direct-descriptors", "maybe"), ("zero-copy-from", "-1"), ("sqpoll-idle", "0"), ("sqpoll-cpu", "-1"), ("sqpoll-cpu", "4000")):
            with self.subTest(flag=flag, value=value):
                self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--%s=%s" % (flag, value), says=flag)

    def test_bad_addresses(self):
        for where in ("nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "256.0.0.1:80", "example.org:80", "[::1:80", "127.0.0.1:x"):
            with self.subTest(where=where):
                self.check_refused("serve", self.root, "--listen", where, says="want ADDRESS:PORT")
        self.check_refused("serve", self.root, "--listen", "192.0.2.1:0", says="no interface has this address")

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            where = "127.0.0.1:%d" % taken.getsockname()[1]
            for threads in ("1", "2"):
                self.check_refused("serve", self.root, "--listen", where, "--threads", threads, says="the port is in use")

    def test_files_before_ports(self):
        missing = os.path.join(self.scratch, "missing")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            where = "127.0.0.1:%d" % taken.getsockname()[1]
            for more in ([], ["--no-sandbox"]):
                with self.subTest(more=more):
                    self.check_refused("serve", missing, "--listen", where, *more, says="missing: there is no such directory")
                    self.check_refused("serve", self.root, "--listen-tls", where, "--tls", missing + "," + missing, *more, says="missing")
            self.check_refused("serve", self.root, "--listen", where, "--user", "nobody-at-all", says="there is no such user")
            config = self.write("naru.toml", 'listen = "%s"\n[[host]]\nnames = "a.example"\nroot = "missing"\n' % where)
            self.check_refused("serve", "--config", config, says="naru.toml:[0-9]+: .*missing: there is no such directory")
        stale = os.path.join(self.scratch, "stale.sock")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(stale)
        before = os.stat(stale).st_ino
        self.check_refused("serve", missing, "--listen", "unix:" + stale, says="there is no such directory")
        self.assertEqual(os.stat(stale).st_ino, before, "nothing was bound, and nothing replaced")

    def test_port_of_another_naru(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads), Server(self.root, "--listen", "127.0.0.1:0", "--threads", threads) as first:
                self.check_refused("serve", self.root, "--listen", "127.0.0.1:%d" % first.port, "--threads", threads, says="the port is in use")

    def test_root(self):
        self.check_refused("serve", os.path.join(self.scratch, "missing"), "--listen", "127.0.0.1:0", says="there is no such directory")
        self.check_refused("serve", os.path.join(self.root, "hello.txt"), "--listen", "127.0.0.1:0", says="it is not a directory")

    def test_few_descriptors(self):
        """Too few are refused, with the number that is enough."""
        log = os.path.join(self.scratch, "access.log")
        engines = [each["name"] for each in json.loads(self.run_program("doctor", "--json").stdout)["engines"] if each["ok"]]
        self.assertIn("poll", engines)
        for engine in engines:
            for threads in ("1", "3"):
                others = [["--no-sandbox"], ["--status", "127.0.0.1:0", "--access-log", log, "--listen", "127.0.0.1:0"]]
                for more in [[], *others] if engine in ("poll", "io_uring") else [[]]:
                    with self.subTest(engine=engine, threads=threads, more=more):
                        command = [PROGRAM, "serve", self.root, "--listen", "127.0.0.1:0", "--engine", engine, "--threads", threads, *more]
                        refused = self.run_with_descriptors(16, command)
                        found = re.fullmatch(r"naru: serving this .* wants (\d+) descriptors at least, and the limit is 16: .*\n", refused.stderr)
                        self.assertTrue(found and refused.returncode == 1 and not refused.stdout, refused)
                        enough = int(found.group(1))
                        again = self.run_with_descriptors(enough - 1, command)
                        self.assertIn("the limit is %d" % (enough - 1), again.stderr)
                        with Server(self.root, "--listen", "127.0.0.1:0", "--engine", engine, "--threads", threads, *more,
                                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (enough, enough))) as server:
                            held = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(3)]
                            for _ in range(6):
                                self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))
                            for each in held:
                                each.close()
                            server.signal(signal.SIGTERM)
                            code, _, err = server.wait()
                            self.assertEqual(code, 0)
                            self.assertNotIn("accepting pauses", err)

    def test_a_soft_limit_of_descriptors(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with Server(self.root, "--listen", "127.0.0.1:0", "--threads", "16",
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, hard))) as server:
            self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))

    def test_unknown_engine(self):
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--engine", "kqueue", says="there is no engine kqueue.*epoll")

    def test_each_threads_submission_thread_has_a_core_of_its_own(self):
        if not os.sched_getaffinity(0) >= {0, 1}:
            self.skipTest("wants cores 0 and 1")
        with Server(self.root, "--listen", "127.0.0.1:0", "--engine", "io_uring-sqpoll", "--threads", "2", "--sqpoll-cpu", "0") as server:
            if "io_uring-sqpoll" not in server.line:
                self.skipTest(server.line)
            self.assertEqual(server.get("/hello.txt")[0], 200)
            cores = set()
            worker = worker_of(server.process.pid)
            for thread in os.listdir("/proc/%d/task" % worker):
                with open("/proc/%d/task/%s/status" % (worker, thread)) as status:
                    fields = dict(line.split(":", 1) for line in status)
                if fields["Name"].strip().startswith("iou-sqp"):
                    cores.add(fields["Cpus_allowed_list"].strip())
            self.assertEqual(cores, {"0", "1"})

    def test_unwritable_access_log(self):
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--access-log", os.path.join(self.scratch, "no/such/log"),
                           says="cannot write the access log.*there is no directory")
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--access-log", self.root, says="access log.*directory")
        fifo = os.path.join(self.scratch, "fifo")
        os.mkfifo(fifo)
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--access-log", fifo, says="access log.*nobody reads this FIFO")


class Configuration(Case):
    def refused(self, text, says):
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--config", self.write("naru.toml", text), says=says)

    def test_errors(self):
        self.refused("threads = 1\nlisten = \n", r"naru\.toml:2: ")
        self.refused("threads = 1\n\n[[[\n", r"naru\.toml:3: ")
        self.refused("threads = 1\ntreads = 2\n", r"naru\.toml:2: there is no setting treads; threads was probably meant")
        self.refused("[serve]\nthreads = 1\n", r"toml:1: there is no setting serve")
        self.refused("threads = \"two\"\n", r"toml:1: threads wants a number")
        self.refused("threads = -1\n", r"toml:1: threads wants a number")
        self.refused("listings = 1\n", r"toml:1: listings wants true or false")
        self.refused("threads = true\n", r"toml:1: threads wants a number")
        self.refused("threads = 1.5\n", r"toml:1: threads wants a number")
        self.refused("root = true\n", r"toml:1: root wants text")
        self.refused("head-timeout = \"long\"\n", r"toml:1: head-timeout wants a number")
        self.refused("head-timeout = 0\n", r"toml:1: head-timeout must be")
        self.refused("engine = \"fast\"\n", "toml:1: there is no engine fast")
        for other in ("caf\u00e9", "\u3001", "\ufcff"):  # letters and no white space
            self.refused("threads = 1\n%s = 2\n" % other, r"naru\.toml:2: ")
        self.refused("listings = tr\n", r"toml:1: .*boolean")
        self.refused('"a\\nb" = 1\n', r"toml:1: there is no setting a\\nb")
        self.check_refused("serve", "--config", os.path.join(self.scratch, "missing.toml"), says="missing.toml: No such file")
        self.check_refused("serve", "--config", self.root, says="Is a directory")

    def test_an_empty_one_has_no_settings(self):
        with Server(self.root, "--listen", "127.0.0.1:0", "--config", self.write("empty.toml", "")) as server:
            self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))

    def test_works_and_flags_go_before_it(self):
        os.mkdir(os.path.join(self.root, "empty"))
        config = self.write("naru.toml", 'root = "%s"\nlisten = "127.0.0.1:0"\nengine = "select"\nthreads = 2\n'
                                         'head-timeout = 5\nkeep-alive-timeout = 2.5\n' % self.root)
        with Server("--config", config) as server:
            self.assertIn("with select", server.line)
            self.assertIn("2 threads", server.line)
            self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))
            self.assertEqual(server.get("/empty/")[0], 403)
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait()[0], 0)
        with Server("--config", config, "--engine", "poll", "--threads", "1", "--listings") as server:
            self.assertIn("with poll", server.line)
            self.assertIn("1 thread\n", server.line)
            self.assertEqual(server.get("/empty/")[0], 200)

    def test_listings_and_dotfiles_are_off_unless_asked_for(self):
        os.mkdir(os.path.join(self.root, "d"))
        self.write("root/.env", "secret")
        config = self.write("naru.toml", "listings = true\ndotfiles = true\ndisk-timeout = 2.5\n")
        for arguments, listing, dotfile in (((), 403, 404), (("--listings",), 200, 404), (("--dotfiles",), 403, 200), (("--config", config), 200, 200)):
            with self.subTest(arguments=arguments), Server(self.root, "--listen", "127.0.0.1:0", *arguments) as server:
                self.assertEqual(server.get("/d/")[0], listing)
                self.assertEqual(server.get("/.env")[0], dotfile)
        self.check_refused("serve", self.root, "--no-listings", says="no-listings")

    def test_a_fallback_answers_where_nothing_is(self):
        self.write("root/application.html", "the application")
        flag, file = ("--fallback", "application.html"), ("--config", self.write("naru.toml", 'fallback = "application.html"\n'))
        for arguments in (flag, file):
            with self.subTest(arguments=arguments), Server(self.root, "--listen", "127.0.0.1:0", *arguments) as server:
                self.assertEqual(server.get("/people/7"), (200, b"the application"))
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--fallback", "/etc/passwd", says="the fallback is to be a file beneath it")

    def test_a_root_behind_a_link_is_followed(self):
        site = os.path.join(self.scratch, "site")
        for release in ("r1", "r2"):
            os.makedirs(os.path.join(site, release))
            self.write("site/%s/page" % release, release)
        os.symlink("r1", os.path.join(site, "current"))
        with Server(os.path.join(site, "current"), "--listen", "127.0.0.1:0") as server:
            self.assertEqual(server.get("/page"), (200, b"r1"))
            os.symlink("r2", os.path.join(site, "next"))
            os.replace(os.path.join(site, "next"), os.path.join(site, "current"))
            end = time.monotonic() + PATIENCE
            while server.get("/page")[1] != b"r2":
                self.assertLess(time.monotonic(), end)


class Ending(Case):
    def serve(self, *arguments):
        return Server(self.root, "--listen", "127.0.0.1:0", "--threads", "2", *arguments)

    def test_signals_end_it(self):
        for which in (signal.SIGTERM, signal.SIGINT):
            with self.serve() as server:
                self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))
                server.signal(which)
                code, out, err = server.wait()
                self.assertEqual((code, out), (0, ""))
                self.assertRegex(err, "^naru: %s: no new connections.*\n$" % which.name)

    def test_a_second_signal_ends_it_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGINT)):
            with self.serve("--drain-timeout", "300", "--head-timeout", "300") as server, socket.create_connection(("127.0.0.1", server.port)) as busy:
                busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")  # the answer says that the next is under way
                self.assertTrue(busy.recv(100))
                server.signal(first)
                self.assertIn("no new connections", server.process.stderr.readline())
                end = time.monotonic() + PATIENCE
                while server.process.poll() is None and time.monotonic() < end:
                    server.signal(second)  # it may not be listening for it yet
                    try:
                        server.process.wait(0.2)
                    except subprocess.TimeoutExpired:
                        pass
                self.assertEqual(server.process.returncode, 128 + second)

    def test_the_drain_deadline(self):
        with self.serve("--drain-timeout", "0.3", "--head-timeout", "300") as server, socket.create_connection(("127.0.0.1", server.port)) as busy:
            busy.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET")
            self.assertTrue(busy.recv(100))
            server.signal(signal.SIGTERM)
            code, _, err = server.wait()
            self.assertEqual(code, 0)
            self.assertIn("0.3 s", err)

    def test_the_access_log_on_standard_output(self):
        with self.serve("--access-log", "-") as server:
            self.assertEqual(server.get("/hello.txt")[0], 200)
            self.assertEqual(server.get("/missing")[0], 404)
            server.signal(signal.SIGTERM)
            code, out, _ = server.wait()
            self.assertEqual(code, 0)
            lines = sorted(out.splitlines(), key=lambda line: " 404 " in line)  # each loop hands its own over
            self.assertEqual(len(lines), 2, out)
            self.assertRegex(lines[0], r'^127\.0\.0\.1 - - \[.*\] "GET /hello\.txt HTTP/1\.1" 200 6 "-" "-"$')
            self.assertIn(" 404 ", lines[1])

    def test_a_closed_standard_output_does_not_end_it(self):
        with self.serve("--access-log", "-") as server:
            server.process.stdout.close()
            for _ in range(3):
                self.assertEqual(server.get("/hello.txt")[0], 200)
            server.signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_every_address_family(self):
        with Server(self.root, "--listen", "*:0") as server:
            self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))
        if socket.has_ipv6:
            try:
                socket.create_server(("::1", 0), family=socket.AF_INET6).close()
            except OSError:
                self.skipTest("no IPv6 here")
            with Server(self.root, "--listen", "[::1]:0") as server:
                with socket.create_connection(("::1", server.port), PATIENCE) as one:
                    one.sendall(b"GET /hello.txt HTTP/1.0\r\n\r\n")
                    self.assertIn(b"200 OK", one.recv(100))


@unittest.skipUnless(shutil.which("openssl"), "openssl is not here")
class Tls(Case):
    """--listen-tls and what belongs to it."""

    def serve(self, *arguments):
        return Server(self.root, "--listen", "127.0.0.1:0", "--threads", "2", *arguments)

    def make(self, name, *more):
        """A certificate for localhost and its key, in files."""
        chain, key = os.path.join(self.scratch, name + ".pem"), os.path.join(self.scratch, name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
                        chain, "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *more], check=True,
                       capture_output=True)
        return chain, key

    def trusting(self, chain=None):
        context = ssl.create_default_context(cafile=chain)
        if chain is None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def fetch(self, port, path="/hello.txt", chain=None):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=self.trusting(chain))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()

    def name_shown(self, port):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw, self.trusting().wrap_socket(raw) as one:
            return one.getpeercert(True)

    def test_a_certificate_is_shown_and_verified(self):
        chain, key = self.make("one")
        with self.serve("--listen-tls", "127.0.0.1:0", "--tls", f"{chain},{key}", "--hsts", "600") as server:
            port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", server.line).group(1))
            status, body, fields = self.fetch(port, chain=chain)
            self.assertEqual((status, body, fields["Strict-Transport-Security"]), (200, b"hello\n", "max-age=600"))
            self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait()[0], 0)

    def test_self_signed_and_redirected(self):
        with self.serve("--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--redirect-http") as server:
            port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", server.line).group(1))
            self.assertEqual(self.fetch(port)[:2], (200, b"hello\n"))
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            connection.request("GET", "/hello.txt?a=b")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.getheader("Location")), (308, f"https://127.0.0.1:{port}/hello.txt?a=b"))
            connection.close()

    def test_certificates_are_read_again(self):
        chain, key = self.make("one")
        with self.serve("--listen-tls", "127.0.0.1:0", "--tls", f"{chain},{key}") as server:
            port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", server.line).group(1))
            first = self.name_shown(port)
            # One after the other: between the two they do not fit.
            other_chain, other_key = self.make("two")
            os.replace(other_chain, chain)
            self.assertEqual(self.name_shown(port), first)
            os.replace(other_key, key)
            self.assertIn("have been read again", server.process.stderr.readline())
            second = self.name_shown(port)
            self.assertNotEqual(second, first)
            # At a signal, too.
            server.signal(signal.SIGHUP)
            self.assertIn("have been read again", server.process.stderr.readline())
            # A broken one is refused with a sentence, and the old one stays.
            with open(key, "w") as broken:
                broken.write("no key")
            line = server.process.stderr.readline()
            self.assertIn(key, line)
            self.assertIn("stay", line)
            self.assertEqual(self.name_shown(port), second)

    def test_load_refuses_a_certificate_at_once(self):
        with self.serve("--listen-tls", "127.0.0.1:0", "--tls-self-signed") as server:
            url = re.search(r"https://127\.0\.0\.1:\d+/", server.line).group(0)
            done = subprocess.run([PROGRAM, "load", url, "-n", "10"], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertRegex(done.stderr, r"\Anaru: no TLS with 127\.0\.0\.1:\d+: the peer's certificate was refused: .*--insecure.*\n\Z")

    def test_what_is_wrong_is_said_in_a_line(self):
        chain, key = self.make("one")
        other_chain, other_key = self.make("two")
        both = os.path.join(self.scratch, "both.pem")
        with open(both, "w") as file, open(chain) as one, open(other_chain) as two:
            file.write(one.read() + two.read())
        for arguments, says in (
                (("--tls", f"{chain},{other_key}"), "does not belong to the certificate"),
                (("--tls", f"{both},{key}"), "wrong order"),
                (("--tls", f"{chain},/none/such"), "/none/such: cannot be read"),
                (("--tls", f"/none/such,{key}"), "/none/such: cannot be read"),
                (("--tls", f"{key},{key}"), "no certificate"),
                (("--tls", chain), "CERT,KEY"),
                ((), "--tls-self-signed"),
                (("--tls-self-signed", "--tls", f"{chain},{key}"), "give one of them")):
            done = subprocess.run([PROGRAM, "serve", self.root, "--listen-tls", "127.0.0.1:0", *arguments], capture_output=True, text=True,
                                  timeout=PATIENCE)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertIn(says, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for arguments in (("--tls", f"{chain},{key}"), ("--hsts", "1"), ("--redirect-http",), ("--tls-self-signed",)):
            done = subprocess.run([PROGRAM, "serve", self.root, "--listen", "127.0.0.1:0", *arguments], capture_output=True, text=True,
                                  timeout=PATIENCE)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("--listen-tls", done.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
