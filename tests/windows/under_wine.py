"""What the scripts that drive naru.exe under wine share."""
import os
import re
import select
import subprocess
import sys
import unittest

PATIENCE = 30
WINE = "/usr/lib/wine/wine64"
PROGRAM = ""  # the wrapper that runs naru.exe


class Started:
    """A server that says its port in its first line, as `pattern` finds it; ended with the block."""

    def __init__(self, pattern, *arguments, program=None):
        self.process = subprocess.Popen([program or PROGRAM, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        self.line = self.process.stdout.readline() if ready else ""
        found = re.search(pattern, self.line)
        if found is None:
            self.process.kill()
            raise AssertionError("no server: " + self.line + self.process.stderr.read())
        self.port = int(found.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdout.close()
        self.process.stderr.close()


def run(*arguments, patience=PATIENCE):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=patience)


def main():
    """Runs the tests of the script; its first argument is the wrapper. The last line is for run_suites.py."""
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    outcome = unittest.main("__main__", exit=False, verbosity=2).result
    wrong = len(outcome.failures) + len(outcome.errors)
    for test, why in outcome.skipped:
        print("skipped %s: %s" % (test.id().split(".")[-1], why))
    print("passed %d of %d" % (outcome.testsRun - len(outcome.skipped) - wrong, outcome.testsRun - len(outcome.skipped)))
    sys.exit(1 if wrong else 0)
