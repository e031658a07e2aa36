#!/usr/bin/env python3
"""The examples that accept connections go on without spinning when the process has no descriptors left.

    examples_test.py DIRECTORY
"""
import os
import re
import resource
import socket
import subprocess
import sys
import time

PATIENCE = 60
LIMIT = 40
ENGINES = ("select", "poll", "epoll", "io_uring")


def seconds_used(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(holds, what):
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.01)


def echoes(client):
    client.sendall(b"x")
    return client.recv(1) == b"x"


def check(program, engine):
    server = subprocess.Popen([program, "0", engine], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)))
    clients = []
    try:
        said = re.search(r":(\d+)$", server.stdout.readline())
        if said is None:
            return "not here: " + server.stderr.read().strip()
        for _ in range(2 * LIMIT):
            clients.append(socket.create_connection(("127.0.0.1", int(said[1])), PATIENCE))
        wait_until(lambda: len(os.listdir("/proc/%d/fd" % server.pid)) == LIMIT, "it did not run out of descriptors")
        before = seconds_used(server.pid)
        time.sleep(2)
        used = seconds_used(server.pid) - before
        assert used < 0.1, "%.2f s of processor time in 2 s without descriptors" % used
        for client in clients[:LIMIT + LIMIT // 2]:
            client.close()
        for client in clients[LIMIT + LIMIT // 2:]:
            assert echoes(client), "a connection that had waited is not served"
        return "good"
    finally:
        for client in clients:
            client.close()
        server.kill()
        server.wait()
        server.stdout.close()
        server.stderr.close()


for name in ("echo_handler", "echo_coroutine"):
    for each in ENGINES:
        print(name, each, check(os.path.join(sys.argv[1], name), each), flush=True)
