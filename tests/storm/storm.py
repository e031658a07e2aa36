#!/usr/bin/env python3
"""A storm: hostile clients of every kind, alone and mixed, by the thousand, and a world that does not hold still.

    storm.py PROGRAM [--seconds 600] [--clients 4500] [--engine NAME] [--threads 2] [--seed N] [--clock LIBRARY] [--disk LIBRARY]

Meanwhile the server is stopped and continued (SIGSTOP, SIGCONT), its clock jumps (with --clock LIBRARY), its workers all
wait for a disk that does not answer (with --disk LIBRARY), its access log cannot grow any more, a file is cut and
grown while it is sent, and the directory that it serves is replaced. Beside all that honest clients ask for files over
HTTP/1.1 and HTTP/2, in clear text and over TLS, and check every answer. A request is lost when it gets none, or a wrong
one; it is refused when the answer is 503. The storm comes twice, in the same order: behind the second time there are as many
descriptors as at the start, and no more memory than behind the first (what the allocator keeps, it uses again). Prints a line for each part, and the report last; 1 if anything was lost or is left; 77 (skipped)
if the engine cannot be used here.
"""
import argparse
import contextlib
import multiprocessing
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from hostile_clients import Crowd, Server, raise_descriptor_limit  # noqa: E402
from honest import Connection, http2_bodies  # noqa: E402
from hostile_kinds import KINDS, get  # noqa: E402
from program_test import worker_of  # noqa: E402

PATIENCE = 120  # of an honest client: what is slow is told, and only what never comes is lost
HONEST = 3  # processes
LOG_BYTES = 256 * 1024
BLOCKED_SECONDS = 5  # at most, before somebody waits for the disk
DAY = 86_400
HELLO = b"Hello, ferry.\n"
MEDIUM = b"m" * 60_000
LARGE = bytes(range(251)) * 4200
VERSIONS = (b"version one\n", b"version two, which is longer\n")
DESCRIPTORS_LEFT = 16  # may be left at the end: files in the cache
MEBIBYTES_LEFT = 48  # for each thread: no two storms fill and leave the heap in the same way


def make_root(path, version):
    os.makedirs(os.path.join(path, "listed"))
    for name, content in (("hello.txt", HELLO), ("page.bin", b"p" * 4000), ("medium.bin", MEDIUM), ("large.bin", LARGE),
                          ("version.txt", VERSIONS[version]), ("cut.bin", b"c" * 2_000_000)):
        with open(os.path.join(path, name), "wb") as file:
            file.write(content)
    for number in range(500):
        open(os.path.join(path, "listed", "n" * 200 + "%05d" % number), "w").close()


class Asking:
    """An honest client's requests; each says what is wrong, or nothing."""

    def __init__(self, ports, seed):
        self.ports = ports
        self.choose = random.Random(seed)
        self.refused = 0

    def expect(self, one, path, *bodies):
        one.say(get(path))
        status, body = one.answer()
        if status == 503:
            self.refused += 1
        elif status != 200 or body not in bodies:
            return "%s: %d, %d bytes" % (path.decode(), status, len(body))
        return None

    def files(self, over):
        left = [(b"/hello.txt", HELLO), (b"/version.txt", *VERSIONS), (b"/medium.bin", MEDIUM)]
        wrong = None
        while left and not wrong:
            with Connection(self.ports[over], over == "tls", PATIENCE) as one:
                # A worker that leaves its place to another one says with an answer that it is the connection's last.
                while left and not wrong and not one.closes:
                    wrong = self.expect(one, *left.pop(0))
        return wrong

    def large(self, over):
        with Connection(self.ports[over], over == "tls", PATIENCE) as one:
            return self.expect(one, b"/large.bin", LARGE)

    def part(self):
        with Connection(self.ports["clear"], patience=PATIENCE) as one:
            first = self.choose.randrange(len(LARGE))
            one.say(b"GET /large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=%d-%d\r\n\r\n" % (first, first + 999))
            status, body = one.answer()
            self.refused += status == 503
            return None if status == 503 or (status, body) == (206, LARGE[first:first + 1000]) else "a part: %d" % status

    def missing(self):
        with Connection(self.ports["clear"], patience=PATIENCE) as one:
            one.say(get(b"/none"))
            status = one.answer()[0]
            self.refused += status == 503
            return None if status in (404, 503) else "a missing file: %d" % status

    def http2(self):
        bodies = http2_bodies(self.ports["clear"], [b"/hello.txt", b"/medium.bin", b"/large.bin"], patience=PATIENCE)
        return None if bodies == [HELLO, MEDIUM, LARGE] else "HTTP/2: %s" % [None if each is None else len(each) for each in bodies]

    def once(self):
        return self.choose.choice((lambda: self.files("clear"), lambda: self.files("clear"), lambda: self.files("tls"),
                                   lambda: self.large("clear"), lambda: self.large("tls"), self.part, self.missing,
                                   self.http2))()


