"""The scenarios: which servers, which load, what is measured."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import clients, processes, servers
from .clients import Load, Result
from .processes import Cores
from .servers import HELLO, LARGE, SMALL, Server, Site

WARM_UP_SECONDS = 0.5
IDLE_CONNECTIONS = 15000
MANY_CONNECTIONS = 100_000
HOSTILE_CLIENTS = 4500


@dataclass(frozen=True)
class Settings:
    site: Site
    cores: Cores
    rounds: int
    seconds: int
    idle_connections: int

    def program(self, name: str) -> Path:
        return self.site.build / "bench" / name


# One measurement: the metrics by name. Raises Failure when the measurement is not valid.
Measure = Callable[[Settings, Server], dict[str, float]]


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    digits: int


@dataclass(frozen=True)
class Ratio:
    """A column that sets a server's first metric in relation to another one's, round by round."""

    title: str
    to: Callable[[Server], str | None]  # the other server's name; None: not for this server
    group: str | None = None  # where to look the other one up, if not in the same group


@dataclass(frozen=True)
class Group:
    """A table of the report. The first metric is the one that counts; less is better."""

    name: str
    title: str
    servers: list[Server]
    measure: Measure
    metrics: list[Metric]
    ratios: list[Ratio]


@dataclass(frozen=True)
class Scenario:
    name: str
    groups: list[Group]
    paired: bool = False  # measure all groups of a server one right after the other
    uses: list[str] = field(default_factory=list)  # the clients it cannot do without


CPU_PER_REQUEST = Metric("cpu_us", "CPU us/request", 2)
COMMON = [Metric("rate", "requests/s", 0), Metric("p50_us", "p50 us", 0), Metric("p99_us", "p99 us", 0),
          Metric("busy", "server busy %", 0)]

TRANSFER_METRICS = [Metric("cpu_s_per_gib", "CPU s/GiB", 3), Metric("gib_rate", "GiB/s", 2),
                    Metric("peak_mib", "MiB at most", 1), Metric("busy", "server busy %", 0)]

TO_FLOOR = Ratio("x floor", lambda server: server.floor)
TO_NGINX = Ratio("x nginx", lambda server: "nginx" if server.name != "nginx" else None)


def _under_load(settings: Settings, server_pid: int, load: Callable[[], Result]) -> dict[str, float]:
    """Runs `load` and sets it in relation to what the server has used meanwhile. The server is idle before and
    after, so that its CPU time belongs to exactly the requests that were counted; those that are in flight
    when the client stops (one burst for each connection at most) and opening the connections are in it."""
    core = settings.cores.server
    times = processes.core_times(core)
    began = time.monotonic()
    cpu = processes.cpu_ns(server_pid)
    result = load()
    time.sleep(0.02)  # the server closes its connections
    cpu = (processes.cpu_ns(server_pid) - cpu) / 1e9
    elapsed = time.monotonic() - began
    times_after = processes.core_times(core)
    stolen = times_after.stolen - times.stolen
    others = elapsed - (times_after.idle - times.idle) - stolen - cpu
    return {
        "cpu_us": cpu * 1e6 / result.requests,
        "cpu_s_per_gib": cpu * clients.GIB / result.bytes,
        "rate": result.requests / result.seconds,
        "gib_rate": result.bytes / clients.GIB / result.seconds,
        "p50_us": result.p50_us,
        "p99_us": result.p99_us,
        "busy": 100 * cpu / elapsed,
        "requests": result.requests,
        "seconds": result.seconds,
        "stolen_percent": max(0.0, 100 * stolen / elapsed),
        "others_percent": max(0.0, 100 * others / elapsed),
    }


def _http(load: Load, with_idle: bool = False) -> Measure:
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        site, client_core = settings.site, settings.cores.client
        with server.running(site, settings.cores) as (process, port):
            answer = clients.fetch(port, load.path, load.header, site.body(load.path))

            def loaded() -> dict[str, float]:
                clients.wrk_warm_up(port, load, client_core, WARM_UP_SECONDS)
                return _under_load(
                    settings, process.pid,
                    lambda: clients.wrk(port, load, client_core, settings.seconds, len(answer)))

            if not with_idle:
                return loaded()
            with clients.idle(site, port, load.path, settings.idle_connections, client_core):
                return loaded()

    return measure


def _http2(connections: int, streams: int) -> Measure:
    """h2load warms up in a run of its own: in its own warm-up it would not count the requests."""
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        site = settings.site
        with server.running(site, settings.cores) as (process, port):
            def load(seconds: float) -> Result:
                return clients.h2load(port, SMALL, connections, streams, settings.cores.client, seconds,
                                      site.body(SMALL))

            load(WARM_UP_SECONDS)
            return _under_load(settings, process.pid, lambda: load(settings.seconds))

    return measure


def _generator(kind: str, connections: int) -> Measure:
    """What a load generator costs: the processor time of the client, from its start to its end. The server is the same for
    all, on a core of its own."""
    def measure(settings: Settings, generator: Server) -> dict[str, float]:
        core = settings.cores.client
        server = {"clear": servers.NARU["epoll"], "tls": servers.TLS_SERVERS[0], "http2": servers.HTTP2_SERVERS[0]}[kind]
        with server.running(settings.site, settings.cores) as (_, port):
            clients.generate(generator, kind, settings.site, port, connections, core, 1)  # the server's warm-up
            times, began = processes.core_times(core), time.monotonic()
            used = processes.ended_children_seconds()
            result = clients.generate(generator, kind, settings.site, port, connections, core, settings.seconds)
            used = processes.ended_children_seconds() - used
            elapsed, after = time.monotonic() - began, processes.core_times(core)
        stolen = after.stolen - times.stolen
        return {"cpu_us": used * 1e6 / result.requests, "rate": result.requests / result.seconds, "p50_us": result.p50_us,
                "p99_us": result.p99_us, "busy": 100 * used / elapsed,
                "stolen_percent": max(0.0, 100 * stolen / elapsed),
                "others_percent": max(0.0, 100 * (elapsed - (after.idle - times.idle) - stolen - used) / elapsed)}

    return measure


def _echo(connections: int, size: int) -> Measure:
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        with server.running(settings.site, settings.cores) as (process, port):
            def load(seconds: float) -> Result:
                return clients.echo(settings.program("echo_client"), port, connections, size,
                                    settings.cores.client, seconds)

            load(WARM_UP_SECONDS)
            return _under_load(settings, process.pid, lambda: load(settings.seconds))

    return measure


def _websocket(connections: int, size: int) -> Measure:
    """Servers that are floors echo the bytes of a client's frame, header and mask included."""
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        is_floor = server.name.startswith("floor-")
        with server.running(settings.site, settings.cores) as (process, port):
            def load(seconds: float) -> Result:
                return clients.echo(settings.program("echo_client"), port, connections, size + 6 if is_floor else size,
                                    settings.cores.client, seconds, "" if is_floor else "/echo")

            load(WARM_UP_SECONDS)
            return _under_load(settings, process.pid, lambda: load(settings.seconds))

    return measure


