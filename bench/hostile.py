#!/usr/bin/env python3
"""What an honest client waits while thousands of hostile ones hold what they can.

    bench/hostile.py PORT KIND COUNT SECONDS

Opens COUNT clients of a KIND (those of HTTP/1 in tests/http/hostile_kinds.py, or "mixture"; "nobody": none) from several
addresses, in one burst, beside an honest client that asks for /small.bin, on a new connection each time, from
before the burst until SECONDS after it. Prints one JSON object: the honest client's latencies in microseconds, and how
many of its requests were not answered. The site needs the files that `--make DIRECTORY` makes.
"""
import importlib
import json
import multiprocessing
import os
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 5.0
PAUSE = 0.002  # between two honest requests
QUICK = b"GET /small.bin HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


def hostile_clients():
    """The suite's kinds of clients and its crowd."""
    sys.path.insert(0, os.path.join(HERE, "..", "tests", "http"))
    return importlib.import_module("hostile_clients")


def make(directory, suite):
    for name, size in (("hello.txt", len(suite.HELLO)), ("small.bin", 100), ("page.bin", 4000),
                       ("medium.bin", suite.MEDIUM), ("large.bin", suite.LARGE)):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(b"x" * size)


def ask(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
        one.sendall(QUICK)
        text = b""
        while more := one.recv(65536):
            text += more
        return text.startswith(b"HTTP/1.1 200")


def be_honest(port, told):
    """One request after the other, each on a connection of its own, until something is said. A process of its own:
    the crowd's work is not to be measured."""
    requests = []  # (when it ended, how long it took, whether it was answered)
    while not told.poll(PAUSE):
        begun = time.monotonic()
        try:
            good = ask(port)
        except OSError:
            good = False
        ended = time.monotonic()
        requests.append((ended, ended - begun, good))
    told.send(requests)


def main():
    suite = hostile_clients()
    if sys.argv[1] == "--make":
        return make(sys.argv[2], suite)
    port, kind, count, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    suite.raise_descriptor_limit()
    kinds = {name: each for name, each in suite.GROUPS["http1"].items() if name != "listings that are not read"}
    parts = []
    if kind == "mixture":
        parts = [(each, max(1, int(count * each.share) // len(kinds))) for each in kinds.values()]
    elif kind != "nobody":
        parts = [(kinds[kind], max(1, int(count * kinds[kind].share)))]
    ours, its = multiprocessing.Pipe()
    honest = multiprocessing.Process(target=be_honest, args=(port, its))
    honest.start()
    crowd = suite.Crowd({"clear": port})
    time.sleep(0.2)
    begun = time.monotonic()
    for each, number in parts:
        crowd.open(each, number)
    came = time.monotonic() - begun
    crowd.round(first=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.5)
        crowd.round()
    ours.send("enough")
    counted = [each for each in ours.recv() if each[0] >= begun]
    honest.join()
    crowd.leave()
    ordered = sorted(took for _, took, _ in counted)

    def at(share):
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e6

    print(json.dumps({"requests": len(ordered), "failed": sum(not good for _, _, good in counted), "p50_us": at(0.5), "p99_us": at(0.99),
                      "max_us": at(1), "came_seconds": came}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
