#!/usr/bin/env python3
"""Measures naru, the floors and its peers in one interleaved run, and says which targets are reached.

    bench/run_bench.py --build build
    bench/run_bench.py --build build --scenario keepalive echo --servers 'naru-*,floor-*,nginx' --rounds 9

How it measures:

- The server is pinned to one core, the client to another. Each measurement has a fresh server process, a
  check of one answer, half a second of load that does not count, then the load that does.
- In every round all servers are measured in turn (A B C, A B C, ...), so that a slow minute of the machine
  hits all of them. Figures are medians over the rounds with the lowest and the highest; ratios are formed
  within each round first.
- CPU per request is the user and system time of the server and its children, from their CPU clocks in
  nanoseconds, divided by the requests that the client has counted meanwhile. It is what a server costs,
  whether or not the load was enough to keep it busy ("server busy" says how far it was; in a closed loop
  with one core each the client often is the limit, and then requests/s says more about the client).
- On the loopback interface a send does the receiver's part of TCP as well, on the sender's core: all servers
  pay for it alike, and it bounds how far apart they can be.
- A measurement with any error (a refused or broken connection, a timeout, an answer that is not the expected
  one, connections not kept alive or kept alive when they should not be) is reported as invalid and not used.

Scenarios: keepalive, pipeline, idle, memory, large, connections, echo, key_value, calls, direct, generator, engines. bench/README.md describes them.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import fnmatch
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import clients, processes, report, scenarios, servers
from harness.processes import Cores, Failure
from harness.report import Results
from harness.scenarios import Group, Scenario, Settings
from harness.servers import Server, Site


def positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--build", type=Path, required=True, metavar="DIR",
                        help="the build directory: DIR/naru, DIR/examples/echo_coroutine, DIR/bench/*")
    parser.add_argument("--scenario", nargs="+", choices=scenarios.SCENARIO_NAMES, default=scenarios.DEFAULT_NAMES,
                        metavar="NAME", help=f"of {', '.join(scenarios.SCENARIO_NAMES)}; all but engines and hostile if left out")
    parser.add_argument("--rounds", type=positive, help="default 5")
    parser.add_argument("--seconds", type=positive, help="per measurement, default 3")
    parser.add_argument("--servers", default="*", metavar="LIST",
                        help="comma-separated names or patterns, such as 'naru-*,nginx'; all if left out")
    parser.add_argument("--quick", action="store_true",
                        help="1 round of 1 s and 2000 idle connections: whether everything works, not how fast")
    parser.add_argument("--idle-connections", type=positive, metavar="N",
                        help=f"default {scenarios.IDLE_CONNECTIONS}")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every single measurement there")
    parser.add_argument("--markdown", type=Path, metavar="OUT", help="write the tables there")
    parser.add_argument("--server-core", type=int, metavar="N", help="default: the highest core allowed")
    parser.add_argument("--client-core", type=int, metavar="N", help="default: the lowest core allowed")
    parser.add_argument("--naru-arguments", default="", metavar="ARGS", help="more arguments for 'naru serve'")
    arguments = parser.parse_args()
    if not arguments.build.is_dir():
        parser.error(f"{arguments.build} is not a directory")
    arguments.build = arguments.build.resolve()
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 5)
    arguments.seconds = arguments.seconds or (1 if arguments.quick else 3)
    arguments.idle_connections = (arguments.idle_connections
                                  or (2000 if arguments.quick else scenarios.IDLE_CONNECTIONS))
    return arguments


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def choose_cores(arguments: argparse.Namespace) -> Cores:
    allowed = sorted(os.sched_getaffinity(0))
    chosen = Cores(server=allowed[-1] if arguments.server_core is None else arguments.server_core,
                   client=allowed[0] if arguments.client_core is None else arguments.client_core)
    for core in (chosen.server, chosen.client):
        if core not in allowed:
            sys.exit(f"run_bench: core {core} is not one of the allowed ones, {allowed}")
    if not chosen.apart:
        progress("WARNING: server and client share one core: only CPU per request means anything")
    os.sched_setaffinity(0, {chosen.client})
    return chosen


def prepare_floor_response(site: Site, cores: Cores) -> str:
    """The floors answer with naru's own bytes, so that both put the same on the wire."""
    naru = servers.NARU["epoll"]
    reason = naru.missing(site)
    if not reason:
        try:
            with naru.running(site, cores) as (_, port):
                answer = clients.fetch(port, servers.SMALL, None, site.body(servers.SMALL))
                hello = clients.fetch(port, servers.HELLO, None, site.body(servers.HELLO))
            site.response.write_bytes(answer)
            site.hello_response.write_bytes(hello)
            return f"naru's answer, {len(answer)} bytes"
        except Failure as failure:
            reason = str(failure)
    body = site.body(servers.SMALL)
    head = ("HTTP/1.1 200 OK\r\nServer: naru\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
            f"Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"0-64\"\r\nContent-Length: {len(body)}\r\n\r\n")
    site.response.write_bytes(head.encode() + body)
    site.hello_response.write_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!")
    return f"an assumed answer of {len(head) + len(body)} bytes, as naru gave none ({reason})"


