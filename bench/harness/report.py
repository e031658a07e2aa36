"""From measurements to medians, ratios, targets and tables."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .scenarios import Group, Scenario


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float]) -> Spread | None:
        values = sorted(values)
        return Spread(statistics.median(values), values[0], values[-1]) if values else None

    def text(self, digits: int) -> str:
        if self.low == self.high:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}..{self.high:.{digits}f})"


@dataclass
class Results:
    """All measurements of a run, by group, server and round."""

    valid: dict[tuple[str, str], dict[int, dict[str, float]]] = field(default_factory=dict)
    invalid: dict[tuple[str, str], dict[int, str]] = field(default_factory=dict)
    skipped: dict[tuple[str, str], str] = field(default_factory=dict)  # by scenario and server

    def add(self, group: str, server: str, round_: int, metrics: dict[str, float]) -> None:
        self.valid.setdefault((group, server), {})[round_] = metrics

    def add_invalid(self, group: str, server: str, round_: int, reason: str) -> None:
        self.invalid.setdefault((group, server), {})[round_] = reason

    def spread(self, group: str, server: str, key: str) -> Spread | None:
        return Spread.of(metrics[key] for metrics in self.valid.get((group, server), {}).values())

    def ratio(self, key: str, group: str, server: str, to_group: str, to_server: str) -> Spread | None:
        """The ratio of two servers in each round in which both were measured: what disturbs a round disturbs
        both of them, so that this is steadier than the ratio of the medians."""
        of, to = self.valid.get((group, server), {}), self.valid.get((to_group, to_server), {})
        return Spread.of(of[round_][key] / to[round_][key] for round_ in of.keys() & to.keys() if to[round_][key] > 0)

    def skip_lines(self, scenario: str, servers: list[str]) -> list[str]:
        """Who was skipped, and why: a line for each reason."""
        by_reason: dict[str, list[str]] = {}
        for server in servers:
            if reason := self.skipped.get((scenario, server)):
                by_reason.setdefault(reason, []).append(server)
        return [f"SKIPPED: {', '.join(names)}: {reason}" for reason, names in by_reason.items()]

    def why_not(self, scenario: str, group: str, server: str) -> str:
        """Why a server has no result."""
        if reason := self.skipped.get((scenario, server)):
            return f"{server} was skipped: {reason}"
        if reasons := self.invalid.get((group, server)):
            return f"{server} has no valid measurement: {next(iter(reasons.values()))}"
        return f"{server} was not measured"


# ---- Tables ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]
    numbers: bool = True  # all columns but the first are aligned to the right

    def text(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows)]

        def line(cells: list[str]) -> str:
            return "  ".join(cell.rjust(width) if self.numbers and i > 0 else cell.ljust(width)
                             for i, (cell, width) in enumerate(zip(cells, widths))).rstrip()

        rule = "-" * max(len(line(cells)) for cells in [self.header, *self.rows])
        return "\n".join([self.title, rule, line(self.header), rule, *map(line, self.rows),
                          *(f"  {note}" for note in self.notes)])

    def markdown(self) -> str:
        def line(cells: list[str]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

        alignment = ["---", *["---:" if self.numbers else "---"] * (len(self.header) - 1)]
        return "\n".join([f"### {self.title}", "", line(self.header), line(alignment), *map(line, self.rows), "",
                          *(f"- {note}" for note in self.notes)]).rstrip()


def table_of(scenario: Scenario, group: Group, results: Results) -> Table:
    first = group.metrics[0]
    rows, notes = [], []
    for server in group.servers:
        measured = results.valid.get((group.name, server.name), {})
        reasons = results.invalid.get((group.name, server.name), {})
        for round_, reason in sorted(reasons.items()):
            notes.append(f"INVALID, not used: {server.name}, round {round_ + 1}: {reason}")
        if not measured:
            continue
        row = [server.name]
        for metric in group.metrics:
            row.append(results.spread(group.name, server.name, metric.key).text(metric.digits))
        for ratio in group.ratios:
            other = ratio.to(server)
            spread = other and results.ratio(first.key, group.name, server.name, ratio.group or group.name, other)
            row.append(spread.text(2) if spread else "-")
        row.append(f"{len(measured)}/{len(measured) + len(reasons)}")
        rows.append(row)
    notes += results.skip_lines(scenario.name, [server.name for server in group.servers])
    header = ["server", *(metric.title for metric in group.metrics), *(ratio.title for ratio in group.ratios), "valid"]
    return Table(f"{scenario.name}: {group.title}", header, rows, notes)


# ---- Targets -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """An upper limit for the first metric of a server: by itself, or in relation to another server's."""

    scenario: str
    group: str
    server: str
    limit: float
    to: str | None = None
    to_group: str | None = None
    strict: bool = False  # below the limit rather than at most the limit

    def claim(self, what: str) -> str:
        sign = "<" if self.strict else "<="
        where = f"{self.group}: {self.server} {what} {sign} "
        if self.to is None:
            return f"{where}{self.limit:g}"
        factor = "" if self.limit == 1 else f"{self.limit:g} x "
        return f"{where}{factor}{self.to}" + (f" in {self.to_group}" if self.to_group else "")


