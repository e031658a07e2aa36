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

# Commands, components, presets and links that the pages name are there.
pages = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]
front_door = (root / "run").read_text()
presets = (root / "CMakePresets.json").read_text()
components = re.search(r"set\(NARU_COMPONENTS ([a-z ]+) CACHE", (root / "cmake/options.cmake").read_text())[1].split()
for page in pages:
    text = page.read_text()
    for command in re.findall(r"./run ([a-z][a-z0-9-]*)", text):
        if not re.search(rf"^    (\S*\|)?{command}(\||\))", front_door, re.M) and f"{command} |" not in front_door:
            problems.append(f"{page.relative_to(root)}: there is no ./run {command}")
    for preset in re.findall(r"--preset ([a-z]+)", text):
        if f'"name": "{preset}"' not in presets:
            problems.append(f"{page.relative_to(root)}: there is no preset {preset}")
    for named in re.findall(r"find_package\(naru[^)]*COMPONENTS ([a-z ]+)\)", text):
        problems += [f"{page.relative_to(root)}: there is no component {each}" for each in named.split() if each not in components]
    for to in re.findall(r"\]\((?!https?:)([^)#]+)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if not (page.parent / to).exists():
            problems.append(f"{page.relative_to(root)}: the link to {to} leads nowhere")

for page in pages:
    for name in re.findall(r"`((?:naru|apps|examples|tests|bench|docs|site)/[\w./-]+)`", page.read_text()):
        if not (root / name).exists():
            problems.append(f"{page.relative_to(root)}: there is no {name}")

for problem in problems:
    print(problem)
print(f"{len(problems)} problems")
sys.exit(bool(problems))