class Run:
    """One interleaved run over the chosen scenarios and servers."""

    def __init__(self, settings: Settings, chosen: list[Scenario]) -> None:
        self.settings = settings
        self.chosen = chosen
        self.results = Results()
        self._done = 0
        self._planned = 0

    def skip_missing(self) -> None:
        """Leaves out the servers that are not there, and scenarios whose client is not, each with a line."""
        site = self.settings.site
        for scenario in self.chosen:
            absent = [client for client in scenario.uses
                      if not (shutil.which(client) if client in ("wrk", "strace", "h2load", "curl")
                              else self.settings.program(client).is_file())]
            known = {server.name: server for group in scenario.groups for server in group.servers}
            for server in known.values():
                reason = f"the client {absent[0]} is neither built nor installed" if absent else server.missing(site)
                if reason:
                    self.results.skipped[scenario.name, server.name] = reason
            for line in self.results.skip_lines(scenario.name, list(known)):
                progress(f"{scenario.name}: {line}")
            takers = [server for group in scenario.groups for server in group.servers
                      if (scenario.name, server.name) not in self.results.skipped]
            self._planned += len(takers) * self.settings.rounds

    def run(self) -> None:
        seconds = self._planned * (self.settings.seconds + 1.2)
        progress(f"{self._planned} measurements, about {seconds / 60:.0f} min")
        for scenario in self.chosen:
            for round_ in range(self.settings.rounds):
                self._round(scenario, round_)

    def _round(self, scenario: Scenario, round_: int) -> None:
        pairs = [(group, server) for group in scenario.groups for server in group.servers]
        if scenario.paired:
            names = [server.name for server in scenario.groups[0].servers]
            pairs.sort(key=lambda pair: names.index(pair[1].name))
        for group, server in pairs:
            if (scenario.name, server.name) not in self.results.skipped:
                self._measure(group, server, round_)

    def _measure(self, group: Group, server: Server, round_: int) -> None:
        self._done += 1
        head = f"[{self._done}/{self._planned}] {group.name}, round {round_ + 1}: {server.name}: "
        try:
            metrics = group.measure(self.settings, server)
        except (Failure, subprocess.TimeoutExpired) as failure:
            self.results.add_invalid(group.name, server.name, round_, str(failure))
            progress(f"{head}INVALID: {failure}")
            return
        self.results.add(group.name, server.name, round_, metrics)
        progress(head + ", ".join(f"{metrics[metric.key]:.{metric.digits}f} {metric.title}"
                                  for metric in group.metrics))


def source_version() -> str | None:
    here = Path(__file__).resolve().parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        git = ["git", "-C", str(here)]
        commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], check=True, capture_output=True, text=True)
        changes = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True, text=True)
        return commit.stdout.strip() + (" with changes" if changes.stdout.strip() else "")
    return None


