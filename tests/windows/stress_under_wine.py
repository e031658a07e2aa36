#!/usr/bin/env python3
"""Many connections to naru.exe under wine, from native clients: thousands held at once, and tens of thousands that
come and go without leaving anything open.

    stress_under_wine.py WRAPPER [ENGINE [HELD [CHURN]]]

What is open is counted from outside, because wine answers GetProcessHandleCount with 0: the descriptors of the
server's process and of wine's server, in which every Windows socket has one.
"""
import glob
import os
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time

HEAD = b"GET /hello.txt HTTP/1.1\r\nHost: stress\r\n\r\n"
BODY = b"Hello, ferry.\n"
AT_ONCE = 64


def open_descriptors(pids):
    return sum(len(os.listdir("/proc/%d/fd" % pid)) for pid in pids)


def processes(prefix):
    """The server's process and wine's: those of this prefix that have most to do with it."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if b"WINEPREFIX=" + prefix.encode() + b"\0" not in file.read():
                    continue
            with open(os.path.dirname(path) + "/cmdline", "rb") as file:
                command = file.read()
        except OSError:
            continue
        if b"wineserver" in command or b"naru.exe" in command:
            found.append(int(path.split("/")[2]))
    return found


def ask(connection):
    connection.sendall(HEAD)
    got = b""
    while not got.endswith(BODY):
        piece = connection.recv(4096)
        if not piece:
            raise RuntimeError("the connection ended after %r" % got)
        got += piece
    return got.startswith(b"HTTP/1.1 200")


def hold(address, count):
    """Opens `count` connections, then asks on each of them twice, all of them open all the time."""
    connections = []
    for _ in range(count):
        connection = socket.create_connection(address, 60)
        connections.append(connection)
    good = 0
    for _ in range(2):
        for connection in connections:
            good += ask(connection)
    for connection in connections:
        connection.close()
    return good == 2 * count


def churn(address, count):
    """`count` connections with one request each, AT_ONCE at a time; every fifth is reset instead of ended."""
    selector = selectors.DefaultSelector()
    begun = ended = good = 0

    def begin():
        nonlocal begun
        connection = socket.create_connection(address, 60)
        connection.sendall(HEAD)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, [begun, b""])
        begun += 1

    while ended < count:
        while begun < count and begun - ended < AT_ONCE:
            begin()
        ready = selector.select(60)
        if not ready:
            raise RuntimeError("nothing comes any more, after %d connections" % ended)
        for key, _ in ready:
            piece = key.fileobj.recv(4096)
            key.data[1] += piece
            if piece and not key.data[1].endswith(BODY):
                continue
            good += key.data[1].endswith(BODY)
            if key.data[0] % 5 == 0:
                key.fileobj.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            selector.unregister(key.fileobj)
            key.fileobj.close()
            ended += 1
    return good == count


def settled(pids, baseline, seconds=30):
    end = time.monotonic() + seconds
    while (now := open_descriptors(pids)) > baseline and time.monotonic() < end:
        time.sleep(0.1)
    return now


def main():
    wrapper = os.path.abspath(sys.argv[1])
    engine = sys.argv[2] if len(sys.argv) > 2 else "iocp"
    held = int(sys.argv[3]) if len(sys.argv) > 3 else 5000
    churned = int(sys.argv[4]) if len(sys.argv) > 4 else 50_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    passed = 0
    with tempfile.TemporaryDirectory(prefix="naru-stress-") as root:
        with open(os.path.join(root, "hello.txt"), "wb") as file:
            file.write(BODY)
        server = subprocess.Popen([wrapper, "serve", root, "--listen", "127.0.0.1:0", "--engine", engine],
                                  stdout=subprocess.PIPE, text=True)
        try:
            address = ("127.0.0.1", int(re.search(r":(\d+)/", server.stdout.readline())[1]))
            churn(address, 500)  # what is made once has been made
            pids = processes(os.environ["WINEPREFIX"])
            time.sleep(1)
            baseline = open_descriptors(pids)
            for name, step in (("held", lambda: hold(address, held)), ("came and went", lambda: churn(address, churned))):
                began = time.monotonic()
                good = step()
                took = time.monotonic() - began
                left = settled(pids, baseline)
                passed += good and left <= baseline
                print("%s: %d connections in %.0f s, %s; %d descriptors before, %d after" % (
                    name, held if name == "held" else churned, took, "all answered" if good else "NOT all answered",
                    baseline, left), flush=True)
            server.send_signal(signal.SIGTERM)
            ended_well = server.wait(60) == 0
            passed += ended_well
        finally:
            if server.poll() is None:
                server.kill()
    print("passed %d of 3" % passed)
    sys.exit(0 if passed == 3 else 1)


if __name__ == "__main__":
    main()
