#!/usr/bin/env python3
"""The README's example is the one that is compiled, and the files that the documentation names exist."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
problems = []

readme = (root / "README.md").read_text()
example = (root / "examples/echo_coroutine.cpp").read_text().split("// [readme]\n")[1].strip()
if example not in readme:
    problems.append("README.md: the example is not the one in examples/echo_coroutine.cpp")
if example.count("\n") + 1 > 15:
    problems.append("README.md: the example has more than 15 lines")

for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
    for name in re.findall(r"`((?:naru|apps|examples|tests|bench|docs|site)/[\w./-]+)`", page.read_text()):
        if not (root / name).exists():
            problems.append(f"{page.relative_to(root)}: there is no {name}")

for problem in problems:
    print(problem)
print(f"{len(problems)} problems")
sys.exit(bool(problems))
