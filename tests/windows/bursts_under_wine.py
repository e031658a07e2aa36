#!/usr/bin/env python3
"""Bursts of pipelined requests for a missing file, to naru.exe under wine: each of their answers comes back from the
worker pool through the loop's wake-up, one after another, so that a single wake-up that is lost stops the burst.

    bursts_under_wine.py WRAPPER ENGINE [BURSTS]

To be run while other programs use the machine. A burst of which nothing comes for PATIENCE seconds has stalled.
"""
import os
import socket
import sys
import tempfile
import time

import under_wine

REQUESTS = 1000
PATIENCE = 20
REQUEST = b"GET /missing HTTP/1.1\r\nHost: burst\r\n\r\n"
ANSWER = b"HTTP/1.1 404 "


class Burst:
    def __init__(self, address):
        self.connection = socket.create_connection(address, PATIENCE)
        self.connection.settimeout(PATIENCE)
        self.answers = 0
        self.rest = b""

    def receive(self):
        """Reads on until all answers are there; False if nothing comes any more."""
        while self.answers < REQUESTS:
            try:
                piece = self.connection.recv(1 << 16)
            except socket.timeout:
                return False
            if not piece:
                raise RuntimeError("the connection ended after %d answers" % self.answers)
            text = self.rest + piece
            self.answers += text.count(ANSWER)
            self.rest = text[-(len(ANSWER) - 1):]
        return True

    def run(self):
        self.connection.sendall(REQUEST * REQUESTS)
        whole = self.receive()
        self.connection.close()
        return whole


def main():
    wrapper, engine = os.path.abspath(sys.argv[1]), sys.argv[2]
    bursts = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    whole = 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="naru-bursts-") as root:
        under_wine.PROGRAM = wrapper
        with under_wine.Started(r"http://[^/]*:(\d+)/", "serve", root, "--listen", "127.0.0.1:0", "--engine",
                                engine) as server:
            for number in range(bursts):
                burst = Burst(("127.0.0.1", server.port))
                if burst.run():
                    whole += 1
                else:
                    print("burst %d stalled after %d answers" % (number, burst.answers), flush=True)
    print("%s: %d bursts of %d requests in %.0f s" % (engine, bursts, REQUESTS, time.monotonic() - began))
    print("passed %d of %d" % (whole, bursts))
    sys.exit(0 if whole == bursts else 1)


if __name__ == "__main__":
    main()
