#!/usr/bin/env python3
"""Run the suites that were built for Windows under wine, and drive its server from native clients.

    run_suites.py BUILD [--targets] [--ci] [--stress] [NAME ...]

BUILD is the build directory of the preset `windows`; its prefix/ becomes wine's home, its log/ takes each suite's
output. --ci runs the conformance suite of each engine, and of all else the completion port's. The conformance suites of
select and poll, and the bursts, run beside other processes that use the machine: a loop's threads are then stopped
anywhere. --stress adds thousands of connections and a hunt for leaks. NAME runs only the suites whose names begin like
that. --targets says what has to be built for them, and runs nothing. The last
line says what passed; the exit code is 0 if all did.
"""
import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
WINE = "/usr/lib/wine/wine64"
SERVER = "/usr/lib/wine/wineserver64"
ENGINES = ("iocp", "select", "poll")


@contextlib.contextmanager
def busy_machine():
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


class Wine:
    """A wine server that stays up from the first suite to the last: a start takes longer than most suites."""

    def __init__(self, build):
        self.environment = dict(
            os.environ, WINEPREFIX=os.path.join(build, "prefix"), WINEDEBUG="-all", WINEARCH="win64",
            WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe=d", NARU_EXE=os.path.join(build, "naru.exe"))
        self.environment.pop("DISPLAY", None)

    def __enter__(self):
        os.makedirs(self.environment["WINEPREFIX"], exist_ok=True)
        subprocess.run([SERVER, "-p"], env=self.environment, check=True)
        subprocess.run([WINE, "wineboot", "-u"], env=self.environment, check=True, timeout=180,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        subprocess.run([SERVER, "-k"], env=self.environment, check=False)  # with what is left in this prefix


class Suite:
    def __init__(self, name, target, command, seconds, busy=False):
        self.name, self.target, self.command, self.seconds, self.busy = name, target, command, seconds, busy
        self.passed = self.failed = self.skipped = 0
        self.problem = ""

    def run(self, wine, log):
        with busy_machine() if self.busy else contextlib.nullcontext():
            self.run_here(wine, log)

    def run_here(self, wine, log):
        began = time.monotonic()
        with open(log, "w") as output:
            process = subprocess.Popen(self.command, env=wine.environment, stdout=output, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = "no end after %d s" % self.seconds
        self.took = time.monotonic() - began
        with open(log, errors="replace") as output:
            self.count(output.read())
        if code != 0:
            self.problem = "exit %s" % code
            self.failed = max(self.failed, 1)
        elif self.passed == 0:
            self.problem, self.failed = "nothing ran", 1

    def count(self, text):
        ours = re.search(r"^passed (\d+) of (\d+)$", text, re.M)  # the acceptance cases and the scripts here
        if ours:
            self.passed = int(ours[1])
            self.failed = int(ours[2]) - self.passed
            self.reasons = re.findall(r"^skipped (\S+): (.*)$", text, re.M)
            self.skipped = len(self.reasons)
            return
        for word, field in (("PASSED", "passed"), ("FAILED", "failed"), ("SKIPPED", "skipped")):
            found = re.findall(r"^\[  %s\s*\] (\d+) tests?[.,]" % word, text, re.M)
            setattr(self, field, int(found[-1]) if found else 0)
        self.reasons = re.findall(r"^\[ RUN      \] (\S+)\n.*: Skipped\n(.*)\n", text, re.M)


def suites(build, quick, stress):
    def program(name, target, where, seconds, *arguments, busy=False):
        return Suite(name, target, [WINE, os.path.join(build, "tests", where, target + ".exe"), *arguments], seconds,
                     busy)

    def native(name, script, seconds, *arguments, busy=False):
        return Suite(name, "naru-program", [sys.executable, os.path.join(TESTS, *script.split("/")),
                                            os.path.join(HERE, "naru-under-wine"), *arguments], seconds, busy)

    engines = ENGINES[:1] if quick else ENGINES
    yield program("unit", "unit_tests", "", 120)
    yield program("load-text", "load_tests", "load", 120)
    yield program("http-text", "http_text_tests", "http", 120)
    for engine in ENGINES:
        yield program("conformance-" + engine, "conformance_tests", "", 300,
                      "--gtest_filter=*/%s:SendFileByCopy.*" % engine, busy=engine != "iocp")
    for engine in engines:
        only = "--gtest_filter=*/" + engine
        yield program("http-" + engine, "http_server_tests", "http", 300, only)
        yield program("http-threads-" + engine, "http_thread_tests", "http", 300, only)
    for engine in engines:
        yield native("acceptance-" + engine, "http/acceptance/run_acceptance.py", 180, engine)
        yield native("bursts-" + engine, "windows/bursts_under_wine.py", 300, engine, busy=True)
    yield native("program", "windows/program_under_wine.py", 120)
    yield native("load", "windows/load_under_wine.py", 300, os.path.join(os.path.dirname(build), "release", "naru"))
    yield native("lab-server", "windows/lab_server_under_wine.py", 120)
    yield native("service", "windows/service_under_wine.py", 180)
    if stress:
        yield native("stress", "windows/stress_under_wine.py", 1800)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--targets", action="store_true")
    parser.add_argument("--ci", action="store_true")
    parser.add_argument("--stress", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_intermixed_args()
    build = os.path.abspath(options.build)
    wanted = [suite for suite in suites(build, options.ci, options.stress)
              if not options.names or any(suite.name.startswith(each) for each in options.names)]
    if not wanted:
        parser.error("no suite is called like that")
    if options.targets:
        print(*sorted({suite.target for suite in wanted}))
        return
    logs = os.path.join(build, "log")
    os.makedirs(logs, exist_ok=True)
    began = time.monotonic()
    done = []
    with Wine(build) as wine:
        for suite in wanted:
            suite.run(wine, os.path.join(logs, suite.name + ".txt"))
            done.append(suite)
            print("%-22s %4d passed, %2d skipped, %d failed  %5.1f s  %s" % (
                suite.name, suite.passed, suite.skipped, suite.failed, suite.took, suite.problem), flush=True)
    reasons = {}
    for suite in done:
        for test, why in getattr(suite, "reasons", []):
            reasons.setdefault(why, set()).add(test.split("/")[1] if "/" in test else test)
    for why, tests in sorted(reasons.items()):
        print("skipped: %s: %s" % (why, ", ".join(sorted(tests))))
    failed = sum(each.failed for each in done)
    for suite in done:
        if suite.failed:
            log = os.path.join(logs, suite.name + ".txt")
            print("failed: %s, of which %s ends:" % (suite.name, log))
            with open(log, errors="replace") as output:
                print("".join("  " + line for line in output.readlines()[-20:]), end="")
    print("under wine: %d passed, %d skipped, %d failed in %.0f s" % (
        sum(each.passed for each in done), sum(each.skipped for each in done), failed, time.monotonic() - began))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
