#!/usr/bin/env python3
"""What must not compile does not, and the compiler says why in a sentence: compile_fail_test.py COMPILER ROOT.

Each file beside this one is compiled as it is, which must succeed, and with MISUSE defined, which must fail with the
sentence of its first line; clang's first error is that sentence, if it is one of naru's own. `// with: gcc 12` (or clang) names the one
compiler that sees it. The headers are compiled once, ahead of all files."""
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

compiler, root = sys.argv[1], pathlib.Path(sys.argv[2])
version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
name = "clang" if "clang" in version else "gcc"
major = re.search(r"(\d+)\.\d+", version.partition("\n")[0])[1]
flags = ["-std=c++23", "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized", f"-I{root}"]
if name == "clang":
    flags.remove("-Wno-maybe-uninitialized")


def compile_file(file: pathlib.Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run([compiler, *flags, "-include", headers, "-fsyntax-only", *more, str(file)], capture_output=True,
                          text=True, timeout=600)


def is_first(sentence: str, said: str) -> bool:
    """A static_assert may be followed by what came of it: the reader has read the sentence by then."""
    errors = [line for line in said.splitlines() if re.search(r"error: ", line)]
    return bool(errors) and sentence in errors[0]


def check(file: pathlib.Path) -> str | None:
    lines = file.read_text().splitlines()
    sentence = lines[0].removeprefix("// says: ")
    wanted = lines[1].removeprefix("// with: ").split() if lines[1].startswith("// with: ") else []
    right = compile_file(file)
    if right.returncode != 0:
        return f"{file.name}: what is right does not compile:\n{right.stderr[:2000]}"
    if wanted and wanted != [name, major][:len(wanted)]:
        return None
    wrong = compile_file(file, "-DMISUSE")
    if wrong.returncode == 0:
        return f"{file.name}: it compiles"
    if sentence not in wrong.stderr:
        return f"{file.name}: '{sentence}' is not said:\n{wrong.stderr[:2000]}"
    if name == "clang" and sentence.startswith("naru: ") and not is_first(sentence, wrong.stderr):
        return f"{file.name}: '{sentence}' is not the first error:\n{wrong.stderr[:2000]}"
    return None


folder = tempfile.TemporaryDirectory(prefix="naru-compile-fail-")
headers = f"{folder.name}/headers.hpp"
pathlib.Path(headers).write_text("#include <naru/http/http.hpp>\n#include <naru/naru.hpp>\n")
precompiled = f"{headers}.pch" if name == "clang" else f"{headers}.gch"
subprocess.run([compiler, *flags, "-x", "c++-header", headers, "-o", precompiled], check=True, timeout=600)

files = sorted(pathlib.Path(__file__).parent.glob("*.cpp"))
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    problems = [problem for problem in pool.map(check, files) if problem]
for problem in problems:
    print(problem)
print(f"{len(files)} files, {len(problems)} problems")
sys.exit(bool(problems) or not files)
