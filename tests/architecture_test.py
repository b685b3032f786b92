#!/usr/bin/env python3
"""The shape of the tree: who may include whom, and a few rules that no compiler checks."""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

# ARCHITECTURE.md's table of folders. A target that ends in ".hpp" is the one header allowed.
ALLOWED = {
    "base": [],
    "smtp": ["base"],
    "tls": ["base"],
    "net": ["base", "tls"],
    "spool": ["base", "smtp/envelope.hpp", "smtp/envelope_names.hpp", "smtp/reply.hpp", "smtp/stage.hpp"],
    "delivery": ["base", "smtp", "tls", "net", "spool"],
    "diagnose": ["base", "smtp", "tls", "net", "config/data"],
    "admin": ["base", "net", "spool", "delivery", "diagnose"],
    # Built-in data files as text: a leaf, so that their readers need nothing else of config.
    "config/data": [],
    "config": ["base", "config/data", "smtp/options.hpp", "tls/options.hpp", "net/options.hpp",
               "spool/options.hpp", "delivery/options.hpp", "diagnose/options.hpp",
               "admin/options.hpp", "relay/options.hpp"],
    "relay": ["base", "smtp", "tls", "net", "spool", "delivery", "diagnose", "admin", "config",
              "config/data"],
}
MAX_LINES = 500
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
LIBRARY_LINK = re.compile(r"\brelay_(\w+)\b")
# What sans-I/O rules out: sockets, clocks that tick, files.
NOT_IN_SMTP = re.compile(r"^(boost/(asio|beast)/|boost/asio\.hpp|sys/socket\.h|fstream|thread$)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|time\.sleep)\b")


def folder_of(path):
    """The row of ALLOWED that a path relative to the root belongs to, or None."""
    rows = [row for row in ALLOWED if path.startswith(row + "/")]
    return max(rows, key=len, default=None)


def may_include(folder, target):
    home = folder_of(target)
    return home == folder or home in ALLOWED[folder] or target in ALLOWED[folder]


def is_generated(path):
    parts = path.parts
    return "build" in parts or "node_modules" in parts or any(p.startswith(".") for p in parts)


class Tree:
    """A source tree and the rules it breaks, each as "file: what is wrong"."""

    def __init__(self, root):
        self.texts = {}
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in (".hpp", ".cpp", ".py", ".txt") and not is_generated(relative):
                self.texts[relative.as_posix()] = path.read_text(encoding="utf-8")

    def sources(self, *suffixes):
        return {p: t for p, t in self.texts.items() if p.endswith(suffixes)}

    def includes(self, text):
        return [(m.group(1), m.group(2)) for m in INCLUDE.finditer(text)]

    def wrong_arrows(self):
        for path, text in self.sources(".hpp", ".cpp").items():
            folder = folder_of(path)
            if folder is None:
                continue
            for quote, target in self.includes(text):
                if quote == '"' and not may_include(folder, target):
                    yield f"{path}: {folder} may not include {target}"

    def includes_not_from_the_root(self):
        for path, text in self.sources(".hpp", ".cpp").items():
            for quote, target in self.includes(text):
                known = target in self.texts or folder_of(target) == "config/data"
                if path.startswith("tests/"):  # a helper may stand beside its tests
                    known = known or f"{path.rsplit('/', 1)[0]}/{target}" in self.texts
                if quote == '"' and not known:
                    yield f"{path}: {target} is not a file, counted from the root"

    def wrong_links(self):
        """A library links only what its folder may include."""
        for path, text in self.sources("CMakeLists.txt").items():
            folder = folder_of(path)
            if folder is None:
                continue
            own = folder.split("/")[0]
            for line in text.splitlines():
                for name in LIBRARY_LINK.findall(line.split("#")[0]):
                    known = name in ALLOWED and name != own
                    if known and not any(a.split("/")[0] == name for a in ALLOWED[folder]):
                        yield f"{path}: {folder} may not link relay_{name}"

    def cycles(self):
        """Folders that reach themselves; a header allowed alone is no arrow between folders."""
        arrows = {folder: set() for folder in ALLOWED}
        for path, text in self.sources(".hpp", ".cpp").items():
            folder = folder_of(path)
            for quote, target in self.includes(text):
                home = folder_of(target)
                if quote == '"' and folder and home not in (None, folder):
                    if target not in ALLOWED[folder]:
                        arrows[folder].add(home)
        for start in arrows:
            seen, waiting = set(), list(arrows[start])
            while waiting:
                folder = waiting.pop()
                if folder not in seen:
                    seen.add(folder)
                    waiting.extend(arrows[folder])
            if start in seen:
                yield f"{start}/ depends on itself through {', '.join(sorted(seen - {start}))}"

    def io_in_smtp(self):
        for path, text in self.sources(".hpp", ".cpp").items():
            for _, target in self.includes(text):
                if folder_of(path) == "smtp" and NOT_IN_SMTP.match(target):
                    yield f"{path}: smtp is free of I/O, but includes <{target}>"

    def careless_headers(self):
        for path, text in self.sources(".hpp").items():
            if "#pragma once" not in text.splitlines():
                yield f"{path}: no #pragma once"
            if folder_of(path) and re.search(r"^\s*using namespace", text, re.MULTILINE):
                yield f"{path}: using namespace in a header"

    def too_long(self):
        for path, text in self.sources(".hpp", ".cpp", ".py").items():
            lines = text.count("\n")
            if lines > MAX_LINES:
                yield f"{path}: {lines} lines; split it below {MAX_LINES}"

    def unfinished(self):
        for path, text in self.texts.items():
            if path == "tests/architecture_test.py":
                continue
            for number, line in enumerate(text.splitlines(), 1):
                if UNFINISHED.search(line):
                    yield f"{path}:{number}: marks something unfinished"
                if path.startswith("tests/") and SLEEP.search(line):
                    yield f"{path}:{number}: a test that sleeps; wait for the condition"

    def faults(self):
        for rule in (self.wrong_arrows, self.includes_not_from_the_root, self.wrong_links,
                     self.cycles, self.io_in_smtp, self.careless_headers, self.too_long,
                     self.unfinished):
            yield from rule()


