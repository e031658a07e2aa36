#!/usr/bin/env python3
"""Thousands of clients that hold what they can, and one honest client beside them.

    hostile_clients.py PROGRAM ENGINE [--clients 4500] [--rss MIB] [--group http1|tls|http2]... [--kind NAME]...
                       [--send-buffer BYTES]

Starts `PROGRAM serve` with one thread. For each kind of hostile client, and for a mixture of all: opens so many
of them from several addresses, makes honest requests while they are there, and checks that every one is answered
rightly, that the server's memory stays within MIB (0: not looked at), and that all is as before when they have
gone. Then, with short times, that clients which are too slow are let go and that the server says so. Ends with
77 (skipped) if the engine cannot be used here.

Kinds of answers are checked, not times: an honest request has PATIENCE seconds, and the slowest is printed.
"""
import argparse
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from honest import PATIENCE, TRUSTING, answer, http2_bodies
from hostile_kinds import GROUPS, KINDS, get
from program_test import worker_of

SKIPPED = 77
START_SECONDS = 30
HONEST_REQUESTS = 20
SOURCES = 8
BIND_ADDRESS_NO_PORT = 24  # <linux/in.h>
IN_FLIGHT = 256  # connections that have been begun and have no socket of the server's yet

HELLO = b"Hello, ferry.\n"
LARGE = 4 * 1024 * 1024
MEDIUM = 60_000
LISTED = 1500


