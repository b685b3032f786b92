"""The manual pages and docs/configuration.md name what the program has, and nothing else."""

import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support.certificates import Authority
from support.relay import BINARY, ROOT

COMMAND_PAGE = ROOT / "docs" / "relay.1"
CONFIG_PAGE = ROOT / "docs" / "relay.toml.5"
CONFIG_TABLES = ROOT / "docs" / "configuration.md"
COMMON = "Options of all commands"
SELECTION = "Selecting messages"
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
COMMAND_ROW = re.compile(r"^  ([a-z]+) {2,}\S", re.MULTILINE)


def relay(*words):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60)


def sections(page):
    """The text below each .Sh and .Ss of a manual page, by its title."""
    parts = re.split(r"^\.S[hs] (.*)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def documented_options(text):
    """Of the tagged lists: what the prose mentions does not count."""
    return {"-" + name for line in re.findall(r"^\.It (.*)$", text, re.MULTILINE)
            for name in re.findall(r"Fl (-?[\w-]+)", line)}


def help_options(words):
    # An option's row begins with it; the description further right may mention others.
    rows = re.findall(r"^  (-\S+)", relay(*words, "--help").stdout, re.MULTILINE)
    return {option for row in rows for option in OPTION.findall(row.replace(",", " "))}


def subcommands(words):
    text = relay(*words, "--help").stdout
    return COMMAND_ROW.findall(text[text.find("Subcommands:"):]) if "Subcommands:" in text else []


def commands(words=()):
    """Every command line without options, groups opened: [("run",), ("queue", "list"), ...]."""
    found = []
    for name in subcommands(words):
        inner = commands((*words, name))
        found.extend(inner or [(*words, name)])
    return found


def problems_of(file):
    return [p["message"] for p in json.loads(relay("check", "--json", "--config",
                                                   str(file)).stdout)["problems"]]


def keys_of_the_program():
    """Every key that the configuration reader asks for, as "section.key"."""
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder) / "good" / "files"
        shutil.copytree(ROOT / "tests/config/good", files.parent)
        certificate, key = Authority(files / "ca").issue("relay")
        shutil.copy(certificate, files / "certificate.pem")
        shutil.copy(key, files / "key.pem")
        shutil.copy(certificate, files / "ca.pem")
        good = json.loads(relay("check", "--json", "--config",
                                str(files.parent / "everything.toml")).stdout)
    keys = {re.sub(r"\[\d+\]", "", line["key"]) for line in good["settings"]}
    for message in problems_of(ROOT / "tests/config/bad/not-available.toml"):
        keys.add(message.split(":")[0])
    keys |= {f"smarthost.password{form}" for form in ("_file", "_env", "_command", "_credential")}
    keys |= {"admin.token_file"}
    return {key for key in keys if "." in key}


def keys_of_the_page():
    keys = {}
    for title, text in sections(CONFIG_PAGE).items():
        if not (name := re.fullmatch(r"\[(\w+)\]", title)):
            continue
        rows = re.findall(r"^\.It Ic (.*)$", text, re.MULTILINE)
        keys[name.group(1)] = {key for row in rows for key in row.split(" , ")}
    return keys


class ManualPagesTest(unittest.TestCase):
    def test_they_are_sound(self):
        if not shutil.which("mandoc"):
            self.skipTest("there is no mandoc; ./dev test installs it")
        for page in (COMMAND_PAGE, CONFIG_PAGE):
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)],
                                  capture_output=True, text=True)
            self.assertEqual("", done.stdout)

    def test_every_command_and_option_is_described_and_exists(self):
        texts = sections(COMMAND_PAGE)
        shared = documented_options(texts[COMMON])
        selection = documented_options(texts[SELECTION])
        listed = commands()
        self.assertGreater(len(listed), 7)
        for words in listed:
            title = " ".join(("relay", *words))
            with self.subTest(title):
                text = next((t for name, t in texts.items()
                             if name == title or name.startswith(title + " ")), None)
                self.assertIsNotNone(text, f"docs/relay.1 has no section \".Ss {title}\"")
                own, has = documented_options(text), help_options(words)
                self.assertGreater(len(has), 2)
                choosing = selection if words[0] == "queue" else set()
                self.assertFalse(has - own - shared - choosing, "not in docs/relay.1")
                self.assertFalse(own - has, "described, but the program has it not")

    def test_what_may_stand_before_a_command_is_said_in_both_places(self):
        common = sections(COMMAND_PAGE)[COMMON]
        entries = re.split(r"^\.It ", common, flags=re.MULTILINE)[1:]
        described = {"-" + name for entry in entries
                     if "may stand before the command" in entry or entry.startswith("Fl h ")
                     for name in re.findall(r"Fl (-?[\w-]+)", entry.splitlines()[0])}
        self.assertEqual(described, help_options(()))
        for option in described - {"-h", "--help"}:
            with self.subTest(option):
                words = {"--config": ["--config", "/nonexistent"], "--color": ["--color=never"]}
                done = relay(*words.get(option, [option]), "version")
                self.assertEqual(0, done.returncode, done.stderr)

    def test_no_command_is_described_that_does_not_exist(self):
        known = {" ".join(("relay", *words)) for words in commands()}
        described = {re.sub(r" Ar .*", "", title) for title in sections(COMMAND_PAGE)
                     if title.startswith("relay ")}
        self.assertFalse(described - known)

    def test_every_key_is_described(self):
        page, tables = keys_of_the_page(), CONFIG_TABLES.read_text()
        keys = keys_of_the_program()
        self.assertGreater(len(keys), 60)
        for key in sorted(keys):
            section, name = key.split(".", 1)
            with self.subTest(key):
                if section != "smarthost" or name != "oauth2":
                    self.assertIn(name, page.get(section, ()), "not in docs/relay.toml.5")
                plain = re.search(rf"`\[?(?:{section}\.)?{name}\]?`", tables)
                whole = f"`[{section}]`" in tables.split("## Not in this version")[-1]
                self.assertTrue(plain or whole, "not in docs/configuration.md")

    def test_no_key_is_described_that_does_not_exist(self):
        """Each is given a value of a type that no key has: known ones are told so by name."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "relay.toml"
            file.write_text("".join(
                f"[{section}]\n" + "".join(f"{key} = 1979-05-27\n" for key in sorted(keys))
                for section, keys in keys_of_the_page().items()))
            unknown = [m for m in problems_of(file) if "unknown" in m]
        self.assertFalse(unknown)


if __name__ == "__main__":
    unittest.main()