def be_honest(ports, seed, ended, results):
    asking = Asking(ports, seed)
    times, problems = [], []
    while not ended.is_set():
        begun = time.monotonic()
        try:
            wrong = asking.once()
        except (OSError, AssertionError) as failure:
            wrong = "lost after %.1f s: %s %s" % (time.monotonic() - begun, type(failure).__name__, failure)
        times.append(time.monotonic() - begun)
        if wrong:
            problems.append(wrong)
        time.sleep(0.005)
    results.put((times, asking.refused, problems))


class Disturber(threading.Thread):
    """What goes on around the server, one thing after the other."""

    def __init__(self, server, scratch, choose, options):
        super().__init__(daemon=True)
        self.server, self.scratch, self.choose, self.options = server, scratch, choose, options
        self.ended = threading.Event()
        self.done = {}
        self.problems = []

    def stop_and_continue(self):
        """The process that serves, its master, or both."""
        master = self.server.process.pid
        stopped = self.choose.choice(({worker_of(master)}, {master}, {master, worker_of(master)}))
        self.tell(stopped, signal.SIGSTOP)
        try:
            self.ended.wait(self.choose.uniform(0.05, 0.8))
        finally:
            self.tell(stopped, signal.SIGCONT)

    def tell(self, processes, what):
        """A worker may have been followed by another: its directory was replaced."""
        for each in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, what)

    def set_the_clock(self):
        """The server's time of day is another, for a while or for good."""
        with open(os.path.join(self.scratch, "shift"), "r+b", buffering=0) as shift:
            shift.write(struct.pack("=q", self.choose.randrange(-DAY, DAY) * 1_000_000_000))

    def block_the_workers(self):
        """Nothing is in memory, and who opens a file waits. False if nobody came to wait."""
        with open(os.path.join(self.scratch, "disk"), "r+b", buffering=0) as disk:
            def waited():
                disk.seek(8)
                return struct.unpack("=q", disk.read(8))[0]

            def block(whether):
                disk.seek(0)
                disk.write(struct.pack("=q", whether))

            before = waited()
            block(1)
            try:
                end = time.monotonic() + BLOCKED_SECONDS
                while waited() == before and not self.ended.wait(0.01) and time.monotonic() < end:
                    pass
                self.ended.wait(self.choose.uniform(0.1, 1.5))
            finally:
                block(0)
            return waited() > before

    def cut_a_file(self):
        """Whoever is sent it gets what is there, and then an end: not checked but for the server's health."""
        path = os.path.join(self.scratch, "served", "cut.bin")
        try:
            with Connection(self.server.ports["clear"], patience=PATIENCE) as one:
                one.say(get(b"/cut.bin"))
                os.truncate(path, 1000)
                one.answer()
        except (OSError, AssertionError):
            pass
        finally:
            os.truncate(path, 2_000_000)

    def replace_the_directory(self):
        link = os.path.join(self.scratch, "served")
        now = os.readlink(link)
        new = link + ".new"
        os.symlink("root1" if now == "root0" else "root0", new)
        os.rename(new, link)

    def open_logs_anew(self):
        self.server.process.send_signal(signal.SIGHUP)

    def run(self):
        things = [self.stop_and_continue, self.cut_a_file, self.replace_the_directory, self.open_logs_anew]
        if self.options.clock:
            things.append(self.set_the_clock)
        if self.options.disk:
            things.append(self.block_the_workers)
        while not self.ended.wait(0.3):
            thing = self.choose.choice(things)
            try:
                happened = thing()
            except OSError as error:
                self.problems.append("%s: %s" % (thing.__name__, error))
                return
            if happened is not False:
                self.done[thing.__name__] = self.done.get(thing.__name__, 0) + 1


