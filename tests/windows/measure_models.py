#!/usr/bin/env python3
"""One loop on a completion port against several workers on one: naru.exe lab-server under wine, under load from the
native `naru load`. Models take turns, a fresh server each time; the table has medians, and the range of the rates.

    measure_models.py BUILD NARU [--rounds N] [--seconds S] [--connections N]

BUILD is the build directory of the preset `windows`, NARU the native program. Processor time is from /proc: the server's
own, and that of wine's server, which all requests go through.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

from run_suites import HERE, Wine
from stress_under_wine import processes
import under_wine

MODELS = (("iocp", 1), ("iocp-workers", 1), ("iocp-workers", 2))
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        words = file.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICK


def is_wineserver(pid):
    with open("/proc/%d/cmdline" % pid, "rb") as file:
        return b"wineserver" in file.read()


def measure(model, threads, prefix, naru, options):
    arguments = ["lab-server", "--model", model] + (["--threads", str(threads)] if threads > 1 else [])
    with under_wine.Started(r"^ready (\d+)", *arguments) as server:
        pids = processes(prefix)
        wine = [each for each in pids if is_wineserver(each)]
        ours = [each for each in pids if each not in wine]
        before = [sum(map(cpu_seconds, each)) for each in (ours, wine)]
        said = subprocess.run(
            [naru, "load", "http://127.0.0.1:%d/64" % server.port, "--json", "--quiet", "--warmup", "0",
             "--connections", str(options.connections), "--duration", str(options.seconds)],
            capture_output=True, text=True, check=True)
        after = [sum(map(cpu_seconds, each)) for each in (ours, wine)]
        made = json.loads(said.stdout)
        assert made["errors"]["total"] == 0, made["errors"]
        used = [(b - a) * 1e6 / made["answered"] for a, b in zip(before, after)]
        return [made["requests_per_s"], *used, made["latency_us"]["service"]["p99"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("naru")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    under_wine.PROGRAM = os.path.join(HERE, "naru-under-wine")
    seen = {each: [] for each in MODELS}
    with Wine(os.path.abspath(options.build)) as wine:
        os.environ.update(wine.environment)
        for _ in range(options.rounds):
            for each in MODELS:
                seen[each].append(measure(*each, wine.environment["WINEPREFIX"], options.naru, options))
    print("| model | threads | requests/s | range | server CPU us/request | wine server's | p99 ms |\n"
          "|---|---|---|---|---|---|---|")
    for (model, threads), rows in seen.items():
        rates, ours, wines, p99 = zip(*rows)
        middle = statistics.median
        print("| %s | %d | %.0f | %.0f-%.0f | %.0f | %.0f | %.1f |" % (
            model, threads, middle(rates), min(rates), max(rates), middle(ours), middle(wines), middle(p99) / 1000))


if __name__ == "__main__":
    sys.exit(main())
