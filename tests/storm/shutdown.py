#!/usr/bin/env python3
"""The server is told to end at a random moment under load, again and again.

    shutdown.py PROGRAM [--times 1000] [--seed N] [--engine NAME]...

Each time: every answer that has begun comes whole, or is cut at the drain's limit if its client takes nothing; a
request that has been sent within 5 ms from before its client began to connect is answered (the server closes its
listeners when nothing has come for 10 ms); the exit status is 0. A request on a kept
connection that crosses its end may go unanswered, as HTTP has it (RFC 9112, section 9.6), and so may one over TLS that
took longer than the server waits for it; they are counted. The moment is a number of answers that have come, drawn from the seed. Ends with 77 (skipped) if no engine can be used here.
"""
import argparse
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from hostile_clients import Server  # noqa: E402
from honest import Connection  # noqa: E402
from hostile_kinds import BEGUN, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame, get, head  # noqa: E402

PATIENCE = 120
ENGINES = ("epoll", "io_uring", "poll", "epoll-level", "epoll-oneshot", "select")
HELLO = b"Hello, ferry.\n"
PAGE = b"p" * 4000
LARGE = bytes(range(251)) * 8000
FIRST_REQUEST_SECONDS = {"clear": 0.005, "tls": 0.9}  # from when on a client is too late: see naru/http/limits.hpp
DRAIN_SECONDS = 0.5  # where somebody takes nothing


class Ended(Exception):
    """The connection, before an answer had begun."""