def collect_facts(settings: Settings, results: Results, response: str, began: datetime.datetime) -> dict[str, str]:
    site, cores = settings.site, settings.cores
    command = [os.path.relpath(sys.argv[0]) if os.path.isabs(sys.argv[0]) else sys.argv[0], *sys.argv[1:]]
    facts = {
        **report.machine(),
        "server's core": f"{cores.server} (client's: {cores.client})",
        "rounds": f"{settings.rounds}, of {settings.seconds} s each, interleaved",
        "floor's answer": response,
    }
    if disturbed := report.disturbance(results):
        facts["server's core, otherwise"] = "; ".join(disturbed)
    facts |= {f"version of {name}": version for name, version in servers.versions(site).items()}
    if commit := source_version():
        facts["source"] = commit
    facts |= {name.lower(): value for name, value in servers.describe_build(site.build).items()}
    facts["date"] = f"{began.isoformat(sep=' ', timespec='seconds')} UTC, " \
                    f"{(now_utc() - began).total_seconds() / 60:.0f} min"
    facts["command"] = shlex.join(command)
    return facts


def now_utc() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def as_json(run: Run, verdicts: list[report.Verdict], facts: dict[str, str]) -> str:
    measurements = [
        {"group": group, "server": server, "round": round_ + 1, **metrics}
        for (group, server), rounds in run.results.valid.items() for round_, metrics in rounds.items()]
    invalid = [
        {"group": group, "server": server, "round": round_ + 1, "reason": reason}
        for (group, server), rounds in run.results.invalid.items() for round_, reason in rounds.items()]
    skipped = [{"scenario": scenario, "server": server, "reason": reason}
               for (scenario, server), reason in run.results.skipped.items()]
    return json.dumps({
        "facts": facts,
        "targets": [{"target": verdict.claim, "verdict": verdict.state, "measured": verdict.detail}
                    for verdict in verdicts],
        "measurements": measurements, "invalid": invalid, "skipped": skipped,
    }, indent=1) + "\n"


def select_servers(all_scenarios: list[Scenario], patterns: list[str]) -> list[Scenario]:
    """The scenarios with only those servers that some pattern names."""
    names = {server.name for scenario in all_scenarios for group in scenario.groups for server in group.servers}
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            sys.exit(f"run_bench: no server is called '{pattern}': there are {', '.join(sorted(names))}")

    def selected(group: Group) -> Group:
        return dataclasses.replace(group, servers=[
            server for server in group.servers if any(fnmatch.fnmatchcase(server.name, each) for each in patterns)])

    return [dataclasses.replace(scenario, groups=list(map(selected, scenario.groups))) for scenario in all_scenarios]


def on_signal(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    arguments = parse_arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    began = now_utc()
    cores = choose_cores(arguments)
    descriptors = processes.raise_descriptor_limit()
    chosen = select_servers(
        [scenario for scenario in scenarios.scenarios(arguments.idle_connections)
         if scenario.name in arguments.scenario],
        [pattern.strip() for pattern in arguments.servers.split(",")])

    interrupted = False
    response = "not prepared"
    with tempfile.TemporaryDirectory(prefix="naru-bench-") as directory:
        site = Site(Path(directory), arguments.build, descriptors, shlex.split(arguments.naru_arguments))
        site.create()
        run = Run(Settings(site, cores, arguments.rounds, arguments.seconds, arguments.idle_connections), chosen)
        try:
            response = prepare_floor_response(site, cores)
            progress(f"the floors answer with {response}")
            run.skip_missing()
            run.run()
        except KeyboardInterrupt as interrupt:
            interrupted = True
            progress(f"INTERRUPTED ({interrupt}): what follows is what was measured until then")
        finally:
            processes.end_all()

        tables = [report.table_of(scenario, group, run.results) for scenario in chosen for group in scenario.groups]
        verdicts = report.judge(chosen, run.results)
        facts = collect_facts(run.settings, run.results, response, began)
    if arguments.quick:
        facts["NOTE"] = "--quick: this shows that everything works; the figures are no result"
    if interrupted:
        facts["NOTE"] = "interrupted before its end"
    made = report.Report(tables, verdicts, facts)
    print(made.text(), end="")
    if arguments.markdown:
        arguments.markdown.write_text(made.markdown())
    if arguments.json:
        arguments.json.write_text(as_json(run, verdicts, facts))
    if interrupted:
        return 130
    return 1 if run.results.invalid else 0


if __name__ == "__main__":
    sys.exit(main())
