"""The load: wrk, echo_client and idle_clients, and the one request that checks a server before it is loaded."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .processes import Failure
from .servers import SMALL, Server, Site

SCRIPTS = Path(__file__).resolve().parent.parent
GIB = 1 << 30


@dataclass(frozen=True)
class Load:
    """What wrk asks for."""

    path: str
    connections: int
    depth: int = 1  # pipelined requests in a write
    close: bool = False  # a new connection for each request

    @property
    def header(self) -> str | None:
        return "Connection: close" if self.close else None


@dataclass(frozen=True)
class Result:
    """What a client has counted."""

    requests: int
    seconds: float
    bytes: int
    p50_us: float
    p99_us: float


def fetch(port: int, path: str, header: str | None, body: bytes) -> bytes:
    """One GET as wrk sends it. Returns the whole answer, byte for byte; fails unless it is a 200 with `body`."""
    lines = [f"GET /{path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *([header] if header else []), "", ""]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall("\r\n".join(lines).encode())
            answer = b""
            head = b""
            expected = None
            while expected is None or len(answer) < expected:
                received = connection.recv(1 << 20)
                if not received:
                    break
                answer += received
                if expected is None and b"\r\n\r\n" in answer:
                    head = answer.partition(b"\r\n\r\n")[0]
                    expected = len(head) + 4 + len(body)
    except OSError as error:
        raise Failure(f"no answer to GET /{path}: {error}") from None
    status = head.split(b"\r\n")[0].decode(errors="replace")
    if not status.startswith("HTTP/1.1 200"):
        raise Failure(f"GET /{path} was answered with '{status or answer[:60].decode(errors='replace')}'")
    if f"content-length: {len(body)}".encode() not in head.lower().split(b"\r\n"):
        raise Failure(f"the answer to GET /{path} lacks the right Content-Length")
    if answer[len(head) + 4:] != body:
        raise Failure(f"GET /{path} was answered with a wrong body")
    return answer


# ---- wrk ---------------------------------------------------------------------------------------------------


def _wrk_command(port: int, load: Load, seconds: int, secure: bool = False) -> list[str]:
    script = SCRIPTS / ("report.lua" if load.depth == 1 else "pipeline.lua")
    header = ["-H", load.header] if load.header else []
    return [shutil.which("wrk") or "wrk", "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s", *header,
            "-s", str(script), f"http{'s' if secure else ''}://127.0.0.1:{port}/{load.path}", "--", str(load.connections), str(load.depth)]


@contextlib.contextmanager
def _running(command: list[str], core: int, **popen) -> Iterator[subprocess.Popen]:
    client = processes.start(command, core, signal.SIGKILL, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, **popen)
    try:
        yield client
    finally:
        processes.end(client)


def wrk_warm_up(port: int, load: Load, core: int, seconds: float) -> None:
    """wrk knows whole seconds only; on SIGINT it stops as it does at the end of its time."""
    with _running(_wrk_command(port, load, 60), core) as client:
        time.sleep(seconds)
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=20)


def wrk(port: int, load: Load, core: int, seconds: int, answer_size: int, secure: bool = False) -> Result:
    """A run of wrk; fails unless every request was answered as `fetch` was, on the connections it should be."""
    with _running(_wrk_command(port, load, seconds, secure), core) as client:
        time.sleep(0.3)
        early = processes.sockets(client.pid)
        time.sleep(seconds - 0.45)
        kept = len(early & processes.sockets(client.pid))
        output, errors = client.communicate(timeout=seconds + 30)
    try:
        said = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Failure(f"wrk: {(errors or output).strip() or 'no result'}") from None

    failed = {kind: count for kind, count in said["errors"].items() if count}
    if failed:
        raise Failure("wrk: " + ", ".join(f"{count} {kind} errors" for kind, count in failed.items()))
    requests = said["requests"]
    if requests == 0:
        raise Failure("wrk: no request was answered")
    # A partial answer for each of the requests in flight at the end, and nothing else, is as it should be.
    surplus = said["bytes"] - requests * answer_size
    if abs(surplus) > load.connections * load.depth * answer_size:
        raise Failure(f"answers of {said['bytes'] / requests:.0f} bytes on average, not of {answer_size}")
    # wrk reconnects in silence when a server closes a connection: its sockets tell. One in ten may be reopened,
    # as lighttpd closes after 65535 requests.
    if load.close and kept > len(early) / 10:
        raise Failure(f"{kept} of {len(early)} connections were kept alive")
    if not load.close and kept < len(early) * 9 / 10:
        raise Failure(f"{len(early) - kept} of {len(early)} connections were not kept alive")
    return Result(requests, said["seconds"], said["bytes"], said["p50_us"], said["p99_us"])


# ---- naru load: https --------------------------------------------------------------------------------------


def naru_load(program: Path, port: int, path: str, connections: int, core: int, seconds: float, *more: str,
              secure: bool = True, engine: str = "epoll") -> Result:
    """A run over TLS, or in clear text; fails if a request did."""
    where = [f"https://127.0.0.1:{port}/{path}", "--insecure"] if secure else [f"http://127.0.0.1:{port}/{path}"]
    command = [str(program), "load", *where, "--connections", str(connections), "--duration", f"{seconds:g}", "--warmup", "0",
               "--engine", engine, "--quiet", "--json", *more]
    with _running(command, core) as client:
        output, errors = client.communicate(timeout=seconds + 60)
    try:
        said = json.loads(output)
    except ValueError:
        raise Failure(f"naru load: {errors.strip() or 'no result'}") from None
    return _result_of(said)


def _result_of(said: dict) -> Result:
    if said["errors"]["total"]:
        raise Failure(f"naru load: {said['errors']}")
    latency = said["latency_us"]["service"]
    # Of too few requests there is none.
    middle, high = (float("nan") if latency[name] is None else latency[name] for name in ("p50", "p99"))
    return Result(said["requests"], said["measured_s"], said["bytes_received"], middle, high)


def generate(generator: Server, kind: str, site: Site, port: int, connections: int, core: int, seconds: int) -> Result:
    """A run of one of servers.GENERATORS for the small file: "clear", "tls", or "http2" with 16 streams a connection."""
    body = site.body(SMALL)
    if generator.name == "wrk":
        # The same head in every way: fetched in clear text it would be another port's.
        return wrk(port, Load(SMALL, connections), core, seconds, site.response.stat().st_size, secure=kind == "tls")
    if generator.name == "h2load":
        return h2load(port, SMALL, connections, 16, core, seconds, body)
    more = ["--http2", "--streams", "16"] if kind == "http2" else []
    return naru_load(site.build / "naru", port, SMALL, connections, core, seconds, *more, secure=kind == "tls",
                     engine=generator.name.partition("-")[2])


@contextlib.contextmanager
def idle_tls(program: Path, port: int, path: str, count: int, core: int, *more: str) -> Iterator[None]:
    """Connections that have asked once over TLS, and are silent."""
    command = [str(program), "load", f"https://127.0.0.1:{port}/{path}", "--insecure", "--connections", "1", "--idle", str(count),
               "--duration", "600", "--rate", "1", "--quiet", "--json", *more]
    with _running(command, core) as client:
        end = time.monotonic() + 120
        while len(processes.sockets(client.pid)) < count + 1:
            if client.poll() is not None or time.monotonic() > end:
                raise Failure(f"naru load holds {len(processes.sockets(client.pid))} of {count} connections")
            time.sleep(0.2)
        time.sleep(2)
        yield


def tls_floor(program: Path, certificate: Path, key: Path, core: int, seconds: float, *more: str) -> tuple[int, float]:
    """Handshakes in memory, and CPU microseconds of the server's half of each."""
    with _running([str(program), str(certificate), str(key), f"{seconds:g}", *more], core) as floor:
        output, errors = floor.communicate(timeout=seconds + 30)
    try:
        said = json.loads(output)
    except ValueError:
        raise Failure(errors.strip() or "floor_tls: no result") from None
    return said["handshakes"], said["cpu_us"]


