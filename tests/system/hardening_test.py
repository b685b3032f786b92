"""What the compiler and the linker were asked for is in the release binary."""

import pathlib
import platform
import re
import subprocess
import unittest

from support.relay import BINARY


def readelf(*options):
    return subprocess.run(["readelf", "--wide", *options, BINARY], capture_output=True, text=True,
                          check=True).stdout


class HardeningTest(unittest.TestCase):
    def setUp(self):
        cache = pathlib.Path(BINARY).resolve().parents[1] / "CMakeCache.txt"
        text = cache.read_text() if cache.exists() else ""
        plain = "RELAY_SANITIZE:STRING=\n" in text
        if not (re.search(r"^CMAKE_BUILD_TYPE:\w+=Rel", text, re.MULTILINE) and plain):
            self.skipTest("only release builds are hardened")

    def test_position_independent_with_read_only_relocations_bound_at_start(self):
        self.assertRegex(readelf("--file-header"), r"Type:\s+DYN")
        segments = readelf("--program-headers")
        self.assertIn("GNU_RELRO", segments)
        self.assertRegex(segments, r"GNU_STACK\s.*\sRW\s")
        self.assertRegex(readelf("--dynamic"), r"BIND_NOW|FLAGS_1.*NOW")
        self.assertNotRegex(segments, r"LOAD\s.*\sRWE\s")

    def test_stack_protector_and_fortified_calls(self):
        symbols = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__(memcpy|memmove|read|snprintf|strcpy|fdelt)_chk")

    def test_indirect_branches_land_where_they_may(self):
        # The note that turns it on needs a C library built for it, which Debian's is not; the
        # marks are ours. Each entry of a function has one.
        if platform.machine() != "x86_64":
            self.skipTest("endbr64 is an instruction of x86-64")
        marks = pathlib.Path(BINARY).read_bytes().count(b"\xf3\x0f\x1e\xfa")
        self.assertGreater(marks, 5000)


if __name__ == "__main__":
    unittest.main()
