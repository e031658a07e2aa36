#!/usr/bin/env python3
"""naru serve --config and naru check: hosts, routes, includes, and what is said of a bad file.

    configuration_test.py PROGRAM [unittest arguments]
"""
import base64
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

import program_test
from program_test import PATIENCE, Case, Server, worker_of

# bcrypt, as cheap as it can be
HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
EMPTY = "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq"
SITE = """
listen = "127.0.0.1:0"
threads = 2
headers = { X-All = "1", X-Both = "all" }
include = "conf.d/*.toml"

[[route]]
path = "/health"
answer = "good\\n"

[[host]]
names = ["example.org", "*.example.org"]
root = "root"
headers = { X-Both = "host" }

[[host.route]]
path = "/old/"
redirect = "/new/{rest}{query}"
status = 301

[[host.route]]
path = "/user/{name}"
redirect = "https://other.example/{name}{path}"

[[host.route]]
path = "/private/"
files = "root"
listings = true
cache = "no-store"
headers = { X-Both = "route" }
basic-auth = { realm = "Staff", users = { alice = "HASH", bob = "EMPTY" } }
"""

SITE = SITE.replace("HASH", HASH).replace("EMPTY", EMPTY)

OTHER = """
[[host]]
names = "other.example"

[[host.route]]
path = "/"
answer = "<p>other</p>"
type = "text/html"
status = 404
"""


class Case(Case):
    def check(self, text, *says):
        """What naru check says of a bad file: one line for each of `says`, in this order."""
        path = self.write("naru.toml", text)
        done = self.run_program("check", path)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), len(says), done.stderr)
        for line, said in zip(lines, says):
            self.assertTrue(line.startswith(path + ":"), line)
            self.assertRegex(line[len(path) + 1:], "^" + said)

    def check_good(self, text):
        path = self.write("naru.toml", text)
        done = self.run_program("check", path)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, path + " is good\n", ""))

    def ask(self, server, host, path, method="GET", **fields):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={"Host": host, **{name.replace("_", "-"): value for name, value in fields.items()}})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()


class Sites(Case):
    def serve(self, *arguments):
        os.mkdir(os.path.join(self.scratch, "conf.d"))
        self.write("conf.d/other.toml", OTHER)
        self.write("conf.d/.hidden.toml", "nonsense = 1\n")
        self.write("conf.d/notes.txt", "no TOML")
        text = SITE.replace('"root"', '"%s"' % self.root)
        return Server("--config", self.write("naru.toml", text), *arguments)

    def test_hosts_and_routes(self):
        with self.serve() as server:
            status, body, fields = self.ask(server, "nobody.example", "/health")
            self.assertEqual((status, body, fields["X-All"], fields["X-Both"]), (200, b"good\n", "1", "all"))
            # Without a root there is nothing but the routes, whoever is asked for.
            self.assertEqual(self.ask(server, "nobody.example", "/hello.txt")[0], 404)
            for host in ("example.org", "EXAMPLE.org:80", "www.example.org", "w.Example.ORG"):
                status, body, fields = self.ask(server, host, "/hello.txt")
                self.assertEqual((status, body, fields["X-All"], fields["X-Both"]), (200, b"hello\n", "1", "host"), host)
            for host in ("a.b.example.org", "xexample.org", ".example.org", "org"):
                self.assertEqual(self.ask(server, host, "/hello.txt")[0], 404, host)
            status, body, fields = self.ask(server, "other.example", "/any/where")
            self.assertEqual((status, body, fields["Content-Type"]), (404, b"<p>other</p>", "text/html"))

    def test_redirects(self):
        with self.serve() as server:
            for method in ("GET", "POST"):
                status, _, fields = self.ask(server, "example.org", "/old/a%20b//c%2f?d=e%20f", method)
                self.assertEqual((status, fields["Location"]), (301, "/new/a%20b/c/?d=e%20f"))
            status, _, fields = self.ask(server, "example.org", "/user/j%C3%B6rg%0d%0ax", "PUT")
            self.assertEqual((status, fields["Location"]), (308, "https://other.example/j%C3%B6rg%0D%0Ax/user/j%C3%B6rg%0D%0Ax"))
            # Whatever is asked for, it never leads to another host.
            self.assertEqual(self.ask(server, "example.org", "/old//evil.example/")[2]["Location"], "/new/evil.example/")

    def test_passwords_and_rules_of_a_route(self):
        def secret(text):
            return "Basic " + base64.b64encode(text.encode()).decode()
        with self.serve() as server:
            for wrong in ({}, {"Authorization": secret("alice:")}, {"Authorization": secret("carol:secret")},
                          {"Authorization": secret("alice:secret2")}, {"Authorization": "Basic x"}):
                status, _, fields = self.ask(server, "example.org", "/private/hello.txt", **wrong)
                self.assertEqual((status, fields["WWW-Authenticate"]), (401, 'Basic realm="Staff", charset="UTF-8"'), wrong)
            self.assertEqual(self.ask(server, "example.org", "/private/../private/./", Authorization="x")[0], 401)
            status, body, fields = self.ask(server, "example.org", "/private/hello.txt", Authorization=secret("alice:secret"))
            self.assertEqual((status, body, fields["Cache-Control"], fields["X-Both"]), (200, b"hello\n", "no-store", "route"))
            status, body, fields = self.ask(server, "example.org", "/private/", Authorization=secret("bob:"))
            self.assertEqual(status, 200)
            status, _, fields = self.ask(server, "example.org", "/private/missing", Authorization=secret("bob:"))
            self.assertEqual((status, fields["Cache-Control"], fields["X-Both"]), (404, None, "route"))

    def test_flags_go_before_and_are_not_taken_for_the_files(self):
        config = self.write("naru.toml", 'root = "%s"\nlisten = "127.0.0.1:0"\nhead-timeout = 5\n' % self.root)
        self.check_refused("serve", "--config", config, "--head-timeout", "0", says="^naru: --head-timeout must be")
        with Server("--config", config, "--head-timeout", "3") as server:
            self.assertEqual(server.get("/hello.txt"), (200, b"hello\n"))