# ---- h2load ------------------------------------------------------------------------------------------------


def h2load(port: int, path: str, connections: int, streams: int, core: int, seconds: float, body: bytes) -> Result:
    """HTTP/2 in clear text; fails unless every request was answered with 200 and the whole file."""
    command = [shutil.which("h2load") or "h2load", f"--duration={seconds * 1000:.0f}ms", "-t1", f"-c{connections}",
               f"-m{streams}", f"http://127.0.0.1:{port}/{path}"]
    with _running(command, core) as client:
        output, errors = client.communicate(timeout=seconds + 60)

    def number(pattern: str) -> float:
        found = re.search(pattern, output)
        if not found:
            raise Failure(f"h2load: {errors.strip() or 'no result'}")
        return float(found.group(1))

    requests = int(number(r"(\d+) succeeded"))
    failed = {kind: int(number(rf"(\d+) {kind}")) for kind in ("failed", "errored", "timeout")}
    if any(failed.values()):
        raise Failure("h2load: " + ", ".join(f"{count} {kind}" for kind, count in failed.items() if count))
    if requests == 0 or int(number(r"status codes: (\d+) 2xx")) < requests:
        raise Failure("h2load: not every request was answered with 200")
    data = number(r"\((\d+)\) data")
    if abs(data - requests * len(body)) > connections * streams * len(body):
        raise Failure(f"bodies of {data / requests:.0f} bytes on average, not of {len(body)}")
    units = {"us": 1.0, "ms": 1e3, "s": 1e6}
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)", output)
    middle = float(mean.group(1)) * units[mean.group(2)] if mean else float("nan")
    return Result(requests, seconds, int(data), middle, float("nan"))


