#!/usr/bin/env python3
"""Whom naru serve listens to, and what it is told of clients: sockets of the UNIX domain, proxies, rules, rates.

    clients_test.py PROGRAM [unittest arguments]
"""
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

import program_test
from program_test import PATIENCE, Case, Server, eventually

REQUEST = b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def refuses(path):
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(path)
        except ConnectionRefusedError:
            return True
    return False


class Clients(Case):
    def asked(self, server, path, *fields):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=dict(fields))
            return connection.getresponse().status
        finally:
            connection.close()

    def test_a_proxy_that_ends_tls_is_not_redirected(self):
        with Server(self.root, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--redirect-http", "--trusted-proxy", "127.0.0.1") as server:
            self.assertEqual(self.asked(server, "/hello.txt"), 308)
            self.assertEqual(self.asked(server, "/hello.txt", ("X-Forwarded-Proto", "http")), 308)
            self.assertEqual(self.asked(server, "/hello.txt", ("X-Forwarded-Proto", "https")), 200)

    def test_passwords(self):
        passwords = self.write("passwords", "Aladdin:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n")
        with Server(self.root, "--listen", "127.0.0.1:0", "--basic-auth", passwords, "--basic-auth-realm", "vault") as server:
            self.assertEqual(self.asked(server, "/hello.txt"), 401)
            self.assertEqual(self.asked(server, "/hello.txt", ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")), 200)
            self.assertEqual(self.asked(server, "/hello.txt", ("Authorization", "Basic QWxhZGRpbjp4")), 401)
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--basic-auth", self.write("plain", "a:b\n"), says="plain:1: this hash cannot be checked")
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--basic-auth", "/missing", says="cannot read the passwords in /missing")

    def test_types(self):
        self.write("root/a.ferry", "x")
        with Server(self.root, "--listen", "127.0.0.1:0", "--type", "ferry=application/x-ferry") as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            connection.request("GET", "/a.ferry")
            self.assertEqual(connection.getresponse().getheader("Content-Type"), "application/x-ferry")
            connection.close()
        self.check_refused("serve", self.root, "--type", "ferry", says="--type wants EXTENSION=TYPE")

    @unittest.skipUnless(shutil.which("curl"), "curl is not here")
    def test_in_the_unix_domain(self):
        path = os.path.join(self.scratch, "naru.sock")
        server = Server(self.root, "--listen", "127.0.0.1:0", "--listen", "unix:%s,mode=0600" % path, "--threads", "2")
        self.addCleanup(server.__exit__)
        self.assertIn(" and unix:%s " % path, server.line)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        asked = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE), "--unix-socket", path, "http://a/hello.txt"], capture_output=True, text=True)
        self.assertEqual((asked.returncode, asked.stdout), (0, "hello\n"), asked.stderr)
        self.check_refused("serve", self.root, "--listen", "unix:" + path, says="another server listens there")
        server.process.kill()
        server.process.wait()
        self.assertTrue(os.path.exists(path), "a killed one leaves it behind")
        self.assertTrue(eventually(lambda: refuses(path)), "the kernel closes it, with its rings, after the process has ended")
        successor = subprocess.Popen([program_test.PROGRAM, "serve", self.root, "--listen", "unix:" + path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(successor.stdout.close)
        self.addCleanup(successor.stderr.close)
        self.addCleanup(successor.kill)
        self.assertIn(" on unix:%s " % path, successor.stdout.readline())
        asked = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE), "--unix-socket", path, "http://a/hello.txt"], capture_output=True, text=True)
        self.assertEqual((asked.returncode, asked.stdout), (0, "hello\n"), asked.stderr)
        successor.send_signal(signal.SIGTERM)
        self.assertEqual(successor.wait(PATIENCE), 0)
        self.assertFalse(os.path.exists(path))

    def test_what_is_wrong_with_one_is_said_in_a_line(self):
        for where, says in (("127.0.0.1:0,mode=0600", "mode is for the file"), ("unix:a,mode=9", "permissions in octal"), ("unix:", "want unix:PATH"), ("127.0.0.1:0,proxy", "--trusted-proxy"), ("127.0.0.1:0,tls", "want ADDRESS:PORT"), ("unix:/missing/a", "there is no such directory")):
            self.check_refused("serve", self.root, "--listen", where, says=says)
        for flags, says in ((["--trusted-proxy", "10.0.0.1/8"], "no network of proxies"), (["--forwarded-by", "forwarded"], "--trusted-proxy"), (["--trusted-proxy", "::1", "--forwarded-by", "via"], "x-forwarded-for, forwarded or none"), (["--allow", "localhost"], "--allow wants an address"), (["--request-rate", "0"], "RATE,BURST"), (["--connection-rate", "1,x"], "RATE,BURST")):
            self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", *flags, says=says)

    def test_behind_a_proxy(self):
        log = os.path.join(self.scratch, "access.log")
        # One thread: each loop hands its lines over by itself.
        server = Server(self.root, "--threads", "1", "--listen", "127.0.0.1:0,proxy", "--trusted-proxy", "127.0.0.1", "--deny", "192.0.2.0/24", "--request-rate", "0.001,1", "--access-log", log)
        self.addCleanup(server.__exit__)
        port = int(re.search(r"http://[^/]*:(\d+)/", server.line).group(1))
        for client, says in (("192.0.2.1", b" 403 "), ("198.51.100.1", b" 200 "), ("198.51.100.1", b" 429 "), ("198.51.100.2", b" 200 ")):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
                one.sendall(b"PROXY TCP4 %s 127.0.0.1 4711 80\r\n" % client.encode() + REQUEST)
                self.assertIn(says, one.recv(100))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait()[0], 0)
        with open(log) as lines:
            self.assertEqual([each.split()[0] for each in lines], ["192.0.2.1", "198.51.100.1", "198.51.100.1", "198.51.100.2"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
