"""The servers of the benchmarks: how each is started, and configured as its own people would for this load."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .processes import Cores, Failure

EPOLL_FLOOR = "floor-epoll"  # all peers run on epoll

SMALL = "small.txt"
LARGE = "large.bin"
HELLO = "hello"  # what handlers answer, and a file for those who serve files


@dataclass
class Site:
    """The directory of a run: the files that are served, and whatever the servers write."""

    directory: Path
    build: Path
    descriptors: int
    naru_arguments: list[str]

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def certificate(self) -> Path:
        return self.directory / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.directory / "key.pem"

    def make_certificate(self) -> None:
        """ECDSA, for the scenarios over TLS; once."""
        if self.certificate.exists():
            return
        try:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(self.key),
                            "-out", str(self.certificate)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Failure(f"openssl makes no certificate: {error}") from None
        self.key.chmod(0o644)

    @property
    def response(self) -> Path:
        """What the floors answer: the bytes of naru's answer for the small file."""
        return self.directory / "response"

    @property
    def hello_response(self) -> Path:
        """The same for the greeting."""
        return self.directory / "hello_response"

    def create(self) -> None:
        # Readable for a server that gives up its privileges.
        self.directory.chmod(0o755)
        self.root.mkdir()
        (self.root / SMALL).write_bytes(b"0123456789" * 10)
        (self.root / HELLO).write_bytes(b"Hello, World!")
        (self.root / LARGE).write_bytes(bytes(range(256)) * 4096)

    def body(self, path: str) -> bytes:
        return (self.root / path).read_bytes()


# Writes the configuration files it needs below a directory and returns the command line.
Command = Callable[[Site, Path, int], list[str]]