def _targets() -> list[Target]:
    def of(scenario: str, group: str, limit: float, to: str | None, engines: Iterable[str] = ("epoll", "io_uring"),
           **more) -> list[Target]:
        return [Target(scenario, group, f"naru-{engine}", limit, to and to.format(engine=engine), **more)
                for engine in engines]

    return [
        *of("keepalive", "keepalive-64", 1.2, "floor-{engine}"),
        *of("keepalive", "keepalive-512", 1.2, "floor-{engine}"),
        *of("keepalive", "keepalive-64", 0.45, "nginx", ["epoll"]),
        *of("keepalive", "keepalive-64", 0.33, "nginx", ["io_uring"]),
        *of("keepalive", "keepalive-64", 1, "h2o", strict=True),
        *of("keepalive", "keepalive-512", 1, "h2o", strict=True),
        *of("pipeline", "pipeline", 1.5, "floor-{engine}"),
        *of("idle", "idle-with", 1.1, "naru-{engine}", to_group="idle-without"),
        *of("memory", "memory", 185, None),
        *of("large", "large", 1, "nginx"),
        *of("connections", "connections", 1, "nginx", strict=True),
        *(target for peer in ("libuv", "libevent", "asio", "asio-callbacks")
          for target in of("echo", "echo", 1, peer, strict=True)),
        *of("keepalive", "keepalive-1", 1, "naru-epoll", ["io_uring"]),
        *of("keepalive", "keepalive-64", 0.9, "naru-epoll", ["io_uring"]),
        *of("keepalive", "keepalive-512", 0.9, "naru-epoll", ["io_uring"]),
        *of("connections", "connections", 0.75, "naru-epoll", ["io_uring"]),
        *of("calls", "calls-512", 0.2, None, ["io_uring"]),
        *of("direct", "direct", 1.5, None, ["direct"]),
        *(Target("generator", f"generator-{kind}", "load-epoll", 1, peer)
          for kind, peer in (("clear", "wrk"), ("tls", "wrk"), ("http2", "h2load"))),
        *of("tls", "tls-keepalive", 0.75, "nginx"),
        *(target for group in ("tls-new", "tls-resumed") for target in of("tls", group, 1 / 0.9, "floor-tls")),
        *(target for group in ("tls-new", "tls-resumed") for target in of("tls", group, 1, "nginx", strict=True)),
        *of("tls", "tls-large", 1, "nginx"),
        *of("tls", "tls-memory", 15 * 1024, None),
        *(target for group in ("tls-memory", "http2-memory") for peer in ("nginx", "h2o")
          for target in of("tls", group, 1, peer, strict=True)),
    ]


TARGETS = _targets()


@dataclass(frozen=True)
class Verdict:
    claim: str
    state: str  # reached, missed or not measured
    detail: str