def _key_value(connections: int, depth: int) -> Measure:
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        with server.running(settings.site, settings.cores) as (process, port):
            def load(seconds: float) -> Result:
                return clients.key_value(settings.program("kv_client"), port, connections, depth,
                                         settings.cores.client, seconds)

            load(WARM_UP_SECONDS)
            return _under_load(settings, process.pid, lambda: load(settings.seconds))

    return measure


def _libraries(settings: Settings, server: Server) -> dict[str, float]:
    """CPU per request, and then, in the same process, what an idle connection takes."""
    site, client_core = settings.site, settings.cores.client
    load = Load(HELLO, 64)
    with server.running(site, settings.cores) as (process, port):
        answer = clients.fetch(port, load.path, load.header, site.body(load.path))
        clients.wrk_warm_up(port, load, client_core, WARM_UP_SECONDS)
        metrics = _under_load(
            settings, process.pid, lambda: clients.wrk(port, load, client_core, settings.seconds, len(answer)))
        count = min(settings.idle_connections, server.most_connections(site))
        time.sleep(0.2)
        before = processes.memory(process.pid)
        with clients.idle(site, port, HELLO, count, client_core):
            time.sleep(0.5)
            after = processes.memory(process.pid)
    metrics["bytes"] = (after.anonymous - before.anonymous) / count
    return metrics


