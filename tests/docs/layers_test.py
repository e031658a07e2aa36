#!/usr/bin/env python3
"""Includes point downwards: a folder of naru/ includes only what stands beneath it (docs/architecture.md). And what
is a world's is named so above the engines: its clock and threads, and a descriptor that is lent."""
import re
import sys
from pathlib import Path

# Each folder, and what it may include besides itself.
BENEATH = {
    "core": "",
    "os": "core",
    "loop": "core os",
    "backend": "core os loop",
    "coro": "core os loop",
    "sim": "core os loop coro",
    "stream": "core os loop coro",
    "net": "core os loop coro stream",
    "fs": "core os loop coro stream net",
    "http": "core os loop coro stream net fs",
    "testing": "core os loop coro stream net fs http sim",
}

# What belongs to a world: above these folders it is asked of the environment (naru/loop/environment.hpp). The
# simulated one speaks to the real one where a thread outside waits for it.
WORLDLY = re.compile(r"std::thread\(|(?:steady|system|high_resolution)_clock::now\(|random_device|std::time\(|"
                     r"::(?:clock_gettime|gettimeofday|getrandom|pthread_create)\(")
# A descriptor above the engines is a lent_descriptor, or an int that is called `descriptor`.
BARE = re.compile(r"\bint (?:\w+_)?(?:file|directory|socket|fd|log_file|listener|peer)_?\b(?!\()")
MAY_BE_BARE = ("os/", "backend/", "sim/", "loop/file_work.cpp")

MAY_BE_WORLDLY = ("core/clock.hpp", "os/", "backend/", "sim/schedule.cpp", "sim/world.cpp")


def faults(root):
    for path in sorted((root / "naru").rglob("*.[ch]pp")):
        folder = path.relative_to(root / "naru").parts[0]
        if folder not in BENEATH:
            if folder != "naru.hpp":  # which includes all that users need
                yield f"{path.relative_to(root)}: {folder} is no folder of the library (tests/docs/layers_test.py names them)"
            continue
        within = str(path.relative_to(root / "naru"))
        for line in path.read_text(encoding="utf-8").splitlines():
            if not within.startswith(MAY_BE_WORLDLY) and WORLDLY.search(line.split("//")[0]):
                yield f"{path.relative_to(root)}: {line.strip()} is the environment's (naru/loop/environment.hpp)"
            if not within.startswith(MAY_BE_BARE) and BARE.search(line.split("//")[0]):
                yield f"{path.relative_to(root)}: {line.strip()} is a lent_descriptor (naru/os/lent_descriptor.hpp)"
            found = re.match(r'#include [<"](?:naru/([a-z_0-9]+)/|(load|lab|apps)/)', line)
            if not found:
                continue
            included = found[1] or "apps/naru"
            if included != folder and included not in BENEATH[folder].split():
                yield f"{path.relative_to(root)}: {line} points upwards: {folder} stands beneath {included}"


def main():
    root = Path(__file__).resolve().parents[2]
    found = list(faults(root))
    print("\n".join(found) or "every include points downwards")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