# ---- echo_client -------------------------------------------------------------------------------------------


def echo(program: Path, port: int, connections: int, size: int, core: int, seconds: float,
         websocket: str = "") -> Result:
    """`websocket`: the path of one, whose messages these are; else plain bytes."""
    command = [str(program), str(port), "--connections", str(connections), "--size", str(size), "--seconds",
               f"{seconds:g}", *(["--websocket", websocket] if websocket else [])]
    with _running(command, core) as client:
        output, errors = client.communicate(timeout=seconds + 30)
    try:
        said = json.loads(output)
    except ValueError:
        raise Failure(f"echo_client: {errors.strip() or 'no result'}") from None
    if said["errors"] or client.returncode:
        raise Failure(f"echo_client: {said['errors']} connections failed")
    if said["round_trips"] == 0:
        raise Failure("echo_client: nothing came back")
    return Result(said["round_trips"], said["seconds"], said["round_trips"] * size, said["p50_us"], said["p99_us"])


# ---- curl --------------------------------------------------------------------------------------------------

TRANSFER_GIB = 2


def transfer(site: Site, port: int, upload: bool, core: int, secure: bool = False) -> Result:
    """One body, of bytes that lie nowhere: a file that is all hole. Handlers have /download, others the file."""
    hole = site.root / "download"
    if not hole.exists():
        with hole.open("wb") as file:
            file.truncate(TRANSFER_GIB * GIB)
        with hole.open("rb", buffering=0) as file:  # else whom it is measured with first pays for its pages
            while file.read(2**20):
                pass
    address = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
    kind = ["-H", "Expect:", "-T", str(hole), f"{address}/upload"] if upload else [f"{address}/download"]
    if secure:
        kind += ["--insecure", "--http1.1"]
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_upload} %{size_download} %{time_total}", *kind]
    with _running(command, core) as client:
        output, errors = client.communicate(timeout=300)
    said = output.split()
    if client.returncode or said[0] != "200":
        raise Failure(f"curl: {errors.strip() or output}")
    moved = int(said[1 if upload else 2])
    if moved != TRANSFER_GIB * GIB:
        raise Failure(f"curl: {moved} bytes were moved, not {TRANSFER_GIB * GIB}")
    seconds = float(said[3])
    return Result(1, seconds, moved, seconds * 1e6, seconds * 1e6)