def _transfer(upload: bool, secure: bool = False) -> Measure:
    """One body of TRANSFER_GIB after the other by curl, and the largest the server has been meanwhile."""
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        site = settings.site
        with server.running(site, settings.cores) as (process, port):
            metrics = _under_load(settings, process.pid,
                                  lambda: clients.transfer(site, port, upload, settings.cores.client, secure))
            metrics["peak_mib"] = processes.peak_memory(process.pid) / 2**20
        return metrics

    return measure


def _memory(settings: Settings, server: Server) -> dict[str, float]:
    site = settings.site
    count = min(settings.idle_connections, server.most_connections(site))
    with server.running(site, settings.cores) as (process, port):
        clients.fetch(port, SMALL, None, site.body(SMALL))
        clients.wrk_warm_up(port, Load(SMALL, 16), settings.cores.client, WARM_UP_SECONDS)
        time.sleep(0.2)
        before = processes.memory(process.pid)
        with clients.idle(site, port, SMALL, count, settings.cores.client):
            time.sleep(0.5)
            after = processes.memory(process.pid)
    return {
        "bytes": (after.anonymous - before.anonymous) / count,
        "bytes_pss": (after.pss - before.pss) / count,
        "before_kib": before.anonymous / 1024,
        "after_kib": after.anonymous / 1024,
        "connections": count,
    }


def _tls(connections: int, *more: str) -> Measure:
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        if server.name == "floor-tls":
            return _tls_floor(settings, "--resume" in more)
        with server.running(settings.site, settings.cores) as (process, port):
            def load(seconds: float) -> Result:
                return clients.naru_load(settings.site.build / "naru", port, SMALL, connections, settings.cores.client, seconds, *more)

            load(WARM_UP_SECONDS)
            return _under_load(settings, process.pid, lambda: load(settings.seconds))

    return measure


def _tls_floor(settings: Settings, resumes: bool) -> dict[str, float]:
    """Handshakes without anything else: a core that is busy with the server's half of them alone."""
    site, core = settings.site, settings.cores.server
    site.make_certificate()
    times = processes.core_times(core)
    began = time.monotonic()
    handshakes, cpu_us = clients.tls_floor(settings.program("floor_tls"), site.certificate, site.key, core, settings.seconds,
                                           *(["--resume"] if resumes else []))
    elapsed = time.monotonic() - began
    stolen = processes.core_times(core).stolen - times.stolen
    return {"cpu_us": cpu_us, "rate": 1e6 / cpu_us, "p50_us": cpu_us, "p99_us": cpu_us, "busy": 100.0,
            "requests": handshakes, "seconds": elapsed, "stolen_percent": max(0.0, 100 * stolen / elapsed), "others_percent": 0.0}


def _tls_memory(settings: Settings, server: Server, *more: str) -> dict[str, float]:
    site = settings.site
    count = min(settings.idle_connections, server.most_connections(site), 5000)
    program = site.build / "naru"
    with server.running(site, settings.cores) as (process, port):
        clients.naru_load(program, port, SMALL, 16, settings.cores.client, WARM_UP_SECONDS)
        time.sleep(0.5)
        before = processes.memory(process.pid)
        with clients.idle_tls(program, port, SMALL, count, settings.cores.client, *more):
            after = processes.memory(process.pid)
    return {
        "bytes": (after.anonymous - before.anonymous) / count,
        "bytes_pss": (after.pss - before.pss) / count,
        "before_kib": before.anonymous / 1024,
        "after_kib": after.anonymous / 1024,
        "connections": count,
    }


def _many(settings: Settings, server: Server) -> dict[str, float]:
    """One process far past its descriptor limit: what 100 active connections notice of all the others. Each of
    the clients that hold these has a limit, too, so there are several."""
    site, client_core = settings.site, settings.cores.client
    load = Load(SMALL, 100)
    with server.running(site, settings.cores) as (process, port):
        answer = clients.fetch(port, SMALL, None, site.body(SMALL))
        clients.wrk_warm_up(port, load, client_core, WARM_UP_SECONDS)
        alone = clients.wrk(port, load, client_core, settings.seconds, len(answer))
        time.sleep(0.2)
        before = processes.memory(process.pid)
        with contextlib.ExitStack() as held:
            left = MANY_CONNECTIONS
            while left > 0:
                share = min(left, 16_000)
                held.enter_context(clients.idle(site, port, SMALL, share, client_core))
                left -= share
            time.sleep(0.5)
            after = processes.memory(process.pid)
            descriptors = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            beside = clients.wrk(port, load, client_core, settings.seconds, len(answer))
    return {
        "p99_ratio": beside.p99_us / alone.p99_us,
        "p99_us": beside.p99_us,
        "p99_alone_us": alone.p99_us,
        "mib": after.anonymous / 2**20,
        "bytes": (after.anonymous - before.anonymous) / MANY_CONNECTIONS,
        "descriptors": descriptors,
    }