@dataclass(frozen=True)
class Server:
    name: str
    program: str  # a path below the build directory, or the name of an installed program
    command: Command
    floor: str | None = None  # the server that marks how low the cost could be at all
    what: str = ""
    installed: bool = False  # not one of the build's programs
    descriptors_per_connection: int = 1
    idle_connections: int | None = None  # no more than these can be kept

    def most_connections(self, site: Site) -> int:
        most = site.descriptors // self.descriptors_per_connection - 500
        return most if self.idle_connections is None else min(most, self.idle_connections)

    def path(self, site: Site) -> str:
        """The program, or nothing. What the build makes is not looked for elsewhere: it could be another one."""
        if not self.installed:
            inside = site.build / self.program
            return str(inside) if inside.is_file() else ""
        # Debian keeps servers in sbin, which is not in everyone's PATH.
        return shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""

    def missing(self, site: Site) -> str | None:
        """Why the server cannot take part, or None."""
        return None if self.path(site) else f"{self.program} is not {'installed' if self.installed else 'built'}"

    @contextlib.contextmanager
    def running(self, site: Site, cores: Cores) -> Iterator[tuple[subprocess.Popen, int]]:
        """A fresh process that listens, and its port; ended on the way out."""
        directory = site.directory / self.name
        directory.mkdir(exist_ok=True)
        log = directory / "output.log"
        port = processes.free_port()
        with log.open("wb") as output:
            process = processes.start(
                [self.path(site), *self.command(site, directory, port)], cores.server,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            try:
                processes.wait_until_connectable(process, port)
            except Failure as failure:
                last = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise Failure(": ".join([str(failure), *last])) from None
            yield process, port
        finally:
            processes.end(process)


# ---- naru and its floors -----------------------------------------------------------------------------------


def _naru(engine: str) -> Server:
    def command(site: Site, _: Path, port: int) -> list[str]:
        return ["serve", str(site.root), "--no-sandbox", "--listen", f"127.0.0.1:{port}", "--engine", engine, "--threads", "1",
                *site.naru_arguments]

    floor = {"select": None, "poll": None, "io_uring": "floor-io_uring"}.get(engine, EPOLL_FLOOR)
    return Server(f"naru-{engine}", "naru", command, floor, f"naru on {engine}")


def _naru_tls(engine: str) -> Server:
    def command(site: Site, _: Path, port: int) -> list[str]:
        site.make_certificate()
        return ["serve", str(site.root), "--no-sandbox", "--listen-tls", f"127.0.0.1:{port}", "--tls", f"{site.certificate},{site.key}",
                "--engine", engine, "--threads", "1", *site.naru_arguments]

    return Server(f"naru-{engine}", "naru", command, "floor-tls", f"naru on {engine}, TLS")


def _naru_echo(engine: str) -> Server:
    return Server(f"naru-{engine}", "examples/echo_coroutine", lambda site, _, port: [str(port), engine],
                  f"floor-{engine}", f"naru's coroutine echo example on {engine}")


def _naru_http2(engine: str) -> Server:
    return Server(f"naru-{engine}", "naru",
                  lambda site, _, port: ["serve", str(site.root), "--no-sandbox", "--listen", f"127.0.0.1:{port}", "--engine", engine,
                                         "--threads", "1", "--h2c", *site.naru_arguments],
                  what=f"naru on {engine}, HTTP/2 in clear text")


def _floor(engine: str, echo: bool) -> Server:
    return Server(f"floor-{engine}", f"bench/floor_{engine}",
                  lambda site, _, port: [str(port), "--echo" if echo else str(site.response)],
                  what=f"the least work on {engine}: no parser, a prebuilt answer")


def _hello_floor(engine: str) -> Server:
    return Server(f"floor-{engine}", f"bench/floor_{engine}", lambda site, _, port: [str(port), str(site.hello_response)],
                  what=f"the least work on {engine}: no parser, a prebuilt answer")


def _naru_handler(engine: str, kind: str) -> Server:
    return Server(f"naru-{engine}" if kind == "function" else f"naru-{kind}-{engine}", "bench/hello_naru",
                  lambda site, _, port: [str(port), engine, kind], f"floor-{engine}", f"naru, a {kind} handler on {engine}")


# ---- Peers -------------------------------------------------------------------------------------------------


def _nginx(name: str, sendfile: str, what: str, listen: str = "", tls: bool = False) -> Server:
    def command(site: Site, directory: Path, port: int) -> list[str]:
        if tls:
            site.make_certificate()
        secured = f"""
        ssl_certificate {site.certificate};
        ssl_certificate_key {site.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets on;
        ssl_session_timeout 1h;""" if tls else ""
        configuration = directory / "nginx.conf"
        temporary = "\n    ".join(f"{kind}_temp_path {directory}/{kind};"
                                  for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        configuration.write_text(f"""\
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
worker_processes 1;
worker_rlimit_nofile {site.descriptors};
pid {directory}/nginx.pid;
error_log {directory}/error.log error;
events {{
    use epoll;
    worker_connections {site.descriptors - 500};
}}
http {{
    access_log off;
    {sendfile}
    tcp_nodelay on;
    open_file_cache max=1000 inactive=1h;
    open_file_cache_valid 1h;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    default_type application/octet-stream;
    {temporary}
    server {{
        listen 127.0.0.1:{port} backlog=4096{" ssl" if tls else ""}{listen};{secured}
        root {site.root};
    }}
}}
""")
        return ["-p", str(directory), "-e", str(directory / "error.log"), "-c", str(configuration)]

    return Server(name, "nginx", command, EPOLL_FLOOR, what, installed=True)


def _nginx_transfer(name: str, what: str) -> Server:
    """Serves the root, and drops what is sent to /upload."""
    plain = _nginx(name, "sendfile on;\n    client_max_body_size 0;", what)

    def command(site: Site, directory: Path, port: int) -> list[str]:
        line = plain.command(site, directory, port)
        configuration = Path(line[-1])
        text = configuration.read_text().replace(f"root {site.root};", f"root {site.root};\n        "
                                                 "location /upload { return 200; }")
        configuration.write_text(text)
        return line

    return Server(name, "nginx", command, None, what, installed=True)


def _h2o(tls: bool = False, http2: str = "OFF") -> Server:
    def command(site: Site, directory: Path, port: int) -> list[str]:
        if tls:
            site.make_certificate()
        secured = f"""
  ssl:
    certificate-file: {site.certificate}
    key-file: {site.key}""" if tls else ""
        configuration = directory / "h2o.conf"
        configuration.write_text(f"""\
{"user: root" if os.geteuid() == 0 else ""}
num-threads: 1
max-connections: {site.descriptors - 500}
http1-request-timeout: 3600
http1-upgrade-to-http2: {http2}
pid-file: {directory}/h2o.pid
error-log: {directory}/error.log
listen:
  host: 127.0.0.1
  port: {port}{secured}
hosts:
  default:
    paths:
      "/":
        file.dir: {site.root}
        file.send-compressed: OFF
""")
        return ["-m", "worker", "-c", str(configuration)]

    return Server("h2o", "h2o", command, EPOLL_FLOOR, "h2o, 1 thread", installed=True)


def _lighttpd() -> Server:
    def command(site: Site, directory: Path, port: int) -> list[str]:
        configuration = directory / "lighttpd.conf"
        # 65535 is the most requests on a connection it can be told.
        configuration.write_text(f"""\
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{site.root}"
server.errorlog = "{directory}/error.log"
server.event-handler = "linux-sysepoll"
server.listen-backlog = 4096
server.max-fds = {site.descriptors}
server.max-connections = {site.descriptors // 2}
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 3600
server.max-read-idle = 3600
server.max-write-idle = 3600
mimetype.assign = ("" => "application/octet-stream")
""")
        return ["-D", "-f", str(configuration)]

    return Server("lighttpd", "lighttpd", command, EPOLL_FLOOR, "lighttpd, 1 process", installed=True,
                  descriptors_per_connection=2)  # it never takes more connections than that


def _nghttpd() -> Server:
    return Server("nghttpd", "nghttpd",
                  lambda site, _, port: ["--no-tls", "--address=127.0.0.1", "--workers=1", "--max-concurrent-streams=128",
                                         f"--htdocs={site.root}", str(port)],
                  what="nghttpd, 1 worker: the server of nghttp2 itself", installed=True)


def _echo_peer(name: str, program: str, *flags: str, what: str) -> Server:
    return Server(name, f"bench/{program}", lambda site, _, port: [str(port), *flags], EPOLL_FLOOR, what)


NARU = {engine: _naru(engine)
        for engine in ("select", "poll", "epoll-level", "epoll", "epoll-oneshot", "io_uring", "io_uring-sqpoll")}
FLOORS = [_floor("epoll", echo=False), _floor("io_uring", echo=False)]
NGINX = _nginx("nginx", "sendfile on;\n    tcp_nopush on;", "nginx, 1 worker, sendfile and tcp_nopush on")
# Shown for fairness: a file as small as the small one is cheaper to read and send with its header than to
# send with sendfile, which takes two more calls to cork the socket (and without tcp_nopush a second packet,
# dearer still); and a corked socket makes pipelined requests wait for delayed acknowledgements.
NGINX_READ = _nginx("nginx-read", "sendfile off;", "nginx, 1 worker, sendfile off")
H2O = _h2o()
LIGHTTPD = _lighttpd()


def _generator(name: str, program: str, installed: bool) -> Server:
    """What puts the load on, where that is measured: it is no server, and never started as one."""
    def command(_site: Site, _directory: Path, _port: int) -> list[str]:
        raise Failure(f"{name} is no server")

    return Server(name, program, command, None, "a load generator", installed=installed)


LOAD_GENERATORS = [_generator(f"load-{engine}", "naru", installed=False) for engine in ("epoll", "io_uring")]
WRK, H2LOAD = (_generator(name, name, installed=True) for name in ("wrk", "h2load"))

TLS_SERVERS = [_naru_tls("epoll"), _naru_tls("io_uring"), _nginx("nginx", "sendfile on;\n    tcp_nopush on;", "nginx over TLS", tls=True),
               _h2o(tls=True)]
TLS_FLOOR = Server("floor-tls", "bench/floor_tls", lambda site, _, port: [], None,
                   "the server's half of handshakes in memory, with the same library and no socket")
HTTP2_TLS_SERVERS = [_naru_tls("epoll"), _naru_tls("io_uring"),
                     _nginx("nginx", "sendfile on;", "nginx, HTTP/2 over TLS", " http2", tls=True), _h2o(tls=True, http2="ON")]
# HTTP/2 in clear text, with prior knowledge.
HTTP2_SERVERS = [
    *(_naru_http2(engine) for engine in ("epoll", "io_uring")),
    _nginx("nginx", "sendfile off;\n    http2_max_requests 1000000000;",
           "nginx, 1 worker, sendfile off, HTTP/2 in clear text", " http2"),
    _h2o(http2="ON"),
    _nghttpd(),
]

SMALL_FILE_SERVERS = [*NARU.values(), *FLOORS, NGINX, NGINX_READ, H2O, LIGHTTPD]

ECHO_SERVERS = [
    _naru_echo("epoll"),
    _naru_echo("io_uring"),
    _floor("epoll", echo=True),
    _floor("io_uring", echo=True),
    _echo_peer("libuv", "echo_libuv", what="libuv, uv_try_write"),
    _echo_peer("libevent", "echo_libevent", what="libevent, plain events"),
    _echo_peer("asio", "echo_asio", what="Asio, coroutines"),
    _echo_peer("asio-callbacks", "echo_asio", "--callbacks", what="Asio, handlers"),
]


WEBSOCKET_SERVERS = [
    *(Server(f"naru-{engine}", "examples/chat",
             lambda site, _, port, engine=engine: ["--listen", f"127.0.0.1:{port}", "--engine", engine],
             f"floor-{engine}", f"naru's chat example on {engine}, its echo") for engine in ("epoll", "io_uring")),
    _floor("epoll", echo=True),
    _floor("io_uring", echo=True),
]

LIBRARY_SERVERS = [
    *(_naru_handler(engine, kind) for engine in ("epoll", "io_uring") for kind in ("function", "coroutine")),
    Server("naru-files", "naru", NARU["epoll"].command, EPOLL_FLOOR, "naru serve, the same as a file"),
    _hello_floor("epoll"),
    _hello_floor("io_uring"),
    Server("microhttpd", "bench/hello_microhttpd", lambda site, _, port: [str(port)], EPOLL_FLOOR, "libmicrohttpd, epoll"),
    Server("beast", "bench/hello_beast", lambda site, _, port: [str(port)], EPOLL_FLOOR, "Boost.Beast, handlers"),
    Server("evhttp", "bench/hello_evhttp", lambda site, _, port: [str(port)], EPOLL_FLOOR, "libevent's evhttp"),
    Server("node", "node", lambda site, _, port: [str(Path(__file__).resolve().parents[1] / "hello_node.js"), str(port)],
           EPOLL_FLOOR, "Node's http", installed=True),
    # It has a thread for each connection, which no number of idle ones can be given.
    Server("httplib", "bench/hello_httplib", lambda site, _, port: [str(port)], EPOLL_FLOOR,
           "cpp-httplib, 128 threads", idle_connections=100),
]

UPLOAD_SERVERS = [
    *(_naru_handler(engine, "function") for engine in ("epoll", "io_uring")),
    _nginx_transfer("nginx", "nginx, 1 worker, the body is dropped"),
]
DOWNLOAD_SERVERS = [
    *(_naru_handler(engine, "function") for engine in ("epoll", "io_uring")),
    Server("naru-files", "naru", NARU["epoll"].command, None, "naru serve, a file"),
    _nginx_transfer("nginx", "nginx, 1 worker, a file by sendfile"),
]

KEY_VALUE_SERVERS = [
    *(Server(f"naru-{engine}", "examples/key_value",
             lambda site, _, port, engine=engine: ["--listen", f"127.0.0.1:{port}", "--engine", engine], "kv-epoll",
             f"naru's key-value example on {engine}") for engine in ("epoll", "io_uring")),
    Server("kv-epoll", "bench/kv_epoll", lambda site, _, port: [str(port)], what="a plain epoll loop"),
    Server("asio", "bench/kv_asio", lambda site, _, port: [str(port)], "kv-epoll", "Asio, coroutines"),
]

NARU_DIRECT = Server(
    "naru-direct", "naru",
    lambda site, _, port: ["serve", str(site.root), "--no-sandbox", "--listen", f"127.0.0.1:{port}", "--engine", "io_uring", "--threads",
                           "6", "--direct-descriptors", "on", "--keep-alive-timeout", "600"],
    None, "naru on io_uring, 6 threads, direct descriptors")

# The same echo over one engine after another, for docs/io_uring.md.
ENGINE_VARIANTS = [
    Server(f"echo-{variant}", "bench/echo_naru", lambda site, _, port, variant=variant: [str(port), variant],
           None, f"echo_naru, {variant}")
    for variant in ("epoll", "io_uring", "io_uring-single-shot", "io_uring-sqpoll", "io_uring-bundles",
                    "io_uring-zero-copy", "io_uring-direct")
] + [
    Server("floor-io_uring", "bench/floor_io_uring", lambda site, _, port: [str(port), "--echo"], None,
           "the least echo on io_uring, a buffer for each receive"),
    Server("floor-io_uring-shared", "bench/floor_io_uring", lambda site, _, port: [str(port), "--echo-shared"], None,
           "the same, receives share buffers"),
]


def versions(site: Site) -> dict[str, str]:
    """What each program says it is; only of those that are there."""
    commands = {
        "naru": (NARU["epoll"].path(site), "--version"),
        "nginx": (NGINX.path(site), "-v"),
        "h2o": (H2O.path(site), "-v"),
        "lighttpd": (LIGHTTPD.path(site), "-v"),
        "wrk": (shutil.which("wrk") or "", "-v"),
        **{peer.name: (peer.path(site), "--version") for peer in ECHO_SERVERS
           if peer.name in ("libuv", "libevent", "asio")},
        **{peer.name: (peer.path(site), "--version") for peer in LIBRARY_SERVERS
           if peer.name in ("microhttpd", "beast", "node", "httplib")},
    }
    said = {}
    for name, command in commands.items():
        if not command[0]:
            continue
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=5, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            continue
        first = (answer.stdout + answer.stderr).strip().splitlines()[:1]
        version = re.search(r"\d+\.\d+[\w.+-]*", first[0]) if first else None
        if version:
            said[name] = version.group()
    return said


def describe_build(build: Path) -> dict[str, str]:
    """How the programs were built, from CMake's cache."""
    wanted = ("CMAKE_BUILD_TYPE", "CMAKE_CXX_COMPILER", "CMAKE_CXX_FLAGS")
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for line in (build / "CMakeCache.txt").read_text().splitlines():
            name, _, value = line.partition("=")
            if (name := name.partition(":")[0]) in wanted and value:
                found[name] = shlex.join(value.split())
    return found
