#!/usr/bin/env python3
"""What must not compile does not, and the compiler says why in a sentence: compile_fail_test.py COMPILER ROOT.

Each file beside this one is compiled as it is, which must succeed, and with MISUSE defined, which must fail with the
sentence of its first line. `// with: gcc 12` (or clang) names the one compiler that sees it."""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

compiler, root = sys.argv[1], pathlib.Path(sys.argv[2])
version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
name = "clang" if "clang" in version else "gcc"
major = re.search(r"(\d+)\.\d+", version.partition("\n")[0])[1]
flags = ["-std=c++23", "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized", f"-I{root}", "-c", "-o", "/dev/null"]
if name == "clang":
    flags.remove("-Wno-maybe-uninitialized")


def compile_file(file: pathlib.Path, *more: str) -> subprocess.CompletedProcess:
    return subprocess.run([compiler, *flags, *more, str(file)], capture_output=True, text=True, timeout=600)


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
    return None


files = sorted(pathlib.Path(__file__).parent.glob("*.cpp"))
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    problems = [problem for problem in pool.map(check, files) if problem]
for problem in problems:
    print(problem)
print(f"{len(files)} files, {len(problems)} problems")
sys.exit(bool(problems) or not files)
