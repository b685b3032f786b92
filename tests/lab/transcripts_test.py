"""The reports shown in README.md and docs/diagnosis.md are what relay says in these situations."""

import os
import re
import subprocess
import sys
import unittest

import lab

ROOT = lab.ROOT
SHOWN = re.compile(r"\(`\./dev lab show (\S+?)(?: --user (\w+))?`\).*?\n```\n(.*?)\n```\n", re.DOTALL)
BLOCK = re.compile(r"\n```\n(.*?)\n```\n", re.DOTALL)


def shown_in_docs():
    """[(situation, user, lines)]"""
    text = (ROOT / "docs/diagnosis.md").read_text()
    return [(name, user or "nobody", lines.splitlines()) for name, user, lines in SHOWN.findall(text)]


def spoken(name, user):
    """What relay prints there, line by line; the configuration stands where it is found unasked, and
    no counter of the packet filter has counted yet."""
    done = subprocess.run([sys.executable, lab.__file__, "show", name, "--user", user],
                          capture_output=True, text=True, timeout=120)
    if done.returncode == lab.SKIPPED:
        print(done.stdout)
        sys.exit(lab.SKIPPED)
    said = done.stdout.replace(" --config /lab/relay.toml", "")
    return re.sub(r"packets \d+ bytes \d+", "packets 0 bytes 0", said).splitlines()


def stands_in(line, lines):
    """`...` stands for what was left out of a line, or for lines."""
    pattern = ".*".join(re.escape(part) for part in re.split(r" ?\.\.\. ?", line.rstrip()))
    return any(re.fullmatch(pattern, known.rstrip()) for known in lines)


class TranscriptsTest(unittest.TestCase):
    def test_each_line_of_the_documentation_is_said(self):
        shown = shown_in_docs()
        self.assertEqual(4, len(shown))
        for name, user, lines in shown:
            said = spoken(name, user)
            for line in lines:
                with self.subTest(situation=name, line=line):
                    self.assertTrue(stands_in(line, said), "relay does not say it")

    def test_the_readme_shows_the_same(self):
        readme = (ROOT / "README.md").read_text()
        blocks = BLOCK.findall(readme[readme.index("Three situations of the lab"):])[:3]
        self.assertEqual(3, len(blocks))
        known = [lines for _, _, lines in shown_in_docs()]
        for block in blocks:
            lines = block.splitlines()
            told = [doc for doc in known if all(stands_in(line, doc) for line in lines)]
            self.assertTrue(told, f"no report of docs/diagnosis.md has these lines: {block}")


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "400")
    unittest.main()