class Server:
    def __init__(self, program, engine, root, scratch, *arguments, threads=1,
                 tls=("--tls-self-signed",), **how):
        self.errors = open(os.path.join(scratch, "stderr"), "w+b")
        self.process = subprocess.Popen(
            [program, "serve", root, "--listen", "127.0.0.1:0", "--engine", engine, "--threads", str(threads), "--h2c",
             "--listen-tls", "127.0.0.1:0", *tls, *arguments],
            stdout=subprocess.PIPE, stderr=self.errors, **how)
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline().decode() if ready else ""
        found = re.findall(r"https?://127\.0\.0\.1:(\d+)/", line)
        self.port = int(found[0]) if found else None
        self.ports = {"clear": self.port, "tls": int(found[-1]) if found else None}

    def said(self):
        with open(self.errors.name, "rb") as text:
            return text.read().decode(errors="replace")

    def rss(self):
        with open("/proc/%d/status" % worker_of(self.process.pid)) as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) // 1024

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % worker_of(self.process.pid)))

    def end(self):
        """Its exit code after SIGTERM."""
        try:
            self.process.send_signal(signal.SIGTERM)
            return self.process.wait(START_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.errors.close()


class Crowd:
    """Hostile clients. Whoever is reset by the server is counted, and not replaced."""

    def __init__(self, ports):
        self.ports = ports
        self.clients = []  # (socket, kind)

    def open(self, kind, count):
        opened = []
        poll = select.poll()
        for number in range(count):
            one = socket.socket()
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            one.bind(("127.0.0.%d" % (2 + number % SOURCES), 0))
            one.connect_ex(("127.0.0.1", self.ports[kind.over]))
            opened.append(one)
            if len(opened) % IN_FLIGHT == 0:
                self.await_writable(opened[-IN_FLIGHT:])
        self.await_writable(opened[-IN_FLIGHT:])
        if kind.secure:
            opened = [one for one in map(self.secured, opened) if one]
        for one in opened:
            self.say(one, kind.says)
        self.clients += [(one, kind) for one in opened]

    @staticmethod
    def await_writable(some):
        poll = select.poll()
        for one in some:
            poll.register(one, select.POLLOUT)
        end = time.monotonic() + START_SECONDS
        left = len(some)
        while left and time.monotonic() < end:
            for descriptor, _ in poll.poll(1000):
                poll.unregister(descriptor)
                left -= 1

    @staticmethod
    def secured(one):
        """Its handshake is made; None: it was shed."""
        one.settimeout(START_SECONDS)
        try:
            one = TRUSTING.wrap_socket(one)
            one.setblocking(False)
            return one
        except OSError:
            one.close()
            return None

    @staticmethod
    def say(one, text):
        try:
            if text:
                one.send(text)
        except OSError:
            pass  # reset: it was shed

    def round(self, first=False):
        for one, kind in self.clients:
            try:
                if kind.sips:
                    one.recv(kind.sips)
                if kind.adds:
                    one.send(kind.adds)
                if kind.later and first:
                    one.send(kind.later)
            except OSError:
                pass

    def reset(self):
        """How many the server has reset or closed."""
        poll = select.poll()
        for one, _ in self.clients:
            poll.register(one, select.POLLRDHUP)
        return sum(1 for _, event in poll.poll(0) if event)

    def leave(self):
        for one, _ in self.clients:
            one.close()
        self.clients = []


class Suite:
    def __init__(self, options, scratch):
        self.options = options
        self.scratch = scratch
        self.root = os.path.join(scratch, "root")
        self.problems = []
        os.makedirs(os.path.join(self.root, "listed"))
        self.large = bytes(range(251)) * (LARGE // 251 + 1)
        for name, content in (("hello.txt", HELLO), ("page.bin", b"p" * 4000), ("medium.bin", b"m" * MEDIUM),
                              ("large.bin", self.large[:LARGE])):
            with open(os.path.join(self.root, name), "wb") as file:
                file.write(content)
        for number in range(LISTED):
            open(os.path.join(self.root, "listed", "n" * 200 + "%05d" % number), "w").close()

    def check(self, good, text):
        if not good:
            self.problems.append(text)
            print("  wrong: " + text, flush=True)

    def serve(self, *arguments):
        return Server(os.path.abspath(self.options.program), self.options.engine, self.root, self.scratch,
                      "--listings", *arguments)

    def honest(self, server, when):
        """Honest requests, one after the other. The slowest one's milliseconds."""
        port, secure_port = server.ports["clear"], server.ports["tls"]
        slowest = 0.0
        post = b"POST /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
        for number in range(HONEST_REQUESTS):
            begun = time.monotonic()
            try:
                if number % 5 == 3:
                    self.check(answer(port, post)[0] == 405, "%s: a POST is answered wrongly" % when)
                elif number % 10 == 1:
                    status, body = answer(secure_port, get(b"/hello.txt"), secure=True)
                    self.check(status == 200 and body == HELLO, "%s, TLS: %d, %r" % (when, status, body[:100]))
                elif number % 10 == 2:
                    bodies = http2_bodies(port, [b"/hello.txt", b"/medium.bin"])
                    self.check(bodies == [HELLO, b"m" * MEDIUM], "%s: HTTP/2 is answered wrongly" % when)
                elif number == HONEST_REQUESTS - 1:
                    status, body = answer(port, get(b"/large.bin"))
                    self.check(status == 200 and body == self.large[:LARGE], "%s: a large file is wrong" % when)
                else:
                    status, body = answer(port, get(b"/hello.txt"))
                    self.check(status == 200 and body == HELLO, "%s: %d, %r" % (when, status, body[:100]))
            except (OSError, AssertionError) as failure:
                self.check(False, "%s: honest request %d: %s" % (when, number, failure or "timed out"))
            slowest = max(slowest, time.monotonic() - begun)
        return slowest * 1000

    def burst(self, port, when):
        """Many honest clients at once."""
        clients = []
        for _ in range(min(200, self.options.clients)):
            clients.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            clients[-1].sendall(get(b"/hello.txt"))
        good = 0
        for one in clients:
            try:
                text = b""
                while not text.endswith(HELLO):
                    more = one.recv(65536)
                    if not more:
                        break
                    text += more
                good += text.endswith(HELLO)
            except OSError:
                pass
            one.close()
        self.check(good == len(clients), "%s: %d of a burst of %d were answered" % (when, good, len(clients)))

    def eventually(self, done, text):
        end = time.monotonic() + START_SECONDS
        while not done():
            if time.monotonic() > end:
                self.check(False, text)
                return
            time.sleep(0.02)

    def attack(self, server, name, parts):
        """`parts`: (kind, number of clients)."""
        before = server.descriptors()
        crowd = Crowd(server.ports)
        begun = time.monotonic()
        for kind, count in parts:
            crowd.open(kind, count)
        crowd.round(first=True)
        coming = self.honest(server, name + ", coming")
        crowd.round()
        there = self.honest(server, name)
        if all(kind.shed for kind, _ in parts):
            self.eventually(lambda: crowd.reset() == len(crowd.clients), "%s: they are not let go" % name)
        rss = server.rss()
        if self.options.rss:
            self.check(rss <= self.options.rss, "%s: %d MiB of memory" % (name, rss))
        print("%-46s %5d clients, %5d shed, slowest honest answer %5.0f ms while they come, %5.0f ms behind that, "
              "%4d MiB, %.1f s" % (name, len(crowd.clients), crowd.reset(), coming, there, rss,
                                   time.monotonic() - begun), flush=True)
        crowd.leave()
        self.eventually(lambda: server.descriptors() <= before + 8,  # files in the cache
                        "%s: %d descriptors afterwards, %d before" % (name, server.descriptors(), before))
        self.burst(server.port, name + ", afterwards")

    def all_kinds(self):
        server = self.serve("--send-buffer", str(self.options.send_buffer))
        if server.port is None:
            server.process.wait(START_SECONDS)
            text = server.said().strip()
            print(text)
            sys.exit(SKIPPED if "cannot be used here" in text else 1)
        try:
            self.honest(server, "alone")
            wanted = self.options.kind or [name for group in self.options.group or GROUPS for name in GROUPS[group]]
            for name in wanted:
                self.attack(server, name, [(KINDS[name], max(1, int(self.options.clients * KINDS[name].share)))])
            if len(wanted) > 1:
                each = max(1, self.options.clients // len(wanted))
                self.attack(server, "a mixture", [(KINDS[name], max(1, int(each * min(1, KINDS[name].share * 3))))
                                                  for name in wanted])
            print("\n".join("  " + line for line in server.said().splitlines()))
        finally:
            self.check(server.end() == 0, "the server does not end well")

    def too_slow(self):
        """Times of seconds instead of minutes: all who are too slow are let go, and it is said."""
        server = self.serve("--send-buffer", str(self.options.send_buffer), "--rate-period", "1", "--write-timeout", "600",
                            "--body-timeout", "600")
        crowd = Crowd(server.ports)
        try:
            for name in ("readers that read 100 bytes a round", "bodies that come byte by byte"):
                crowd.open(KINDS[name], 50)

            due = time.monotonic()

            def gone():  # a round every half second: 200 bytes a second, whatever the machine is busy with
                nonlocal due
                if time.monotonic() >= due:
                    crowd.round()
                    due += 0.5
                return crowd.reset() == len(crowd.clients)

            self.eventually(gone, "who is too slow is not let go")
            self.honest(server, "behind those who were too slow")
        finally:
            crowd.leave()
            self.check(server.end() == 0, "the server does not end well")
        for reason in ("too slow to take an answer", "too slow to send a body"):  # in one line or in several
            told = sum(int(each) for each in re.findall(r"(\d+) " + reason, server.said()))
            self.check(told == 50, "the server says that %d were %s: %r" % (told, reason, server.said()))


def raise_descriptor_limit():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("engine")
    parser.add_argument("--clients", type=int, default=4500)
    parser.add_argument("--rss", type=int, default=0)
    parser.add_argument("--group", action="append", choices=list(GROUPS))
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--send-buffer", type=int, default=65536)
    options = parser.parse_args()
    options.clients = min(options.clients, raise_descriptor_limit() // 4 * 3 - 100)
    with tempfile.TemporaryDirectory(prefix="naru-hostile-") as scratch:
        suite = Suite(options, scratch)
        suite.all_kinds()
        if not options.kind and "http1" in (options.group or GROUPS):
            suite.too_slow()
    print("%d problems" % len(suite.problems))
    sys.exit(bool(suite.problems))


if __name__ == "__main__":
    main()
