#!/usr/bin/env python3
"""Certificates are replaced again and again under load: every request is answered, on new connections and kept ones.

    certificates.py PROGRAM [--times 10]
"""
import argparse
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from hostile_clients import Server  # noqa: E402
from honest import Connection, answer  # noqa: E402
from hostile_kinds import get  # noqa: E402

PATIENCE = 120
HELLO = b"Hello, ferry.\n"


class Load:
    def __init__(self, port):
        self.port = port
        self.ended = threading.Event()
        self.answers = 0
        self.problems = []

    def check(self, got):
        self.answers += 1
        if got != (200, HELLO):
            self.problems.append("a wrong answer: %r" % (got,))

    def anew(self):
        while not self.ended.is_set():
            self.check(answer(self.port, get(b"/hello.txt"), secure=True, patience=PATIENCE))

    def kept(self):
        with Connection(self.port, secure=True, patience=10 * PATIENCE) as one:
            while not self.ended.is_set():
                one.say(get(b"/hello.txt"))
                self.check(one.answer())

    def run(self, what):
        try:
            what()
        except (OSError, AssertionError) as failure:
            self.problems.append("lost: %r" % failure)


def make_certificate(scratch, number):
    name = os.path.join(scratch, "made%d" % number)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost%d" % number, "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", name + ".key", "-out", name + ".crt"], check=True, capture_output=True)
    with open(name + ".crt") as file:
        return name, ssl.PEM_cert_to_DER_cert(file.read())


def install(made, to):
    for kind in (".key", ".crt"):  # between the two they do not fit each other
        with open(made + kind) as file, open(to + kind + ".new", "w") as new:
            new.write(file.read())
        os.rename(to + kind + ".new", to + kind)


def shown(port):
    with Connection(port, secure=True, patience=PATIENCE) as one:
        return one.socket.getpeercert(binary_form=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="naru-certificates-") as scratch:
        root = os.path.join(scratch, "root")
        os.mkdir(root)
        with open(os.path.join(root, "hello.txt"), "wb") as file:
            file.write(HELLO)
        made = [make_certificate(scratch, number) for number in range(2)]
        used = os.path.join(scratch, "used")
        install(made[0][0], used)
        server = Server(os.path.abspath(options.program), "auto", root, scratch, threads=2,
                        tls=("--tls", "%s.crt,%s.key" % (used, used)))
        if server.port is None:
            sys.exit("it does not start: " + server.said())
        load = Load(server.ports["tls"])
        threads = [threading.Thread(target=load.run, args=(what,)) for what in (load.anew, load.anew, load.anew, load.kept, load.kept)]
        for each in threads:
            each.start()
        for turn in range(1, options.times + 1):
            name, wanted = made[turn % 2]
            install(name, used)
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + PATIENCE
            while shown(server.ports["tls"]) != wanted and not load.problems and time.monotonic() < end:
                time.sleep(0.01)
            if shown(server.ports["tls"]) != wanted:
                load.problems.append("the new certificate is not shown: " + server.said())
                break
        load.ended.set()
        for each in threads:
            each.join(PATIENCE)
        status = server.end()
        if status != 0:
            load.problems.append("it ended with %d" % status)
        for each in load.problems[:10]:
            print("wrong: " + each)
        print("%d certificates under load: %d answers, %d problems" % (options.times, load.answers, len(load.problems)))
        sys.exit(bool(load.problems))


if __name__ == "__main__":
    main()