def _calls(connections: int) -> Measure:
    """System calls per request, in a run of its own: traced calls take many times as long."""
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        site, client_core = settings.site, settings.cores.client
        load = Load(SMALL, connections)
        counts: list[int] = []
        with server.running(site, settings.cores) as (process, port):
            answer = clients.fetch(port, SMALL, None, site.body(SMALL))
            with clients.counted_calls(process.pid, client_core, counts):
                result = clients.wrk(port, load, client_core, settings.seconds, len(answer))
        return {"calls": counts[0] / result.requests, "rate": result.requests / result.seconds}

    return measure


def _hostile(kind: str) -> Measure:
    """What an honest client notices of thousands of hostile ones that come in one burst and stay."""
    def measure(settings: Settings, server: Server) -> dict[str, float]:
        site = clients.hostile_site(settings.site)
        count = min(HOSTILE_CLIENTS, server.most_connections(site) * 3 // 4)
        with server.running(site, settings.cores) as (process, port):
            clients.fetch(port, "small.bin", None, site.body("small.bin"))
            cpu = processes.cpu_ns(process.pid)
            found = clients.hostile(port, kind, count, settings.cores.client, settings.seconds)
            found["cpu_us"] = (processes.cpu_ns(process.pid) - cpu) / 1e3 / count  # the honest client's part is small
            found["mib"] = processes.memory(process.pid).anonymous / 2**20
        return found

    return measure


def scenarios(idle_connections: int) -> list[Scenario]:
    s = servers
    epoll, io_uring = s.NARU["epoll"], s.NARU["io_uring"]
    small_metrics = [CPU_PER_REQUEST, *COMMON]
    no_select = [server for server in s.SMALL_FILE_SERVERS if server.name != "naru-select"]
    burst_metrics = [CPU_PER_REQUEST, COMMON[0], Metric("p50_us", "burst p50 us", 0),
                     Metric("p99_us", "burst p99 us", 0), COMMON[3]]

    def keepalive(connections: int, takers: list[Server]) -> Group:
        return Group(f"keepalive-{connections}", f"keep-alive, 100-byte file, {connections} connections", takers,
                     _http(Load(SMALL, connections)), small_metrics, [TO_FLOOR, TO_NGINX])

    def engines(connections: int, size: int) -> Group:
        return Group(f"engines-{connections}-{size}", f"echo of {size} bytes, {connections} connections",
                     s.ENGINE_VARIANTS, _echo(connections, size),
                     [Metric("cpu_us", "CPU us/round trip", 2), Metric("rate", "round trips/s", 0), *COMMON[1:]],
                     [Ratio("x epoll", lambda server: "echo-epoll" if server.name != "echo-epoll" else None)])

    def generators(kind: str, title: str, peer: Server) -> Group:
        return Group(f"generator-{kind}", f"the load generator itself: {title}, 100-byte file, 64 connections",
                     [*s.LOAD_GENERATORS, peer], _generator(kind, 64),
                     [Metric("cpu_us", "CPU of the client us/request", 2), *COMMON[:-1], Metric("busy", "client busy %", 0)],
                     [Ratio(f"x {peer.name}", lambda each: peer.name if each.name != peer.name else None)])

    idle_servers = [epoll, io_uring, s.NGINX]
    active = Load(SMALL, 100)
    return [
        Scenario("keepalive", [keepalive(1, [epoll, io_uring, s.NGINX]), keepalive(64, s.SMALL_FILE_SERVERS),
                               keepalive(512, no_select)], uses=["wrk"]),
        Scenario("pipeline", [
            Group("pipeline", "16 pipelined requests, 100-byte file, 64 connections", s.SMALL_FILE_SERVERS,
                  _http(Load(SMALL, 64, depth=16)), burst_metrics, [TO_FLOOR, TO_NGINX]),
        ], uses=["wrk"]),
        Scenario("http2", [
            Group(f"http2-{connections}-{streams}",
                  f"HTTP/2 in clear text, 100-byte file, {connections} connections of {streams} streams",
                  s.HTTP2_SERVERS, _http2(connections, streams),
                  [CPU_PER_REQUEST, COMMON[0], Metric("p50_us", "mean us", 0), COMMON[3]],
                  [TO_NGINX, Ratio("x h2o", lambda server: "h2o" if server.name != "h2o" else None)])
            for connections, streams in ((64, 16), (64, 1))
        ], uses=["h2load"]),
        Scenario("idle", [
            Group("idle-without", "100 active connections alone", idle_servers, _http(active), small_metrics,
                  [TO_NGINX]),
            Group("idle-with", f"100 active connections beside {idle_connections} idle ones", idle_servers,
                  _http(active, with_idle=True), small_metrics,
                  [Ratio("x without", lambda server: server.name, "idle-without"), TO_NGINX]),
        ], paired=True, uses=["wrk", "idle_clients"]),
        Scenario("memory", [
            Group("memory", f"user memory of up to {idle_connections} idle connections, each after one request",
                  [epoll, io_uring, s.NGINX, s.H2O, s.LIGHTTPD], _memory,
                  [Metric("bytes", "bytes/connection", 0), Metric("bytes_pss", "by PSS", 0),
                   Metric("before_kib", "KiB before", 0), Metric("after_kib", "KiB after", 0),
                   Metric("connections", "connections", 0)], [TO_NGINX]),
        ], uses=["wrk", "idle_clients"]),
        Scenario("large", [
            Group("large", "1 MiB file, 16 connections", [epoll, io_uring, s.NGINX, s.H2O],
                  _http(Load(LARGE, 16)),
                  [Metric("cpu_s_per_gib", "CPU s/GiB", 3), Metric("gib_rate", "GiB/s", 2), *COMMON[1:]], [TO_NGINX]),
        ], uses=["wrk"]),
        Scenario("connections", [
            Group("connections", "a new connection for each request, 100-byte file, 64 at a time",
                  [epoll, io_uring, s.NGINX, s.H2O], _http(Load(SMALL, 64, close=True)), small_metrics, [TO_NGINX]),
        ], uses=["wrk"]),
        Scenario("tls", [
            Group("tls-keepalive", "TLS 1.3, keep-alive, 100-byte file, 64 connections", s.TLS_SERVERS, _tls(64), small_metrics,
                  [TO_NGINX]),
            Group("tls-new", "a new TLS connection for each request (ECDSA P-256), 32 at a time", [*s.TLS_SERVERS, s.TLS_FLOOR],
                  _tls(32, "--close"), small_metrics, [TO_FLOOR, TO_NGINX]),
            Group("tls-resumed", "a resumed TLS connection for each request, 32 at a time", [*s.TLS_SERVERS, s.TLS_FLOOR],
                  _tls(32, "--close", "--resume"), small_metrics, [TO_FLOOR, TO_NGINX]),
            Group("tls-large", f"an answer of {clients.TRANSFER_GIB} GiB over TLS", s.TLS_SERVERS, _transfer(False, secure=True),
                  TRANSFER_METRICS, [TO_NGINX]),
            Group("tls-memory", "user memory of up to 5000 idle TLS connections, each after one request", s.TLS_SERVERS, _tls_memory,
                  [Metric("bytes", "bytes/connection", 0), Metric("bytes_pss", "by PSS", 0), Metric("before_kib", "KiB before", 0),
                   Metric("after_kib", "KiB after", 0), Metric("connections", "connections", 0)], [TO_NGINX]),
            Group("http2-memory", "user memory of up to 5000 idle HTTP/2 connections over TLS, each after one request",
                  s.HTTP2_TLS_SERVERS, lambda settings, server: _tls_memory(settings, server, "--http2"),
                  [Metric("bytes", "bytes/connection", 0), Metric("bytes_pss", "by PSS", 0), Metric("before_kib", "KiB before", 0),
                   Metric("after_kib", "KiB after", 0), Metric("connections", "connections", 0)], [TO_NGINX]),
        ], uses=["curl"]),
        Scenario("echo", [
            Group("echo", "echo of 64 bytes, 64 connections", s.ECHO_SERVERS, _echo(64, 64),
                  [Metric("cpu_us", "CPU us/round trip", 2), Metric("rate", "round trips/s", 0), *COMMON[1:]],
                  [TO_FLOOR, Ratio("x libuv", lambda server: "libuv" if server.name != "libuv" else None)]),
        ], uses=["echo_client"]),
        Scenario("websocket", [
            Group("websocket", "echo of WebSocket messages of 64 bytes, 64 connections", s.WEBSOCKET_SERVERS,
                  _websocket(64, 64),
                  [Metric("cpu_us", "CPU us/round trip", 2), Metric("rate", "round trips/s", 0), *COMMON[1:]],
                  [TO_FLOOR]),
        ], uses=["echo_client"]),
        Scenario("libraries", [
            Group("libraries", '"Hello, World!" from a handler, 64 connections', s.LIBRARY_SERVERS, _libraries,
                  [CPU_PER_REQUEST, *COMMON, Metric("bytes", "bytes/idle connection", 0)], [TO_FLOOR]),
        ], uses=["wrk", "idle_clients"]),
        Scenario("transfers", [
            Group("upload", f"a body of {clients.TRANSFER_GIB} GiB, counted and dropped", s.UPLOAD_SERVERS,
                  _transfer(True), TRANSFER_METRICS, [TO_NGINX]),
            Group("download", f"an answer of {clients.TRANSFER_GIB} GiB", s.DOWNLOAD_SERVERS, _transfer(False),
                  TRANSFER_METRICS, [TO_NGINX]),
        ], uses=["curl"]),
        Scenario("key_value", [
            Group(f"key_value-{depth}", f"GET and SET of 32 bytes in turn, 50 connections, {depth} at a time",
                  s.KEY_VALUE_SERVERS, _key_value(50, depth),
                  [Metric("cpu_us", "CPU us/operation", 2), Metric("rate", "operations/s", 0), *COMMON[1:]],
                  [Ratio("x plain epoll", lambda server: server.floor),
                   Ratio("x Asio", lambda server: "asio" if server.name != "asio" else None)])
            for depth in (1, 16)
        ], uses=["kv_client"]),
        Scenario("engines", [engines(connections, size) for connections in (1, 64, 512)
                             for size in (64, 4096, 65536)], uses=["echo_client"]),
        Scenario("calls", [
            Group(f"calls-{connections}", f"system calls per request, keep-alive, {connections} connections (traced)",
                  [epoll, io_uring, s.NGINX, s.H2O], _calls(connections),
                  [Metric("calls", "calls/request", 2), Metric("rate", "requests/s, traced", 0)], [TO_NGINX])
            for connections in (64, 512)
        ], uses=["wrk", "strace"]),
        Scenario("generator", [
            generators("clear", "keep-alive", s.WRK),
            generators("tls", "TLS 1.3, keep-alive", s.WRK),
            generators("http2", "HTTP/2, 16 streams a connection", s.H2LOAD),
        ]),
        Scenario("hostile", [
            Group(f"hostile-{number}", f"an honest client beside {HOSTILE_CLIENTS} hostile ones: {kind}",
                  [epoll, io_uring, s.NGINX], _hostile(kind),
                  [Metric("max_us", "longest us", 0), Metric("p99_us", "p99 us", 0), Metric("p50_us", "p50 us", 0),
                   Metric("cpu_us", "CPU us/hostile client", 1), Metric("failed", "not answered", 0), Metric("requests", "requests", 0),
                   Metric("came_seconds", "came in s", 2), Metric("mib", "MiB of user memory", 1)], [TO_NGINX])
            for number, kind in enumerate(clients.HOSTILE_KINDS)
        ]),
        Scenario("direct", [
            Group("direct", f"{MANY_CONNECTIONS} connections in one process on direct descriptors, 100 of them active",
                  [s.NARU_DIRECT], _many,
                  [Metric("p99_ratio", "p99 x alone", 2), Metric("mib", "MiB of user memory", 1),
                   Metric("bytes", "bytes/connection", 0), Metric("descriptors", "descriptors", 0),
                   Metric("p99_us", "p99 us", 0), Metric("p99_alone_us", "p99 us alone", 0)], []),
        ], uses=["wrk", "idle_clients"]),
    ]


SCENARIO_NAMES = [scenario.name for scenario in scenarios(IDLE_CONNECTIONS)]
# What runs if nothing is asked for: the engines side by side, and the hostile clients of each kind, take as long again.
DEFAULT_NAMES = [name for name in SCENARIO_NAMES if name not in ("engines", "hostile")]