class Check(Case):
    def test_what_is_wrong_and_what_was_meant(self):
        self.check('treads = 1\nlistings = 1\n\n[[host]]\nnames = "a"\nthreads = 2\n[[host.route]]\npath = "/"\nanswr = "x"\nstatus = "x"\n',
                   "1: there is no setting treads; threads was probably meant$", "2: listings wants true or false$",
                   "6: there is no setting threads of a host: threads is of the whole server, and stands before",
                   "9: there is no setting answr of a route; answer was probably meant$", "10: status wants a number$")
        self.check("completely-different = 1\n", "1: there is no setting completely-different$")
        self.check('names = "a"\n', r"1: there is no setting names: names is of a host, behind \[\[host\]\]$")
        self.check('answer = "a"\n', r"1: there is no setting answer: answer is of a route, behind \[\[route\]\]$")
        self.check('[host]\nnames = "a"\n', r"1: host wants \[\[host\]\], once for each$")
        self.check("[[host]]\n[[route]]\n", '1: a host wants names', '2: a route wants a path')
        self.check("head-timeout = 0\n", "1: head-timeout must be between")
        self.check('listen = "here"\n', "1: cannot listen on here: want ADDRESS:PORT")
        self.check("threads = 1\nx = [\n", r"\d: ")

    def test_routes(self):
        def route(text, says):
            self.check("[[route]]\n" + text, "1: " + says)
        route('path = "/"\n', "a route wants one of files, redirect and answer$")
        route('path = "/"\nanswer = ""\nredirect = "/a"\n', "a route has one of files, redirect and answer, not several$")
        route('path = "x"\nanswer = ""\n', 'the route "x" does not begin with a slash$')
        route('path = "/{a"\nanswer = ""\n', "the route .* has braces")
        route('path = "/a"\nfiles = "%s"\n' % self.root, "files are beneath a path that ends in a slash: /a/$")
        route('path = "/"\nfiles = "/none/such"\n', "cannot serve /none/such: there is no such directory$")
        route('path = "/"\nanswer = ""\nstatus = 99\n', "status of an answer is between 200 and 599, not 99$")
        route('path = "/"\nanswer = "a"\nstatus = 204\n', "an answer with status 204 has no content$")
        route('path = "/"\nredirect = "/a"\nstatus = 200\n', "status of a redirect is 301")
        for target in ("a", "//a", "/{path}", "javascript:x", ""):
            route('path = "/"\nredirect = "%s"\n' % target, "redirect wants a path")
        for target in ("/a b", "/a\\r\\nX: y", "/a\\u0001", "https://example.org/\\u007f"):
            route('path = "/"\nredirect = "%s"\n' % target, "redirect holds a space or a control character")
        route('path = "/"\nredirect = "/a{b}"\n', "redirect knows no {b}")
        route('path = "/a"\nredirect = "/a{rest}"\n', "redirect knows no {rest}")
        route('path = "/"\nredirect = "/a{path"\n', "redirect .* opens a brace")
        route('path = "/"\nanswer = ""\nheaders = { Date = "x" }\n', "headers cannot set Date")
        route('path = "/"\nanswer = ""\nheaders = { X = "a\\nb" }\n', "headers: X with this text cannot stand in a head$")
        self.check('[[route]]\npath = "/"\nanswer = ""\nheaders = { X = 1 }\n', "4: headers wants a table of texts")
        self.check('[[route]]\npath = "/a"\nanswer = ""\n[[route]]\npath = "/a"\nanswer = ""\n', '4: the route "/a" is there already$')
        self.check('[[route]]\npath = "/"\nanswer = ""\nbasic-auth = { usres = { a = "b" } }\n',
                   "4: there is no setting usres of a basic-auth; users was probably meant$", "4: basic-auth wants users$")
        self.check('[[route]]\npath = "/"\nanswer = ""\nbasic-auth = { users = { a = "%s", b = "password" } }\n' % HASH,
                   "1: basic-auth: what stands for b is no hash of a password that can be checked here; `htpasswd -nB b` makes one$")
        self.check('[[route]]\npath = "/"\nanswer = ""\nbasic-auth = { users = { "a:b" = "%s" } }\n' % HASH,
                   "1: basic-auth: a:b cannot be a user's name$")
        self.check('[[listener]]\nadress = "127.0.0.1:0"\ntls = "yes"\n',
                   "1: a listener wants an address: .*", "2: there is no setting adress of a listener; address was probably meant$",
                   "3: tls wants true or false$")
        self.check('listen = "127.0.0.1:0"\n[[listener]]\naddress = "127.0.0.1:70000"\n', "1: cannot listen on 127.0.0.1:70000: .*")

    def test_hosts(self):
        self.check('[[host]]\nnames = "a"\n[[host]]\nnames = ["b", "A"]\n', "3: the host A is there already, at .*naru.toml:1$")
        for name in ("http://a", "a:80", "", "*", "a*", "*.", "a b"):
            self.check('[[host]]\nnames = "%s"\n' % name, "1: names wants names without scheme and port")
        self.check('[[host]]\nnames = "a"\nroot = "/none/such"\n', "1: cannot serve /none/such")

    def test_logs(self):
        def host(text, says):
            self.check('listen = "127.0.0.1:0"\n\n[[host]]\nnames = "a"\n' + text, "3: " + says)
        missing = os.path.join(self.scratch, "none", "a.log")
        host('access-log = ""\n', "access-log wants the path of a file, or - for standard output$")
        host('access-log = "a\\nb"\n', "access-log wants the path of a file, or - for standard output$")
        host('access-log = "%s"\n' % missing, "access-log: cannot write the access log %s: there is no directory %s$" % (missing, os.path.dirname(missing)))
        host('access-log = "%s"\n' % self.scratch, "access-log: cannot write the access log %s: it is a directory, and a file is wanted$" % self.scratch)
        host('log-format = "json"\n', "log-format is of a host's own access-log, and it has none$")
        host('access-log = "-"\nlog-format = "xml"\n', "--log-format wants combined or json, not xml$".replace("--", ""))
        log = os.path.join(self.scratch, "log")
        both = 'access-log = "%s"\n\n[[host]]\nnames = "a"\naccess-log = "%s"\n' % (log, log)
        self.check(both + 'log-format = "json"\n', "3: access-log: %s is written in another log-format, too: give it one, or name another file$" % log)
        link = os.path.join(self.scratch, "link")
        os.symlink(log, link)
        self.check('listen = "127.0.0.1:0"\naccess-log = "%s"\n' % link, "2: access-log: cannot write the access log %s: it is a symbolic link, and none is followed$" % link)
        self.check_good('no-sandbox = true\nlisten = "127.0.0.1:0"\naccess-log = "%s"\n' % link)
        self.check('user = "nobody-such"\n', "1: user nobody-such: there is no such user$")
        self.check('access-log = "%s"\n' % missing, "1: access-log: cannot write the access log %s: there is no directory" % missing)
        self.check('access-log = "-"\n[[host]]\nnames = "a"\naccess-log = "%s"\n' % missing, "2: access-log: cannot write the access log %s: " % missing)
        self.check('[[route]]\npath = "/"\nanswer = ""\naccess-log = "a"\n',
                   "4: there is no setting access-log of a route: access-log is of a host, behind \\[\\[host\\]\\], or of the whole server")
        self.check_good(both + 'log-format = "combined"\n[[host]]\nnames = "b"\naccess-log = "-"\nlog-format = "json"\n')
        self.assertFalse(os.path.exists(log))

    def test_includes(self):
        os.mkdir(os.path.join(self.scratch, "more"))
        a, b = self.write("more/a.toml", "threads = 2\nbcklog = 1\n"), self.write("more/b.toml", 'include = "a.toml"\nthreads = 3\n')
        path = self.write("naru.toml", 'include = ["more/*.toml", "gone.toml", "more/none*"]\nthreads = 1\n')
        done = self.run_program("check", path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(sorted(line.replace(self.scratch + "/", "") for line in done.stderr.splitlines()), sorted([
            "more/a.toml:1: threads is set already, at naru.toml:2", "more/a.toml:2: there is no setting bcklog; backlog was probably meant",
            "more/b.toml:1: a file that is included cannot include others", "more/b.toml:2: threads is set already, at naru.toml:2",
            "cannot read the configuration gone.toml: No such file or directory"]), done.stderr)
        del a, b
        self.check('include = "nowhere/*.toml"\n', "1: cannot look into .*nowhere for files to include: No such file")

    def test_files_that_cannot_be_read(self):
        done = self.run_program("check", "gone.toml")
        self.assertEqual((done.returncode, done.stderr), (1, "cannot read the configuration gone.toml: No such file or directory\n"))
        self.assertEqual(self.run_program("check").returncode, 2)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not here")
    def test_what_is_no_file(self):
        fifo = os.path.join(self.scratch, "fifo.toml")
        os.mkfifo(fifo)
        for path, says in ((fifo, "it is a FIFO"), ("/dev/zero", "it has more than 16 MiB")):
            self.assertRegex(self.run_program("check", path).stderr, says)
            self.check_refused("serve", self.root, "--config", path, says=says)
        huge = self.write("huge.toml", "# " + "x" * (17 << 20) + "\n")
        self.check_refused("serve", self.root, "--config", huge, says="huge.toml: it has more than 16 MiB")
        self.check_refused("serve", "--config", self.write("empty.toml", "# nothing\n"), says="empty.toml: there is nothing in it")

    def test_certificates_that_are_directories(self):
        for pair in (self.root + "," + self.root, "/dev/null,/dev/null"):
            config = 'root = "root"\nlisten-tls = "127.0.0.1:0"\ntls = "%s"\n' % pair
            self.assertRegex(self.run_program("check", self.write("tls.toml", config)).stderr, "tls.toml:3: %s: " % pair.split(",")[0])

    def test_what_would_be_passed_over_in_silence(self):
        web = os.path.join(self.scratch, "web")
        for text, says in (('root = ""\n', "1: root wants a path"), ('pid-file = ""\n', "1: pid-file wants a path"),
                           ('acme-webroot = ""\n', "1: acme-webroot wants a path"), ('root = "a\\u0000b"\n', "1: root wants text in quotes"),
                           ('listen = "127.0.0.1:0"\nlisten-tls = "here"\n', "2: listen-tls: cannot listen on here: want ADDRESS:PORT"),
                           ('listen = "127.0.0.1:0"\nstatus = "here"\n', "2: status: cannot listen on here: want ADDRESS:PORT"),
                           ('listen = "127.0.0.1:0,proxy"\n', "1: listen: the PROXY protocol is taken from trusted proxies alone"),
                           ('basic-auth = "%s"\n' % self.scratch, "1: basic-auth: cannot read the passwords in .*: Is a directory"),
                           ('symlink-target = "/none/such"\n', "1: symlink-target: cannot serve /none/such: there is no such directory"),
                           ('client-ca = "a.pem"\n', "1: client-ca is for TLS: say where with --listen-tls"),
                           ('[[host]]\nnames = "a"\nclient-ca = "a.pem"\n', "1: client-ca is for TLS: say where with --listen-tls"),
                           ('[[host]]\nnames = "a"\ntls = "a,b"\n', "1: tls is for TLS: say where with --listen-tls"),
                           ('[[host]]\nnames = "a"\nroot = ""\n', "1: root wants the path of a directory"),
                           ('[[host]]\nnames = "a"\nsymlinks = "some"\n', "1: symlinks wants inside, any or never, not some"),
                           ('[[route]]\npath = "/"\nfiles = ""\n', "1: files wants the path of a directory")):
            with self.subTest(text=text):
                self.check(text, says)
        self.check_good('acme-webroot = "%s"\n' % web)
        self.assertFalse(os.path.exists(web), "nothing is made for a look")

    def test_certificates(self):
        self.check('listen-tls = "127.0.0.1:0"\ntls = "/none/a,/none/b"\n', "2: .*/none/a: cannot be read")
        self.check('listen-tls = "127.0.0.1:0"\n', "1: listen-tls wants a certificate")
        self.check('client-certificates = "maybe"\nlisten-tls = "127.0.0.1:0"\ntls-self-signed = true\n', "1: client-certificates wants none, optional or")
        self.check('listen-tls = "127.0.0.1:0"\ntls-self-signed = true\n[[host]]\nnames = "a"\nclient-certificates = "required"\n',
                   "3: client-certificates wants a client-ca")


class Links(Case):
    """--symlinks, --symlink-target"""

    def setUp(self):
        super().setUp()
        for each in ("root/dir", "shared/dir", "outside"):
            os.makedirs(os.path.join(self.scratch, each))
        self.write("root/dir/file", "inside")
        self.write("shared/dir/file", "shared")
        self.write("outside/file", "secret")
        os.symlink(self.root, os.path.join(self.scratch, "root-link"))

    def link(self, name, to):
        os.symlink(to, os.path.join(self.root, name))

    def answers(self, paths, *arguments):
        with Server(os.path.join(self.scratch, "root-link"), "--listen", "127.0.0.1:0", "--threads", "1", *arguments) as server:
            return [status if status != 200 else body.decode() for status, body in (server.get("/" + each) for each in paths)]

    def make(self):
        inside = {"absolute": os.path.join(self.root, "dir/file"), "by-the-roots-name": os.path.join(self.scratch, "root-link/dir/file"),
                  "relative": "dir/file", "out-and-in": "../root/dir/file", "chain": os.path.join(self.root, "out-and-in"), "dots": self.root + "/dir/../dir/./file"}
        for name, to in inside.items():
            self.link(name, to)
        self.link("directory", os.path.join(self.root, "dir"))
        self.link("all", self.root)
        self.link("dir/up", self.root + "/hello.txt")
        self.link("../shared/dir/own", "../dir/file")
        self.link("../shared/dir/absolute", os.path.join(self.scratch, "shared/dir/file"))
        outside = {"out": os.path.join(self.scratch, "outside/file"), "out-relative": "../outside/file", "out-directory": os.path.join(self.scratch, "outside"),
                   "neighbour": self.root + "-link/../outside/file", "by-dots": self.root + "/../outside/file", "passwd": "/etc/passwd"}
        for name, to in outside.items():
            self.link(name, to)
        self.link("loop", "loop")
        self.link("loop-absolute", os.path.join(self.root, "loop-absolute"))
        self.link("gone", os.path.join(self.root, "nothing"))
        self.link("magic", "/proc/self/root")
        self.link("shared", os.path.join(self.scratch, "shared/dir"))
        return ([*inside, "directory/file", "all/dir/file", "all/all/directory/file"],
                [*(each for each in outside if each != "out-directory"), "out-directory/file", "loop", "loop-absolute", "gone", "magic/etc/passwd"])

    def test_inside(self):
        inside, outside = self.make()
        for arguments in ((), ("--symlinks", "inside")):
            self.assertEqual(self.answers(inside, *arguments), ["inside"] * len(inside))
            self.assertEqual(self.answers(["dir/up"], *arguments), ["hello\n"])
            got = self.answers([*outside, "shared/file"], *arguments)
            self.assertEqual(set(got), {404}, got)

    def test_never(self):
        inside, outside = self.make()
        got = self.answers([*inside, *outside, "shared/file"], "--symlinks", "never")
        self.assertEqual(set(got), {404}, got)
        self.assertEqual(self.answers(["dir/file"], "--symlinks", "never"), ["inside"])

    def test_any(self):
        inside, _ = self.make()
        self.assertEqual(self.answers(inside, "--symlinks", "any"), ["inside"] * len(inside))
        self.assertEqual(self.answers(["out", "out-relative", "out-directory/file", "by-dots"], "--symlinks", "any"), ["secret"] * 4)
        got = self.answers(["gone", "loop", "..%2foutside/file", "%2e%2e/outside/file"], "--symlinks", "any")
        self.assertEqual(got, [404, got[1], 400, 400])
        self.assertNotIn(got[1], ("secret", ""))

    def test_targets(self):
        _, outside = self.make()
        target = ("--symlink-target", os.path.join(self.scratch, "shared"))
        self.assertEqual(self.answers(["shared/file", "shared/own", "shared/absolute"], *target), ["shared"] * 3)
        got = self.answers(outside, *target)
        self.assertEqual(set(got), {404}, got)
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--symlink-target", "/none/such", says="cannot serve /none/such")
        self.check_refused("serve", self.root, "--listen", "127.0.0.1:0", "--symlinks", "some", says="--symlinks wants inside, any or never, not some")

    def test_listings_show_what_can_be_had(self):
        self.make()
        page = self.answers([""], "--listings")[0]
        for name, shown in (("absolute", True), ("directory/", True), ("out", False), ("shared", False), ("gone", False)):
            self.assertEqual('href="./%s"' % name in page, shown, name)

    def test_of_a_route(self):
        self.make()
        config = self.write("naru.toml", 'listen = "127.0.0.1:0"\nroot = "%s"\nsymlinks = "never"\n[[route]]\npath = "/free/"\nfiles = "%s"\nsymlinks = "any"\n'
                            % (self.root, self.root))
        with Server("--config", config) as server:
            self.assertEqual(server.get("/absolute")[0], 404)
            self.assertEqual(server.get("/free/out"), (200, b"secret"))


class WellKnown(Case):
    def test_names_that_begin_with_a_dot(self):
        for each in (".well-known/.git", "dir/.well-known", ".git"):
            os.makedirs(os.path.join(self.root, each))
            self.write("root/%s/file" % each, "hidden")
        self.write("root/.well-known/security.txt", "shown")
        with Server(self.root, "--listen", "127.0.0.1:0") as server:
            self.assertEqual(server.get("/.well-known/security.txt"), (200, b"shown"))
            for path in ("/.well-known/.git/file", "/dir/.well-known/file", "/.git/file", "/.well-known/%2egit/file"):
                self.assertEqual(server.get(path)[0], 404, path)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not here")
    def test_a_server_that_begins_before_its_certificate(self):
        chain, key = (os.path.join(self.scratch, each) for each in ("live.pem", "live.key"))
        webroot = os.path.join(self.scratch, "webroot")
        arguments = ("--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--redirect-http", "--tls", "%s,%s" % (chain, key))
        self.check_refused("serve", self.root, *arguments, says="live.pem: cannot be read")
        config = self.write("naru.toml", '[[host]]\nnames = "127.0.0.1"\n[[host.route]]\npath = "/"\nredirect = "/elsewhere"\n')
        with Server(self.root, "--config", config, "--acme-webroot", webroot, *arguments) as server:
            self.assertIn("waited for", server.process.stderr.readline())
            self.write("webroot/.well-known/acme-challenge/token_1", "proof")
            for host in ("127.0.0.1", "example.org"):
                self.assertEqual(self.ask(server, host, "/.well-known/acme-challenge/token_1")[:2], (200, b"proof"))
                self.assertEqual(self.ask(server, host, "/.well-known/acme-challenge/token_2")[0], 404)
                self.assertEqual(self.ask(server, host, "/.well-known/acme-challenge/../x")[0], 308)
            self.assertEqual(self.ask(server, "example.org", "/hello.txt")[0], 308)
            port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", server.line).group(1))
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

            def shown():
                with socket.create_connection(("127.0.0.1", port), PATIENCE) as raw, context.wrap_socket(raw) as one:
                    return one.getpeercert(True)
            shown()
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key + ".new",
                            "-out", chain + ".new", "-subj", "/CN=live"], check=True, capture_output=True)
            with open(chain + ".new") as text:
                wanted = ssl.PEM_cert_to_DER_cert(text.read())
            os.replace(key + ".new", key)
            os.replace(chain + ".new", chain)
            while shown() != wanted:
                self.assertIn("have been read again", server.process.stderr.readline())


