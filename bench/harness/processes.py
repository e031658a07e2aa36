"""Processes of a benchmark run: pinned to a core, accounted for with their children, and always ended."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """A measurement cannot be made or cannot be used; the message says why."""


@dataclass(frozen=True)
class Cores:
    """Which core the server has and which one the client (and this driver, which mostly sleeps)."""

    server: int
    client: int

    @property
    def apart(self) -> bool:
        return self.server != self.client


# ---- Starting and ending -----------------------------------------------------------------------------------

_running: dict[int, subprocess.Popen] = {}


def start(command: list[str], core: int, death_signal: int = signal.SIGTERM, **popen) -> subprocess.Popen:
    """Starts `command` on one core and in a session of its own: Ctrl-C reaches this driver only, which then
    ends the process by its id. Should the driver itself be killed, the process gets `death_signal`."""

    def in_child() -> None:
        os.sched_setaffinity(0, {core})
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)

    process = subprocess.Popen(command, preexec_fn=in_child, start_new_session=True, **popen)
    _running[process.pid] = process
    return process


def end(process: subprocess.Popen, grace: float = 2.0) -> None:
    """Ends a process and whatever it has started; returns when all of them are gone."""
    family = [(pid, _start_time(pid)) for pid in _session(process.pid) if pid != process.pid]
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    deadline = time.monotonic() + grace
    for pid, started in family:
        while _start_time(pid) == started is not None:
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            with contextlib.suppress(OSError):
                stream.close()
    _running.pop(process.pid, None)


@atexit.register
def end_all() -> None:
    for process in list(_running.values()):
        end(process, grace=0.5)


def _stat(pid: int | str) -> list[str] | None:
    """The fields of /proc/PID/stat from the third, the state, on; None when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _start_time(pid: int) -> str | None:
    """Tells a process from a later one with the same id; None when it is gone (a zombie counts as gone)."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else None


def _session(leader: int) -> list[int]:
    """The processes in a session: also those whose parents have ended."""
    return [int(entry.name) for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and (fields := _stat(entry.name)) and fields[3] == str(leader)]


def tree(pid: int) -> list[int]:
    """`pid` and its descendants, parents first."""
    found = [pid]
    for each in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
    return found


# ---- What they use -----------------------------------------------------------------------------------------


def cpu_ns(pid: int) -> int:
    """User and system time of a process, its threads (those that have ended, too) and its descendants.

    It is read from the CPU clock of each process (clock_getcpuclockid), which counts nanoseconds: the
    utime and stime of /proc/PID/stat are the same sum in ticks of 1/100 s, a third of a percent of three
    seconds, and /proc/PID/task/*/schedstat, in nanoseconds, forgets the threads that have ended. Time the
    hypervisor has taken away is not in it where the guest kernel knows of it.
    """
    total = 0
    for each in tree(pid):
        clock = ctypes.c_int()
        if _libc.clock_getcpuclockid(each, ctypes.byref(clock)) == 0:
            with contextlib.suppress(OSError):
                total += time.clock_gettime_ns(clock.value)
    return total


def ended_children_seconds() -> float:
    """User and system time of this process's children that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Memory:
    """User memory in bytes, over a process and its descendants."""

    anonymous: int
    pss: int


def peak_memory(pid: int) -> int:
    """Bytes that the process and its children have had in memory at most (VmHWM), files included."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{each}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
    return total


def memory(pid: int) -> Memory:
    sums = {"Anonymous": 0, "Pss": 0}
    for each in tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0]) * 1024
    return Memory(sums["Anonymous"], sums["Pss"])


@dataclass(frozen=True)
class CoreTimes:
    """Seconds a core has been idle, and seconds the hypervisor has given it to someone else."""

    idle: float
    stolen: float


def core_times(core: int) -> CoreTimes:
    ticks = os.sysconf("SC_CLK_TCK")
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            return CoreTimes((int(fields[3]) + int(fields[4])) / ticks, int(fields[7]) / ticks)
    return CoreTimes(0, 0)


def sockets(pid: int) -> set[str]:
    """The sockets a process has open. The kernel does not use their numbers again."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.add(os.readlink(descriptor.path))
    return {name for name in found if name.startswith("socket:")}


def raise_descriptor_limit() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# ---- Ports -------------------------------------------------------------------------------------------------

_used_ports: set[int] = set()


def free_port() -> int:
    """A port nobody listens on, and that no earlier measurement of this run had."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _used_ports:
            _used_ports.add(port)
            return port


def wait_until_connectable(process: subprocess.Popen, port: int, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        status = process.poll()
        if status is not None:
            raise Failure(f"ended with status {status} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Failure(f"not listening after {seconds:g} s") from None
            time.sleep(0.02)