def judge(ran: list[Scenario], results: Results) -> list[Verdict]:
    """The targets of the scenarios that ran, judged by the median over the rounds."""
    groups = {group.name: group for scenario in ran for group in scenario.groups}
    verdicts = []
    for target in TARGETS:
        if target.group not in groups:
            continue
        metric = groups[target.group].metrics[0]
        claim = target.claim(metric.title)
        to_group = target.to_group or target.group
        if target.to is None:
            spread = results.spread(target.group, target.server, metric.key)
        else:
            spread = results.ratio(metric.key, target.group, target.server, to_group, target.to)
        if spread is None:
            lacking = [results.why_not(target.scenario, group, server)
                       for group, server in ((target.group, target.server), (to_group, target.to))
                       if server and not results.valid.get((group, server))]
            verdicts.append(Verdict(claim, "not measured", "; ".join(dict.fromkeys(lacking)) or "in no common round"))
            continue
        reached = spread.median < target.limit or (spread.median == target.limit and not target.strict)
        detail = spread.text(2 if target.to else metric.digits) + (" x" if target.to else "")
        if (spread.high > target.limit) if reached else (spread.low < target.limit):
            detail += ", but the rounds do not agree"
        floor = next(server.floor for server in groups[target.group].servers if server.name == target.server)
        if target.to and floor and target.to != floor and to_group == target.group:
            # What could be reached at all.
            if of_floor := results.ratio(metric.key, target.group, floor, to_group, target.to):
                detail += f"; {floor} {of_floor.text(2)} x"
        verdicts.append(Verdict(claim, "reached" if reached else "missed", detail))
    return verdicts


# ---- The machine and the whole report ----------------------------------------------------------------------


def machine() -> dict[str, str]:
    said = {"kernel": f"{platform.system()} {platform.release()} {platform.machine()}"}
    with contextlib.suppress(OSError):
        information = Path("/proc/cpuinfo").read_text()
        for line in information.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                said["cpu"] = value.strip()
                break
        if "hypervisor" in information:
            said["virtual machine"] = "yes"
    said["cores"] = str(os.cpu_count())
    with contextlib.suppress(OSError):
        kib = int(Path("/proc/meminfo").read_text().split()[1])
        said["memory"] = f"{kib / (1 << 20):.1f} GiB"
    with contextlib.suppress(OSError):
        # It decides, among other things, whether sends are paced, on the loopback interface as well.
        control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
        said["tcp congestion control"] = control
    return said


def disturbance(results: Results) -> list[str]:
    """What else the server's core has been used for during the measurements."""
    measured = [metrics for rounds in results.valid.values() for metrics in rounds.values()]
    lines = []
    for key, what in (("stolen_percent", "taken by the hypervisor"), ("others_percent", "used by others")):
        spread = Spread.of(metrics[key] for metrics in measured if key in metrics)
        if spread:
            lines.append(f"{spread.median:.1f} % {what} (median; at worst {spread.high:.1f} %)")
    return lines


@dataclass(frozen=True)
class Report:
    tables: list[Table]
    verdicts: list[Verdict]
    facts: dict[str, str]  # the machine, the versions, the command

    def _verdict_table(self) -> Table:
        count = {state: sum(verdict.state == state for verdict in self.verdicts)
                 for state in ("reached", "missed", "not measured")}
        title = "Targets: " + ", ".join(f"{number} {state}" for state, number in count.items())
        return Table(title, ["target", "verdict", "measured"],
                     [[verdict.claim, verdict.state, verdict.detail] for verdict in self.verdicts], [], numbers=False)

    def _render(self, of_table: Callable[[Table], str], facts: list[str]) -> str:
        tables = [table for table in self.tables if table.rows or table.notes]
        if self.verdicts:
            tables.append(self._verdict_table())
        return "\n\n".join([*map(of_table, tables), "\n".join(facts)]) + "\n"

    def text(self) -> str:
        width = max(map(len, self.facts))
        return self._render(Table.text, [f"{name.ljust(width)}  {value}" for name, value in self.facts.items()])

    def markdown(self) -> str:
        return self._render(Table.markdown, [f"- {name}: {value}" for name, value in self.facts.items()])