class Reload(Case):
    """SIGHUP"""

    def configure(self, text):
        path = self.write("fresh.toml", 'listen = "127.0.0.1:0"\nthreads = 2\n' + text)
        os.replace(path, os.path.join(self.scratch, "naru.toml"))
        return os.path.join(self.scratch, "naru.toml")

    def reload(self, server, says="the configuration has been read again\n"):
        server.signal(signal.SIGHUP)
        line = server.process.stderr.readline()
        self.assertRegex(line, "^naru: " + says)

    def test_what_changes_in_place(self):
        other = os.path.join(self.scratch, "other")
        os.mkdir(other)
        self.write("other/hello.txt", "other\n")
        config = self.configure('root = "%s"\n' % self.root)
        with Server("--no-sandbox", "--config", config) as server:
            kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

            def ask(path, host="a.example"):
                kept.request("GET", path, headers={"Host": host})
                answer = kept.getresponse()
                return answer.status, answer.read()
            self.assertEqual(ask("/hello.txt"), (200, b"hello\n"))
            local = kept.sock.getsockname()
            self.configure('root = "%s"\nheaders = { X = "1" }\n[[host]]\nnames = "a.example"\nroot = "%s"\n' % (self.root, other))
            self.reload(server)
            while ask("/hello.txt")[1] != b"other\n":  # each loop takes it in its own turn
                pass
            self.assertEqual(ask("/hello.txt", "b.example"), (200, b"hello\n"))
            self.assertEqual(kept.sock.getsockname(), local)
            # What is bad changes nothing.
            self.configure("root = 1\n")
            self.reload(server, r".*naru\.toml:3: root wants text in quotes; what was read before stays\n")
            self.configure('root = "/none/such"\n')
            self.reload(server, r".*naru\.toml:3: cannot serve /none/such: there is no such directory; what was read before stays\n")
            os.remove(config)
            self.reload(server, r"cannot read the configuration .*; what was read before stays\n")
            self.assertEqual(ask("/hello.txt"), (200, b"other\n"))
            # What cannot be changed while it runs is told, and the rest is taken.
            self.configure('root = "%s"\nengine = "poll"\nbacklog = 10\nlistings = true\n' % self.root)
            self.reload(server, "the configuration has been read again; for a new engine and backlog the server must be started again\n")
            while ask("/")[0] != 200:
                pass
            self.assertEqual(ask("/hello.txt"), (200, b"hello\n"))
            kept.close()

    def test_places_that_the_worker_may_not_read_are_served_by_a_fresh_one(self):
        other = os.path.join(self.scratch, "other")
        os.mkdir(other)
        self.write("other/hello.txt", "other\n")
        config = self.configure('root = "%s"\n' % self.root)
        with Server("--config", config) as server:
            self.assertEqual(server.get("/hello.txt")[1], b"hello\n")
            self.configure("root = 1\n")
            self.reload(server, r".*naru\.toml:3: root wants text in quotes; what was read before stays\n")
            self.configure('root = "/none/such"\n')
            self.reload(server, "the configuration has been read again: it names other places, and a fresh worker serves it\n")
            self.assertIn("naru.toml:3: cannot serve /none/such: there is no such directory", server.process.stderr.readline())
            self.assertIn("the one before goes on", server.process.stderr.readline())
            self.assertEqual(server.get("/hello.txt")[1], b"hello\n")
            # Nor is it what serves after a crash, once the file is good again.
            self.configure('root = "%s"\n' % self.root)
            self.reload(server)
            os.kill(worker_of(server.process.pid), signal.SIGKILL)
            self.assertIn("the next one starts", server.process.stderr.readline())
            self.assertEqual(server.get("/hello.txt")[1], b"hello\n")
            # It is asked for again as soon as may be, without another signal.
            self.configure('root = "%s"\n' % other)
            self.reload(server, "the configuration has been read again: it names other places, and a fresh worker serves it\n")
            while server.get("/hello.txt")[1] != b"other\n":
                pass

    def test_listeners_that_come_and_go(self):
        def at(port):
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

        def ask(one):
            one.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            return one.recv(65536).decode()
        with socket.socket() as taken, socket.socket() as first, socket.socket() as second:
            for each in (taken, first, second):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind(("127.0.0.1", 0))
            taken.listen()
            going, coming = first.getsockname()[1], second.getsockname()[1]
            first.close()
            second.close()
            config = os.path.join(self.scratch, "naru.toml")

            def configure(*ports):
                path = self.write("fresh.toml", 'root = "%s"\nthreads = 1\nlisten = [%s]\n' % (
                    self.root, ", ".join('"127.0.0.1:%d"' % each for each in ports)))
                os.replace(path, config)
            configure(0, going)
            renews = "naru: the configuration has been read again: for a new listen a fresh worker serves it\n"
            with Server("--config", config) as server, at(going) as one:
                self.assertIn("hello", ask(one))
                configure(0, coming)
                server.signal(signal.SIGHUP)
                self.assertEqual(server.process.stderr.readline(), renews)
                while True:  # until the fresh worker is there
                    try:
                        with at(coming) as fresh:
                            self.assertIn("hello", ask(fresh))
                        break
                    except ConnectionError:
                        time.sleep(0.01)
                while "Connection: close" not in ask(one):  # the last answer there
                    pass
                self.assertEqual(one.recv(1), b"")
                while True:
                    try:
                        at(going).close()
                    except ConnectionError:
                        break
                self.assertEqual(server.get("/hello.txt")[0], 200)
                # One that cannot be had changes nothing.
                configure(0, taken.getsockname()[1])
                server.signal(signal.SIGHUP)
                said = [server.process.stderr.readline() for _ in range(2)]  # of two processes
                self.assertIn(renews, said)
                self.assertTrue(any("what was read before stays" in each for each in said), said)
                with at(coming) as fresh:
                    self.assertIn("hello", ask(fresh))
                self.assertEqual(server.get("/hello.txt")[0], 200)

    def test_a_file_that_is_none_for_a_while(self):
        text = 'root = "%s"\n' % self.root
        for arguments in (["--no-sandbox"], []):
            with self.subTest(arguments=arguments):
                config = self.configure(text)
                with Server("--config", config, *arguments) as server:
                    open(config, "w").close()  # as an editor leaves it between two calls
                    self.reload(server, ".*there is nothing in it.*what was read before stays")
                    os.unlink(config)
                    os.mkfifo(config)
                    self.reload(server, ".*it is a FIFO.*what was read before stays")
                    self.assertEqual(server.get("/hello.txt")[0], 200)
                    os.unlink(config)
                    server.signal(signal.SIGTERM)
                    self.assertEqual(server.wait()[0], 0)

    def test_a_second_mistake_is_told_as_soon_as_the_first(self):
        config = self.configure('root = "%s"\n' % self.root)
        with Server("--config", config) as server:
            def mistakes():
                begun = time.monotonic()
                for name in ("one", "two"):
                    self.configure("%s = 1\n" % name)
                    self.reload(server, ".*there is no setting %s.*what was read before stays" % name)
                return time.monotonic() - begun
            # The master's pause between workers that it starts by itself is 10 s.
            self.assertTrue(any(mistakes() < 5 for _ in range(3)))

    def test_flags_stay_before_the_file(self):
        config = self.configure("")
        with Server(self.root, "--no-sandbox", "--config", config) as server:
            self.configure('root = "/none/such"\nlistings = true\n')
            self.reload(server)
            while server.get("/")[0] != 200:
                pass

    def test_under_load_no_request_fails(self):
        size = 8 * 1024 * 1024
        with open(os.path.join(self.root, "large"), "wb") as large:
            large.write(b"x" * size)

        def text(number):
            return ('root = "%s"\n[[route]]\npath = "/number"\nanswer = "%d"\n[[host]]\nnames = "h%d.example"\nroot = "%s"\n'
                    % (self.root, number, number, self.root))
        with Server("--config", self.configure(text(0)), "--access-log", os.path.join(self.scratch, "log")) as server:
            server.get("/number")
            before = len(os.listdir("/proc/%d/fd" % server.process.pid))
            latest, failures, done = [0], [], threading.Event()
            seen = [0] * 3

            def keep_asking(which):
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
                    while not done.is_set():
                        for path in ("/number", "/hello.txt"):
                            connection.request("GET", path)
                            answer = connection.getresponse()
                            body = answer.read()
                            if answer.status != 200 or (path != "/number" and body != b"hello\n"):
                                raise AssertionError((path, answer.status, body))
                            if path == "/number":
                                if not seen[which] <= int(body) <= latest[0]:
                                    raise AssertionError((body, seen, latest))
                                seen[which] = int(body)
                    connection.close()
                except Exception as error:  # told by the main thread
                    failures.append(error)
                    done.set()
            clients = [threading.Thread(target=keep_asking, args=(which,)) for which in range(len(seen))]
            for each in clients:
                each.start()
            slow = []
            try:
                for number in range(1, 13):
                    one = socket.socket()
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
                    one.settimeout(PATIENCE)
                    one.connect(("127.0.0.1", server.port))
                    one.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    slow.append((one, one.recv(12)))
                    latest[0] = number
                    self.configure(text(number))
                    self.reload(server)
                    while min(seen) < number and not failures:  # all have asked the new one
                        done.wait(0.001)
                self.assertEqual(failures, [])
                for one, begun in slow:
                    got = begun
                    while b"\r\n\r\n" not in got:
                        got += one.recv(65536)
                    head, _, body = got.partition(b"\r\n\r\n")
                    self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
                    total = len(body)
                    while piece := one.recv(1 << 20):
                        total += len(piece)
                    self.assertEqual(total, size)
            finally:
                done.set()
                for each in clients:
                    each.join()
                for one, _ in slow:
                    one.close()
            self.assertEqual(failures, [])
            end = time.monotonic() + PATIENCE
            while len(os.listdir("/proc/%d/fd" % server.process.pid)) > before + 2:  # of the cache: two files
                self.assertLess(time.monotonic(), end, os.listdir("/proc/%d/fd" % server.process.pid))
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait()[0], 0)

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not here")
    def test_connections_of_names_whose_clients_are_to_show_certificates(self):
        chain, key = os.path.join(self.scratch, "one.pem"), os.path.join(self.scratch, "one.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", chain,
                        "-subj", "/CN=one"], check=True, capture_output=True)
        hosts = 'root = "%s"\nlisten-tls = "127.0.0.1:0"\ntls = "%s,%s"\n' % (self.root, chain, key)
        for name in ("open", "closed"):
            hosts += '[[host]]\nnames = "%s.example"\nroot = "%s"\n' % (name, self.root)
        with Server("--config", self.configure(hosts)) as server:
            port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", server.line).group(1))
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

            def connect(name):
                return context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname=name)

            def ask(one, name):
                one.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: %s\r\n\r\n" % name.encode())
                got = b""
                while not got.endswith(b"hello\n"):
                    piece = one.recv(65536)
                    self.assertTrue(piece, got)
                    got += piece
            kept = {name: connect(name) for name in ("open.example", "closed.example", "other.example")}
            for name, one in kept.items():
                ask(one, name)
            self.configure(hosts + 'client-certificates = "required"\nclient-ca = "%s"\n' % chain)
            self.reload(server)
            try:
                self.assertEqual(kept["closed.example"].recv(100), b"")
            except (ConnectionResetError, ssl.SSLEOFError):
                pass
            for name in ("open.example", "other.example"):
                ask(kept[name], name)
            # Who comes anew is asked.
            try:
                one = kept["asked"] = connect("closed.example")
                one.sendall(b"GET / HTTP/1.1\r\nHost: closed.example\r\n\r\n")
                self.assertEqual(one.recv(100), b"")
            except (ConnectionError, ssl.SSLError):
                pass
            kept["anew"] = connect("open.example")
            ask(kept["anew"], "open.example")

            # The same file with other content asks others for other certificates.
            issuer = os.path.join(self.scratch, "issuer.pem")
            shutil.copy(chain, issuer)
            policy = hosts + 'client-certificates = "optional"\nclient-ca = "%s"\n' % issuer
            self.configure(policy)
            self.reload(server)
            kept["again"] = connect("closed.example")
            ask(kept["again"], "closed.example")
            self.reload(server)
            ask(kept["again"], "closed.example")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key + "2",
                            "-out", issuer, "-subj", "/CN=two"], check=True, capture_output=True)
            self.reload(server)
            try:
                self.assertEqual(kept["again"].recv(100), b"")
            except (ConnectionResetError, ssl.SSLEOFError):
                pass
            ask(kept["anew"], "open.example")
            for one in kept.values():
                one.close()


