#!/usr/bin/env python3
"""Run a WebSocket acceptance suite against the chat example's /echo on one engine.

    run_acceptance.py PROGRAM ENGINE [arguments for the suite]

The suite is a program of its own, named by NARU_WEBSOCKET_SUITE, or ../shared/websocket/run_websocket.py beside the
checkout: it takes --port, --path and --pid, prints a line
for each failed case, `passed X of Y` at last, and exits with 0 if all have passed. Ends with 77 (skipped) without
one, or if the engine cannot be used here.
"""
import os
import re
import select
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
START_SECONDS = 30
CASES_SECONDS = 170
# On select a process has no more than 1,024 descriptors, and this case wants twice as many.
TOO_MANY_FOR_SELECT = "load/2000-idle"


def main() -> int:
    program, engine, arguments = sys.argv[1], sys.argv[2], sys.argv[3:]
    beside = os.path.join(HERE, "..", "..", "..", "shared", "websocket", "run_websocket.py")
    suite = os.environ.get("NARU_WEBSOCKET_SUITE", beside)
    if not os.path.exists(suite):
        print("skipped: there is no suite (NARU_WEBSOCKET_SUITE names it)")
        return SKIPPED
    server = subprocess.Popen([program, "--listen", "127.0.0.1:0", "--engine", engine, "--threads", "2"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        ready, _, _ = select.select([server.stdout], [], [], START_SECONDS)
        found = re.search(r"127\.0\.0\.1:(\d+)$", server.stdout.readline() if ready else "")
        if found is None:
            server.wait(START_SECONDS)
            text = server.stderr.read().strip()
            print(text)
            return SKIPPED if "cannot be used here" in text else 1
        cases = subprocess.run([sys.executable, suite, "--port", found.group(1), "--path", "/echo", "--pid",
                                str(server.pid), *arguments], timeout=CASES_SECONDS, capture_output=True, text=True,
                               check=False)
        print(cases.stdout)
        failed = re.findall(r"^FAIL (\S+):", cases.stdout, re.MULTILINE)
        if server.poll() is not None:
            print("the server has ended:", server.stderr.read())
            return 1
        if engine == "select" and failed == [TOO_MANY_FOR_SELECT]:
            return 0
        return cases.returncode
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
