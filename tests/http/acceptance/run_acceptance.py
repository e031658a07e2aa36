#!/usr/bin/env python3
"""Run the acceptance cases against a naru program on one engine.

    run_acceptance.py PROGRAM ENGINE [arguments for run_http1.py]
    run_acceptance.py PROGRAM ENGINE --http2 [arguments for run_http2.py]

HTTP/2's cases, in clear text and over TLS, are those of the directory that NARU_HTTP2_CASES names, or of ../shared/http2 beside
the checkout; without it they are skipped.
Makes the document root in a temporary directory, starts `PROGRAM serve` on a free port, runs the cases, and
checks that SIGTERM ends the server with exit code 0. With --tls both speak it. Ends with 77 (skipped) if the engine cannot be used here.
"""
import os
import re
import select
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
START_SECONDS = 30
CASES_SECONDS = 110
STOP_SECONDS = 20


def read_ports(server):
    """The ports, from the one line that the server prints when it is ready."""
    ready, _, _ = select.select([server.stdout], [], [], START_SECONDS)
    line = server.stdout.readline() if ready else ""
    return re.findall(r"https?://127\.0\.0\.1:(\d+)/", line)


def stop(server):
    """What is wrong with how the server ends, or None."""
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        return "the server did not end %d s after SIGTERM" % STOP_SECONDS
    return None if code == 0 else "the server ended with %d after SIGTERM" % code


def http2_cases():
    """The directory of HTTP/2's cases, or None."""
    beside = os.path.join(HERE, "..", "..", "..", "..", "shared", "http2")
    for directory in (os.environ.get("NARU_HTTP2_CASES"), beside):
        if directory and os.path.exists(os.path.join(directory, "run_http2.py")):
            return directory
    return None


def run(program, engine, arguments, scratch):
    runner, flags = os.path.join(HERE, "run_http1.py"), []
    if arguments[:1] == ["--http2"]:
        directory = http2_cases()
        if directory is None:
            print("skipped: there are no cases for HTTP/2 (NARU_HTTP2_CASES names their directory)")
            return SKIPPED
        runner, flags, arguments = os.path.join(directory, "run_http2.py"), ["--h2c"], arguments[1:]
    root = os.path.join(scratch, "root")
    subprocess.run([sys.executable, os.path.join(HERE, "make_root.py"), root], check=True, stdout=subprocess.DEVNULL)
    errors = open(os.path.join(scratch, "stderr"), "w+")
    clear, secure = ["--listen", "127.0.0.1:0"], ["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]
    listen = clear + secure if flags else secure if "--tls" in arguments else clear
    server = subprocess.Popen([program, "serve", root, *listen, "--engine", engine] + flags,
                              stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        ports = read_ports(server)
        if not ports:
            server.wait(START_SECONDS)
            errors.seek(0)
            text = errors.read().strip()
            print(text)
            return SKIPPED if "cannot be used here" in text else 1
        if flags:
            arguments += ["--tls-port", ports[1], "--pid", str(server.pid)]  # its last cases end the server
        cases = subprocess.run([sys.executable, runner, "--port", ports[0], "--root", root] + arguments,
                               timeout=CASES_SECONDS)
        wrong = stop(server)
        errors.seek(0)
        text = errors.read()
        if wrong or cases.returncode != 0:
            print(text.strip())
        if wrong:
            print(wrong)
        return 1 if wrong else cases.returncode
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
        errors.close()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="naru-acceptance-") as scratch:
        sys.exit(run(os.path.abspath(sys.argv[1]), sys.argv[2], sys.argv[3:], scratch))


if __name__ == "__main__":
    main()