class Round:
    def __init__(self, ports, moment):
        self.ports = ports
        self.moment = moment
        self.answers = 0
        self.crossed = 0
        self.problems = []
        self.changed = threading.Condition()
        self.told = False  # the server, to end
        self.gone = threading.Event()

    def came(self):
        with self.changed:
            self.answers += 1
            self.changed.notify_all()

    def wrong(self, text):
        with self.changed:
            self.problems.append(text)
            self.changed.notify_all()

    def await_moment(self):
        with self.changed:
            self.changed.wait_for(lambda: self.answers >= self.moment or self.problems, PATIENCE)
            self.told = True

    def connected(self, over):
        """None: nobody can connect any more."""
        try:
            return Connection(self.ports[over], over == "tls", PATIENCE)
        except OSError as failure:
            if not self.told:
                self.wrong("cannot connect (%s): %s" % (over, failure))
            return None

    def was_late(self, begun, sent, over="clear"):
        return self.told and (sent is None or sent - begun > FIRST_REQUEST_SECONDS[over])

    def count_crossed(self):
        with self.changed:
            self.crossed += 1

    # Each of these is one client; what it returns says whether to go on.

    def talk(self, over, requests, wanted, turns):
        """Several requests at once, `turns` times on a connection."""
        begun, sent = time.monotonic(), None
        one = self.connected(over)
        if one is None:
            return False
        with one:
            answered = 0
            try:
                for _ in range(turns):
                    one.say(b"".join(map(get, requests)))
                    sent = sent or time.monotonic()
                    for body in wanted:
                        if one.answer() != (200, body):
                            self.wrong("a wrong answer over %s" % over)
                        answered += 1
                        self.came()
            except (OSError, AssertionError) as failure:
                if one.got:
                    self.wrong("an answer over %s was cut after %d bytes: %s" % (over, len(one.got), failure))
                elif answered == 0 and not self.was_late(begun, sent, over):
                    self.wrong("a request over %s was not answered: %r" % (over, failure))
                elif not self.told:
                    self.wrong("a kept connection over %s ended: %r" % (over, failure))
                else:
                    self.count_crossed()
        return not self.told

    def post(self):
        begun, sent = time.monotonic(), None
        one = self.connected("clear")
        if one is None:
            return False
        with one:
            try:
                one.say(b"POST /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n" + b"b" * 20_000)
                sent = time.monotonic()
                one.say(b"b" * 30_000)
                if one.answer()[0] != 405:
                    self.wrong("a POST is answered wrongly")
                self.came()
            except (OSError, AssertionError) as failure:
                if one.got or not self.was_late(begun, sent):
                    self.wrong("a POST was not answered: %r, %r" % (failure, one.got))
                else:
                    self.count_crossed()
        return not self.told

    def http2(self):
        """Three streams at a time. Those up to what GOAWAY says are answered, or none was looked at."""
        begun = time.monotonic()
        one = self.connected("clear")
        if one is None:
            return False
        wanted = {0: HELLO, 1: PAGE, 2: LARGE[:60_000]}
        bodies, whole, last, newest, sent = {}, set(), 0x7fffffff, -1, None
        with one:
            try:
                one.say(BEGUN)
                for turn in range(4):
                    for place, path in enumerate((b"/hello.txt", b"/page.bin", b"/medium.bin")):
                        newest = 6 * turn + 2 * place + 1
                        bodies[newest] = b""
                        one.say(frame(HEADERS, END_STREAM | END_HEADERS, newest, head(b"GET", path)))
                        one.say(frame(8, 0, 0, struct.pack(">I", 60_000)))
                        sent = sent or time.monotonic()
                    while any(stream <= last and stream not in whole for stream in bodies):
                        size, kind, flags, stream = struct.unpack(">IBBI", b"\0" + one.take(9))
                        payload = one.take(size)
                        if kind == SETTINGS and not flags & 1:
                            one.say(frame(SETTINGS, 1, 0))
                        elif kind == 6 and not flags & 1:
                            one.say(frame(6, 1, 0, payload))
                        elif kind == 7:
                            last = struct.unpack(">I", payload[:4])[0]
                        elif kind == 3 and stream <= last:
                            self.wrong("a stream was reset: %r" % payload)
                            whole.add(stream)
                        elif kind == DATA:
                            bodies[stream] += payload
                        if kind in (DATA, HEADERS) and flags & END_STREAM:
                            whole.add(stream)
                            if bodies[stream] != wanted[stream % 6 // 2]:
                                self.wrong("a wrong answer on stream %d" % stream)
                            self.came()
                    if last < 0x7fffffff:
                        break
            except (OSError, AssertionError) as failure:
                if any(body and stream not in whole for stream, body in bodies.items()):
                    self.wrong("an answer over HTTP/2 was cut: %r" % failure)
                elif not whole and last == 0x7fffffff and not self.was_late(begun, sent):
                    self.wrong("a request over HTTP/2 was not answered: %r" % failure)
                elif not self.told:
                    self.wrong("an HTTP/2 connection ended: %r" % failure)
                else:
                    self.count_crossed()
        return not self.told

    def stall(self):
        """Takes nothing until the server has gone."""
        one = self.connected("clear")
        if one is not None:
            with one:
                one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.say(get(b"/large.bin"))
                self.gone.wait(PATIENCE)
        return False


def client(of, choose):
    turns = (
        lambda: of.talk("clear", [b"/hello.txt"], [HELLO], 1),
        lambda: of.talk("clear", [b"/hello.txt", b"/page.bin"], [HELLO, PAGE], 20),
        lambda: of.talk("clear", [b"/page.bin"] * 10, [PAGE] * 10, 3),
        lambda: of.talk("clear", [b"/large.bin"], [LARGE], 1),
        lambda: of.talk("tls", [b"/hello.txt", b"/large.bin"], [HELLO, LARGE], 2),
        of.post,
        of.http2,
    )
    try:
        while choose.choice(turns)():
            pass
    except Exception as failure:  # of the test itself
        of.wrong("%s: %s" % (type(failure).__name__, failure))


def one_round(program, engine, root, scratch, choose):
    stalls = choose.randrange(4) == 0
    server = Server(program, engine, root, scratch, "--drain-timeout",
                    str(DRAIN_SECONDS if stalls else PATIENCE), threads=2)
    if server.port is None:
        server.process.wait(PATIENCE)
        return None if "cannot be used here" in server.said() else (0, 0, ["it does not start: " + server.said()])
    of = Round(server.ports, choose.randrange(200))
    threads = [threading.Thread(target=client, args=(of, random.Random(choose.random()))) for _ in range(8)]
    if stalls:
        threads.append(threading.Thread(target=of.stall))
    for each in threads:
        each.start()
    of.await_moment()
    server.process.send_signal(signal.SIGTERM)
    try:
        status = server.process.wait(PATIENCE)
        if status != 0:
            of.wrong("it ended with %d: %s" % (status, server.said()))
    except subprocess.TimeoutExpired:
        of.wrong("it does not end")
        server.process.kill()
        server.process.wait()
    of.gone.set()
    for each in threads:
        each.join(PATIENCE)
    server.process.stdout.close()
    server.errors.close()
    problems = of.problems
    if stalls:  # who is not read may be cut at the limit, and so may the others, on a machine that is slow
        problems = [each for each in problems if "was cut" not in each and "was not answered" not in each]
    return of.answers, of.crossed, problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--engine", action="append", choices=ENGINES)
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    choose = random.Random(options.seed)
    engines = list(options.engine or ENGINES)
    answers = crossed = ends = 0
    with tempfile.TemporaryDirectory(prefix="naru-shutdown-") as scratch:
        root = os.path.join(scratch, "root")
        os.mkdir(root)
        for name, content in (("hello.txt", HELLO), ("page.bin", PAGE), ("medium.bin", LARGE[:60_000]), ("large.bin", LARGE)):
            with open(os.path.join(root, name), "wb") as file:
                file.write(content)
        while ends < options.times:
            engine = choose.choice(engines)
            done = one_round(program, engine, root, scratch, choose)
            if done is None:
                engines.remove(engine)
                if not engines:
                    sys.exit(77)
                continue
            ends += 1
            answers += done[0]
            crossed += done[1]
            if done[2]:
                print("seed %d, end %d, %s:\n  %s" % (options.seed, ends, engine, "\n  ".join(done[2][:10])))
                sys.exit(1)
            if ends % 100 == 0:
                print("%d ends" % ends, flush=True)
    print("%d ends under load on %s, seed %d: %d answers, %d requests on kept connections crossed an end, 0 lost" %
          (ends, ", ".join(engines), options.seed, answers, crossed))


if __name__ == "__main__":
    main()