class Snippets(Case):
    """Each piece of TOML in the documentation is good."""

    def test_all(self):
        documents = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        found = 0
        files = [os.path.join(documents, "README.md"), *(os.path.join(documents, "docs", each) for each in sorted(os.listdir(os.path.join(documents, "docs"))))]
        chain = None
        os.mkdir(os.path.join(self.scratch, "conf.d"))
        for file in files:
            if not file.endswith(".md"):
                continue
            with open(file, encoding="utf-8") as document:
                text = document.read()
            for number, snippet in enumerate(re.findall(r"^```toml\n(.*?)^```", text, re.S | re.M)):
                found += 1
                # What it names is made beneath the scratch directory.
                snippet = re.sub(r'(["," ])/(srv|etc|var)/', r"\1%s/\2/" % self.scratch, snippet)
                for path in re.findall(re.escape(self.scratch) + r'/[^",]*', snippet):
                    if path.endswith((".pem", ".key")):
                        os.makedirs(os.path.dirname(path), exist_ok=True)
                        if chain is None:
                            chain = os.path.join(self.scratch, "one")
                            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                                            chain + ".key", "-out", chain + ".pem", "-subj", "/CN=one"], check=True, capture_output=True)
                        shutil.copy(chain + path[-4:], path)
                    elif "." in os.path.basename(path):
                        os.makedirs(os.path.dirname(path), exist_ok=True)
                    else:
                        os.makedirs(path, exist_ok=True)
                with self.subTest(file=os.path.basename(file), number=number):
                    self.check_good(snippet)
        self.assertGreater(found, 3)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