# ---- kv_client ---------------------------------------------------------------------------------------------


def key_value(program: Path, port: int, connections: int, depth: int, core: int, seconds: float) -> Result:
    command = [str(program), str(port), "--connections", str(connections), "--depth", str(depth), "--seconds",
               f"{seconds:g}"]
    with _running(command, core) as client:
        output, errors = client.communicate(timeout=seconds + 30)
    try:
        said = json.loads(output)
    except ValueError:
        raise Failure(f"kv_client: {errors.strip() or 'no result'}") from None
    if said["errors"] or client.returncode:
        raise Failure(f"kv_client: {said['errors']} connections failed")
    if said["operations"] == 0:
        raise Failure("kv_client: nothing came back")
    return Result(said["operations"], said["seconds"], said["bytes"], said["p50_us"], said["p99_us"])


# ---- idle_clients ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def idle(site: Site, port: int, path: str, count: int, core: int) -> Iterator[None]:
    """`count` idle connections, each after one request; fails if any of them is not open to the end."""
    command = [str(site.build / "bench" / "idle_clients"), str(port), str(count), "--path", f"/{path}"]
    with _running(command, core, stdin=subprocess.PIPE) as client:
        readable, _, _ = select.select([client.stdout], [], [], 120)
        line = client.stdout.readline().strip() if readable else ""
        if line != f"held {count}":
            if readable:
                client.wait(5)
            raise Failure(client.stderr.readline().strip() if readable else "idle_clients: not done after 120 s")
        yield
        _, errors = client.communicate(timeout=60)
        if client.returncode:
            raise Failure(errors.strip())


# ---- hostile clients ---------------------------------------------------------------------------------------


# Of tests/http/hostile_clients.py; nginx lists no directory, so those who ask for listings are left out.
HOSTILE_KINDS = [
    "nobody",
    "readers that read nothing",
    "readers that read 100 bytes a round",
    "readers with a byte behind their request",
    "readers that send a byte later",
    "readers with 8 KiB behind their request",
    "bodies of which a byte came",
    "bodies that come byte by byte",
    "heads that come byte by byte",
    "heads of 12 KiB that do not end",
    "pipeliners of small files that do not read",
    "pipeliners of medium files that do not read",
    "pipeliners of missing files that do not read",
    "clients that say nothing",
    "clients that have had an answer",
    "mixture",
]


def hostile_site(site: Site) -> Site:
    """A directory of its own, with the files that they ask for."""
    made = dataclasses.replace(site, directory=site.directory / "hostile")
    if not made.root.exists():
        made.root.mkdir(parents=True)
        made.directory.chmod(0o755)
        subprocess.run([sys.executable, str(SCRIPTS / "hostile.py"), "--make", str(made.root)], check=True)
    return made


def hostile(port: int, kind: str, count: int, core: int, seconds: float) -> dict[str, float]:
    """An honest client's latencies while `count` of a kind come and stay."""
    command = [sys.executable, str(SCRIPTS / "hostile.py"), str(port), kind, str(count), f"{seconds:g}"]
    with _running(command, core) as client:
        output, errors = client.communicate(timeout=seconds + 120)
    try:
        return json.loads(output)
    except ValueError:
        raise Failure(f"hostile.py: {errors.strip().splitlines()[-1:] or 'no result'}") from None


# ---- strace ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def counted_calls(pid: int, core: int, counts: list[int]) -> Iterator[None]:
    """Appends the number of system calls that the process has made within the context. Slows it down a lot."""
    family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    attach = [word for member in family for word in ("-p", str(member))]
    with _running(["strace", "-f", "-c", "-U", "calls", *attach], core) as tracer:
        time.sleep(0.5)  # it attaches to every thread
        yield
        tracer.send_signal(signal.SIGINT)
        _, table = tracer.communicate(timeout=20)
    total = [line.split()[0] for line in table.splitlines() if line.split()[1:] == ["total"]]
    if not total:
        raise Failure(f"strace: {table.strip().splitlines()[-1:] or 'no counts'}")
    counts.append(int(total[0]))