class Storm:
    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.choose = random.Random(options.seed)
        self.opened = self.held = self.shed = self.most_memory = 0
        for number in range(2):
            make_root(os.path.join(scratch, "root%d" % number), number)
        os.symlink("root0", os.path.join(scratch, "served"))
        self.server = Server(os.path.abspath(options.program), options.engine, os.path.join(scratch, "served"), scratch,
                             "--listings", "--send-buffer", "65536", "--access-log", os.path.join(scratch, "log"),
                             threads=options.threads, env=self.environment(),
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LOG_BYTES, LOG_BYTES)))

    def environment(self):
        libraries = {"shift": self.options.clock, "disk": self.options.disk}
        loaded = [os.path.abspath(each) for each in libraries.values() if each]
        if not loaded:
            return None
        names = {each: os.path.join(self.scratch, each) for each in libraries}
        for name in names.values():
            with open(name, "wb") as file:
                file.write(bytes(16))
        return os.environ | {"LD_PRELOAD": ":".join(loaded), "NARU_CLOCK_SHIFT": names["shift"],
                             "NARU_BLOCKED_DISK": names["disk"]}

    def blow(self, parts, until):
        """`parts`: (kind, number). Rounds until then, one at least."""
        crowd = Crowd(self.server.ports)
        for kind, count in parts:
            crowd.open(kind, count)
        self.opened += len(crowd.clients)
        crowd.round(first=True)
        while time.monotonic() < until:
            crowd.round()
            time.sleep(0.2)
        gone = crowd.reset()
        self.held = max(self.held, len(crowd.clients) - gone)
        self.shed += gone
        self.most_memory = max(self.most_memory, self.server.rss())
        crowd.leave()
        return gone

    def many(self, kind, of):
        return max(1, int(of * kind.share))

    def mixture(self, clients):
        return [(kind, self.many(kind, clients / len(KINDS))) for kind in KINDS.values()]

    def rage(self, until):
        """Each kind alone in two thirds of the time, the mixture in the rest; as many kinds as there is time for."""
        names = list(KINDS)
        random.Random(self.options.seed).shuffle(names)
        begun = time.monotonic()
        each = max(1.0, (until - begun) * 2 / 3 / len(names))
        for name in names:
            if time.monotonic() > begun + (until - begun) * 2 / 3:
                break
            count = self.many(KINDS[name], self.options.clients)
            gone = self.blow([(KINDS[name], count)], time.monotonic() + each)
            print("  %-48s %5d clients, %5d shed, %4d MiB" % (name, count, gone, self.server.rss()), flush=True)
        gone = self.blow(self.mixture(self.options.clients), until)
        print("  %-48s %5d clients, %5d shed, %4d MiB" % ("a mixture", self.options.clients, gone, self.server.rss()), flush=True)

    def settled(self, descriptors):
        end = time.monotonic() + PATIENCE
        while self.server.descriptors() > descriptors and time.monotonic() < end:
            time.sleep(0.05)
        return self.server.descriptors(), self.server.rss()

    def go(self):
        few = self.server.descriptors() + DESCRIPTORS_LEFT
        self.blow(self.mixture(len(KINDS) * 5), 0)
        before = self.settled(few)
        ended, results = multiprocessing.Event(), multiprocessing.Queue()
        honest = [multiprocessing.Process(target=be_honest, args=(self.server.ports, self.choose.random(), ended, results))
                  for _ in range(HONEST)]
        for each in honest:
            each.start()
        around = Disturber(self.server, self.scratch, random.Random(self.choose.random()), self.options)
        around.start()
        self.rage(time.monotonic() + self.options.seconds / 2)
        between = self.settled(few)[1]
        self.rage(time.monotonic() + self.options.seconds / 2)
        around.ended.set()
        around.join()
        ended.set()
        seen = [results.get(timeout=2 * PATIENCE) for _ in honest]
        for each in honest:
            each.join()
        after = self.settled(few)
        return self.report(few, before, between, after, around, seen)

    def report(self, few, before, between, after, around, seen):
        times = sorted(each for one, _, _ in seen for each in one)
        refused = sum(each for _, each, _ in seen)
        problems = around.problems + [each for _, _, some in seen for each in some]
        lost = len(problems)
        if after[0] > few:
            problems.append("%d descriptors, %d before" % (after[0], before[0]))
        if self.options.memory and after[1] > between + MEBIBYTES_LEFT * self.options.threads:
            problems.append("%d MiB of memory, %d after the first half" % (after[1], between))
        status = self.server.end()
        if status != 0:
            problems.append("it ended with %d" % status)
        problems += [each for each in ("AddressSanitizer", "ThreadSanitizer", "runtime error") if each in self.server.said()]
        print("around it: " + ", ".join("%s %d" % (name.replace("_", " "), count) for name, count in sorted(around.done.items())))
        for each in problems[:20]:
            print("  wrong: " + each)
        print("storm on %s, %d threads, %d s, seed %d: %d hostile connections, %d held at most, %d shed; honest: %d served, "
              "%d refused, %d lost, p50 %.0f ms, p99 %.0f ms, at most %.0f ms; descriptors %d, then %d; memory %d MiB, %d after "
              "the first half, then %d, at most %d" % (self.options.engine, self.options.threads, self.options.seconds, self.options.seed, self.opened,
                              self.held, self.shed, len(times) - refused - lost, refused, lost, times[len(times) // 2] * 1000,
                              times[len(times) * 99 // 100] * 1000, times[-1] * 1000, before[0], after[0], before[1], between, after[1],
                              self.most_memory))
        return bool(problems) or len(times) == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=4500)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--clock", help="the library by which the server's time of day is set (tests/storm/shifted_clock.cpp)")
    parser.add_argument("--disk", help="the library by which the server's disk does not answer (tests/storm/blocked_disk.cpp)")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="for a build with sanitizers, which keep memory")
    options = parser.parse_args()
    options.clients = min(options.clients, raise_descriptor_limit() // 4 * 3 - 100)
    with tempfile.TemporaryDirectory(prefix="naru-storm-") as scratch:
        storm = Storm(options, scratch)
        if storm.server.port is None:
            storm.server.process.wait(PATIENCE)
            print(storm.server.said().strip())
            sys.exit(77 if "cannot be used here" in storm.server.said() else 1)
        sys.exit(storm.go())


if __name__ == "__main__":
    main()
