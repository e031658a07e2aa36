#!/usr/bin/env python3
"""naru as others get it: install_test.py BUILD SOURCE CXX [-v] [TEST...]

BUILD is a finished build with both kinds of library and the program. It is installed into a folder of its own, and small
programs outside of the tree (consumer/) are built with what is there, in each way that there is."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

PATIENCE = 900
BUILD, SOURCE, CXX = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
CONSUMER = pathlib.Path(__file__).resolve().parent / "consumer"
ALL = ("core", "http", "tls", "sim")
CORE_PROGRAM_LIMIT = 1024 * 1024


def run(*command, check=True, **how):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=PATIENCE, **how)
    if check and done.returncode != 0:
        raise AssertionError(f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="naru-install-")
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = pathlib.Path(folder.name)

    def configure(self, name, *settings, check=True, **how):
        return run("cmake", "-G", "Ninja", "-S", CONSUMER, "-B", self.scratch / name, f"-DCMAKE_CXX_COMPILER={CXX}", *settings,
                   check=check, **how)

    def check_programs(self, folder, components, **how):
        for component in components:
            done = run(folder / f"with_{component}", **how)
            self.assertEqual(done.stdout, f"{component} works\n")


class Installed(Case):
    """From `cmake --install`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = cls.scratch / "prefix"
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.libraries = next(cls.prefix.rglob("libnaru_core.a")).parent
        cls.pkg_config = {**os.environ, "PKG_CONFIG_PATH": str(cls.libraries / "pkgconfig")}

    def check_package(self, name, components, *settings):
        self.configure(name, f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCOMPONENTS={';'.join(components)}", *settings)
        run("cmake", "--build", self.scratch / name)
        self.check_programs(self.scratch / name, components)

    def test_find_package_static(self):
        self.check_package("static", ALL, "-DCMAKE_BUILD_TYPE=Release")
        linked = run("ldd", self.scratch / "static" / "with_http").stdout
        self.assertNotIn("naru", linked)
        core = self.scratch / "static" / "with_core"
        self.assertNotRegex(run("ldd", core).stdout, "ssl|crypto|libz|fmt")
        run("strip", core)
        self.assertLess(core.stat().st_size, CORE_PROGRAM_LIMIT)

    def test_find_package_shared(self):
        # Symbols of its own are hidden, as many projects want: what headers share must be one all the same.
        self.check_package("shared", ALL, "-DBUILD_SHARED_LIBS=ON", "-DHIDDEN=ON")
        linked = run("ldd", self.scratch / "shared" / "with_http").stdout
        for component in ("core", "http"):
            self.assertRegex(linked, rf"libnaru_{component}\.so\.\d+\.\d+ => {re.escape(str(self.prefix))}")

    def test_what_the_readme_shows(self):
        text = (SOURCE / "README.md").read_text()
        program = next(each for each in re.findall(r"```cpp\n(.*?)```", text, re.S) if "int main()" in each)
        package = re.search(r"```cmake\n(.*?)```", text, re.S)[1]
        folder = self.scratch / "readme"
        folder.mkdir()
        (folder / "main.cpp").write_text(program)
        target = re.search(r"target_link_libraries\((\w+)", package)[1]
        (folder / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(readme LANGUAGES CXX)\n"
                                               f"add_executable({target} main.cpp)\n{package}")
        run("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", f"-DCMAKE_CXX_COMPILER={CXX}", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", folder / "build")

    def test_find_package_says_what_is_wrong(self):
        at = f"-DCMAKE_PREFIX_PATH={self.prefix}"
        for name, settings, says in (
                ("component", ("-DCOMPONENTS=core;ferry",), "naru has no component ferry here"),
                ("compiler", ("-DPRETEND_VERSION=11.4",), "naru needs C++23: GCC 12.2 or newer, or clang 19 or newer. This"
                                                         " compiler is GNU 11.4")):
            done = self.configure(name, at, *settings, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, " ".join(done.stderr.split()))

    def test_an_older_language(self):
        for header in ("naru/naru.hpp", "naru/http/http.hpp", "naru/sim/sim.hpp", "naru/stream/tls/tls_stream.hpp"):
            done = run(CXX, "-std=c++20", f"-I{self.prefix}/include", "-fsyntax-only", "-x", "c++", "-include", header, "/dev/null",
                       check=False)
            self.assertNotEqual(done.returncode, 0)
            first = next(line for line in done.stderr.splitlines() if "error" in line)
            self.assertIn("naru needs C++23: compile with -std=c++23", first)

    def flags(self, *what):
        return shlex.split(run("pkg-config", *what, env=self.pkg_config).stdout)

    def test_pkg_config(self):
        for component in ALL:
            program = self.scratch / f"pkg_{component}"
            run(CXX, "-std=c++23", CONSUMER / f"with_{component}.cpp", *self.flags("--cflags", "--libs", f"naru-{component}"),
                f"-Wl,-rpath,{self.libraries}", "-o", program)
            self.assertEqual(run(program).stdout, f"{component} works\n")
            self.assertIn("libnaru_core.so", run("ldd", program).stdout)

    def test_pkg_config_static(self):
        # The linker takes shared libraries where there are both.
        alone = self.scratch / "alone"
        shutil.copytree(self.prefix, alone, symlinks=True)
        for each in alone.rglob("libnaru_*.so*"):
            each.unlink()
        self.pkg_config = {"PATH": os.environ["PATH"], "PKG_CONFIG_PATH": str(alone / self.libraries.relative_to(self.prefix) / "pkgconfig")}
        program = self.scratch / "pkg_static"
        run(CXX, "-std=c++23", CONSUMER / "with_http.cpp", *self.flags("--static", "--cflags", "--libs", "naru-http"), "-o", program)
        self.assertEqual(run(program).stdout, "http works\n")

    def test_shared_libraries_show_naru_only(self):
        for component in ALL:
            library = self.libraries / f"libnaru_{component}.so"
            self.assertRegex(run("readelf", "-d", library).stdout, rf"SONAME.*\[libnaru_{component}\.so\.\d+\.\d+\]")
            shown = [line.split()[-1] for line in run("nm", "-D", "--defined-only", library).stdout.splitlines()]
            self.assertTrue(shown)
            self.assertEqual([each for each in shown if not re.match(r"_Z(N[KVRO]*|T[ISVTHW]N|GVN)4naru", each)], [])

    def test_headers_include_what_is_installed(self):
        include = self.prefix / "include"
        headers = sorted(include.rglob("*.hpp"))
        self.assertIn(include / "naru/naru.hpp", headers)
        for header in headers:
            for included in re.findall(r"^#include <(.+?)>", header.read_text(), re.M):
                if included.startswith("naru/"):
                    self.assertTrue((include / included).exists() or "windows" in included, f"{header}: {included}")
                else:  # nothing that a user of the library has to have
                    self.assertNotRegex(included, "fmt|openssl|zlib|CLI|toml|nghttp2|brotli|zstd|xxhash")

    def test_headers_are_light(self):
        """What takes longest to parse is in no header: streams and locales, <chrono>'s calendars, <regex>, <random>."""
        for header in ("naru/naru.hpp", "naru/http/http.hpp"):
            used = run(CXX, "-std=c++23", f"-I{self.prefix}/include", "-M", "-x", "c++", self.prefix / "include" / header).stdout
            for heavy in ("chrono", "fstream", "iostream", "random", "ranges", "regex", "sstream"):
                self.assertNotRegex(used, rf"c\+\+/(\d+|v1)/{heavy}\s")
            # Whatever it is, it is paid by every file. 71,400 lines with GCC 12's library, of which two thirds are that.
            lines = run(CXX, "-std=c++23", f"-I{self.prefix}/include", "-E", "-P", "-x", "c++", self.prefix / "include" / header).stdout
            self.assertLess(sum(1 for line in lines.splitlines() if line), 76_000, header)

    def test_program(self):
        said = run(self.prefix / "bin/naru", "--version").stdout.splitlines()
        self.assertRegex(said[0], r"^naru \d+\.\d+\.\d+$")
        self.assertEqual([line.partition(":")[0] for line in said[1:]], ["build", "compiler", "engines", "libraries"])
        self.assertIn("epoll", said[3])
        self.assertRegex(said[4], r"OpenSSL \d+\.\d+.*zlib|zlib \d+\.\d+.*OpenSSL")

    def test_service(self):
        unit = (self.prefix / "lib/systemd/system/naru.service").read_text()
        start = re.search(r"^ExecStart=(.*)$", unit, re.M)[1].split()
        self.assertTrue(os.access(start[0], os.X_OK), start)
        self.assertTrue(pathlib.Path(start[start.index("--config") + 1]).exists(), start)
        self.assertEqual(start[1], "serve")

    def test_what_goes_with_the_service(self):
        """The socket's unit, the rotation of logs, and what takes over fresh certificates."""
        socket_unit = (self.prefix / "lib/systemd/system/naru.socket").read_text()
        self.assertRegex(socket_unit, r"(?m)^FileDescriptorName=http$")
        rotation = self.prefix / "etc/logrotate.d/naru"
        self.assertIn("SIGUSR1", rotation.read_text())
        if shutil.which("logrotate"):
            run("logrotate", "--debug", "--state", self.scratch / "rotated", rotation)
        hook = self.prefix / "etc/letsencrypt/renewal-hooks/deploy/naru"
        self.assertTrue(os.access(hook, os.X_OK), hook)
        run("sh", "-n", hook)

    def flags_of(self, command):
        said = run(self.prefix / "bin/naru", command, "--help").stdout
        return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", "\n".join(line[:30] for line in said.splitlines())))

    def test_manual_and_completions_name_every_flag(self):
        share = self.prefix / "share"
        scripts = {shell: (share / path).read_text() for shell, path in (
            ("bash", "bash-completion/completions/naru"), ("zsh", "zsh/vendor-completions/_naru"),
            ("fish", "fish/vendor_completions.d/naru.fish"))}
        whole = (share / "man/man1/naru.1").read_text()
        for command in ("serve", "load", "lab", "doctor"):
            page = (share / f"man/man1/naru-{command}.1").read_text()
            self.assertTrue(page.startswith(f".TH NARU\\-{command.upper()} 1 "))
            self.assertIn(f"\\fB{command}\\fR", whole)
            flags = self.flags_of(command)
            self.assertIn("--help", flags)
            for flag in flags:
                self.assertIn(flag.replace("-", "\\-"), page)
                self.assertIn(f" {flag}", scripts["bash"].replace("'", " "))
                self.assertIn(f"*{flag}[", scripts["zsh"])
                self.assertIn(f" -l {flag[2:]} ", scripts["fish"])
        if shutil.which("man"):
            for page in (share / "man/man1").iterdir():
                done = run("man", "--warnings", "-l", page, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
                self.assertEqual(done.stderr, "")

    def completed(self, *words):
        script = self.prefix / "share/bash-completion/completions/naru"
        line = " ".join(shlex.quote(each) for each in words)
        return set(run("bash", "-c", f"source {shlex.quote(str(script))}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _naru; "
                       'printf "%s\\n" "${COMPREPLY[@]}"').stdout.split())

    def test_bash_completes(self):
        self.assertLessEqual({"serve", "load", "lab", "doctor", "--version"}, self.completed("naru", ""))
        self.assertEqual(self.completed("naru", "se"), {"serve"})
        self.assertEqual(self.completed("naru", "serve", "--lis"), {"--listen", "--listen-tls", "--listings"})
        self.assertEqual(self.completed("naru", "serve", "--engine", "io_"), {"io_uring", "io_uring-sqpoll"})
        self.assertEqual(self.completed("naru", "serve", "x"), set())


class Built(Case):
    """As a part of another project: naru's sources, and nothing of what only naru's developers need."""

    def check_way(self, way):
        self.configure("within", f"-DWAY={way}", f"-DNARU_SOURCE={SOURCE}", "-DCMAKE_CXX_FLAGS_DEBUG=-O0", "-DCMAKE_BUILD_TYPE=Debug")
        within = self.scratch / "within"
        built = run("cmake", "--build", within)
        self.assertNotIn("warning", built.stdout + built.stderr)
        self.check_programs(within, ["core"])
        cache = (within / "CMakeCache.txt").read_text()
        for unasked in ("CLI11", "GTest", "Python3", "OPENSSL", "ZLIB", "TOMLPLUSPLUS", "FMT_INCLUDE"):
            self.assertNotIn(f"\n{unasked}", cache)
        commands = {pathlib.Path(each["file"]).name: each["command"] for each in json.loads((within / "compile_commands.json").read_text())}
        self.assertNotIn("Werror", commands["choose_backend.cpp"].replace("-Wold-style-cast -Werror", ""))
        own = commands["with_core.cpp"]
        self.assertNotRegex(own, "strict-overflow|semantic-interposition|non-virtual-dtor|NDEBUG|-O2|ftls-model")
        self.assertIn("-isystem", own)
        self.assertRegex(own, r"-std=(c|gnu)\+\+2[3b]")
        self.assertFalse([name for name in commands if name.endswith("_test.cpp") or name == "serve.cpp"])

    def test_add_subdirectory_and_fetch_content(self):
        for way in ("subdirectory", "fetch"):  # into one folder: the second finds what the first has compiled
            with self.subTest(way=way):
                self.check_way(way)


class Packages(Case):
    def test_debian(self):
        run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", self.scratch / "packages", cwd=self.scratch)
        packages = {re.match(r"[^_]+", each.name)[0]: each for each in (self.scratch / "packages").glob("*.deb")}
        library = next(name for name in packages if re.fullmatch(r"libnaru\d+\.\d+", name))
        self.assertEqual(set(packages), {library, "libnaru-dev", "naru"})
        field = lambda package, name: run("dpkg-deb", "--field", packages[package], name).stdout.strip()
        self.assertIn(f"{library} (= ", field("libnaru-dev", "Depends"))
        self.assertIn("libssl", field(library, "Depends"))
        self.assertNotIn("naru", field("naru", "Depends"))
        for name in packages:
            run("dpkg-deb", "--extract", packages[name], self.scratch / name)
        files = lambda package: {str(each.relative_to(self.scratch / package)) for each in (self.scratch / package).rglob("*") if not each.is_dir()}
        self.assertEqual({pathlib.Path(each).name.split(".so")[0] for each in files(library)}, {f"libnaru_{each}" for each in ALL})
        program = files("naru")
        for wanted in ("usr/bin/naru", "usr/lib/systemd/system/naru.service", "usr/lib/systemd/system/naru.socket", "etc/naru/naru.toml",
                       "etc/logrotate.d/naru", "etc/letsencrypt/renewal-hooks/deploy/naru", "usr/share/man/man1/naru-serve.1",
                       "usr/share/bash-completion/completions/naru"):
            self.assertIn(wanted, program)
        self.assertIn("ExecStart=/usr/bin/naru serve --config /etc/naru/naru.toml\n",
                      (self.scratch / "naru/usr/lib/systemd/system/naru.service").read_text())
        kept = run("dpkg-deb", "--info", packages["naru"], "conffiles").stdout.split()
        self.assertEqual(kept, ["/etc/naru/naru.toml", "/etc/logrotate.d/naru", "/etc/letsencrypt/renewal-hooks/deploy/naru"])
        run(self.scratch / "naru/usr/bin/naru", "--version")

        # The development and the library package over each other are what `apt-get install libnaru-dev` gives.
        together = self.scratch / "together"
        for name in ("libnaru-dev", library):
            shutil.copytree(self.scratch / name, together, symlinks=True, dirs_exist_ok=True)
        self.configure("with_packages", f"-DCMAKE_PREFIX_PATH={together}/usr", "-DCOMPONENTS=core", "-DBUILD_SHARED_LIBS=ON")
        run("cmake", "--build", self.scratch / "with_packages")
        self.check_programs(self.scratch / "with_packages", ["core"])

    def test_vcpkg_port(self):
        """Its syntax, and its words for what naru's own files name; not against vcpkg's registry, which is not here."""
        port = SOURCE / "packaging/vcpkg/ports/naru"
        manifest = json.loads((port / "vcpkg.json").read_text())
        project = re.search(r"project\(naru VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text())[1]
        self.assertEqual((manifest["name"], manifest["version"]), ("naru", project))
        stubs = self.scratch / "stubs.cmake"
        functions = ("vcpkg_check_linkage", "vcpkg_cmake_configure", "vcpkg_cmake_install", "vcpkg_cmake_config_fixup",
                     "vcpkg_fixup_pkgconfig", "vcpkg_install_copyright")
        stubs.write_text("".join(f'function({each})\n message("{each} ${{ARGN}}")\nendfunction()\n' for each in functions) +
                         f'set(CURRENT_PORT_DIR "{port}")\nset(CURRENT_PACKAGES_DIR "{self.scratch}/packages_dir")\n'
                         f'set(VCPKG_LIBRARY_LINKAGE static)\ninclude("{port}/portfile.cmake")\n')
        said = run("cmake", "-P", stubs).stderr
        self.assertIn(f"SOURCE_PATH;{SOURCE}", said)
        options = (SOURCE / "cmake/options.cmake").read_text()
        for option in re.findall(r"-D(NARU_\w+)", said):
            self.assertRegex(options, rf"\b(option|set)\({option}\b")

    def test_containerfile(self):
        """What it copies and installs is there; no container is built, for want of an image to begin from."""
        text = (SOURCE / "Containerfile").read_text().replace("\\\n", " ")
        steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
        self.assertLessEqual({each[0] for each in steps}, {"FROM", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "ENTRYPOINT", "CMD"})
        self.assertEqual(json.loads(dict(steps)["ENTRYPOINT"]), ["/usr/bin/naru"])
        packages = re.search(r"^build_packages=\((.*?)\)", (SOURCE / "run").read_text(), re.M | re.S)[1].split()
        installed = set(re.search(r"apt-get install.*?recommends (.*?) &&", text)[1].split())
        self.assertLessEqual({each for each in packages if each.startswith("lib")}, installed)
        presets = json.loads((SOURCE / "CMakePresets.json").read_text())
        self.assertIn(re.search(r"cmake --preset (\w+)", text)[1], [each["name"] for each in presets["configurePresets"]])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