class ArchitectureTest(unittest.TestCase):
    def test_the_tree_keeps_its_shape(self):
        tree = Tree(ROOT)
        self.assertGreater(len(tree.sources(".hpp")), 10, "found no sources to look at")
        faults = list(tree.faults())
        self.assertFalse(faults, "\n" + "\n".join(faults))

    def test_every_folder_with_sources_has_a_row(self):
        strange = {p.split("/")[0] for p in Tree(ROOT).sources(".hpp", ".cpp")}
        strange -= set(ALLOWED) | {"tests", "bench", "examples", "packaging", "docs", "cmake"}
        self.assertFalse(strange, "folders without a row in ALLOWED")


class SelfTest(unittest.TestCase):
    """Each rule finds its fault in a made-up tree, and nothing in a good one."""

    def faults_of(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return list(Tree(pathlib.Path(folder)).faults())

    def test_a_good_tree_has_no_faults(self):
        self.assertEqual([], self.faults_of({
            "base/text.hpp": "#pragma once\n",
            "smtp/reply.hpp": '#pragma once\n#include "base/text.hpp"\n',
            "smtp/options.hpp": "#pragma once\n",
            "spool/spool.hpp": '#pragma once\n#include "smtp/reply.hpp"\n',
            "config/settings.hpp": '#pragma once\n#include "smtp/options.hpp"\n',
            "spool/CMakeLists.txt": "relay_library(spool LINKS relay_base relay_smtp)\n",
        }))

    def test_each_rule_finds_its_fault(self):
        header = "#pragma once\n"
        cases = {
            "base may not include smtp/a.hpp": {
                "smtp/a.hpp": header, "base/b.hpp": header + '#include "smtp/a.hpp"\n'},
            "spool may not include smtp/session.hpp": {
                "smtp/session.hpp": header, "spool/b.cpp": '#include "smtp/session.hpp"\n'},
            "config may not include delivery/pool.hpp": {
                "delivery/pool.hpp": header, "config/b.cpp": '#include "delivery/pool.hpp"\n'},
            "not a file, counted from the root": {"tls/b.cpp": '#include "stream.hpp"\n'},
            "tls may not link relay_net": {"tls/CMakeLists.txt": "relay_library(tls LINKS relay_net)\n"},
            "depends on itself": {
                "tls/a.hpp": header + '#include "net/b.hpp"\n',
                "net/b.hpp": header + '#include "tls/a.hpp"\n'},
            "free of I/O": {"smtp/a.cpp": "#include <boost/asio/io_context.hpp>\n"},
            "no #pragma once": {"net/a.hpp": "// #pragma once\n"},
            "using namespace in a header": {"net/a.hpp": header + "using namespace std;\n"},
            "split it below": {"net/a.cpp": "\n" * (MAX_LINES + 1)},
            "marks something unfinished": {"net/a.cpp": "// TO" "DO\n"},
            "a test that sleeps": {"tests/a.py": "time.sle" "ep(1)\n"},
        }
        for expected, files in cases.items():
            with self.subTest(expected):
                faults = self.faults_of(files)
                self.assertTrue(any(expected in f for f in faults), faults)


if __name__ == "__main__":
    sys.exit(unittest.main())
