"""What a situation is: a name, what is set up, who runs what, and what relay must say."""

import dataclasses
import re
from typing import Callable


PROMISED = 15.0   # seconds, the default of --timeout
GRACE = 2.0       # for starting and ending a process on a busy machine


@dataclasses.dataclass(frozen=True)
class Expected:
    """Only what is given is compared. Texts in `fix`, `no_fix`, `name`, `summary`, `explained` are
    regular expressions, searched without regard to case; `findings` are codes that must be listed.
    """
    code: str
    kind: str | tuple = None          # cause.kind
    name: str = None                  # cause.name
    hop: int | tuple | None = ()      # cause.hop: the number, or any of a tuple; () is not compared
    hops: int | None = ()
    hop_address: str = None
    confidence: str | tuple = None
    ipv4: str | None = ()             # direct.families
    ipv6: str | None = ()
    direct: str = None                # direct.code
    smarthost: str = None             # smarthosts[0].code
    explained: str = None             # smarthosts[0].explained
    ports: dict = None                # some of smarthosts[0].ports
    leaves: bool = None
    via: str | None = ()
    fix: str | tuple = None           # somewhere in the fixes' titles, steps and configs
    no_fix: str = None                # nowhere there
    config: str = None                # in a fix's config
    findings: tuple = ()
    summary: str = None
    evidence: tuple = ()              # texts somewhere in the checks' JSON
    checks: dict = None               # status by check id: {"spf": "fail"}
    platform: str = None
    public: str = None                # among host.public_addresses
    status: int = None                # exit; by default as mail_leaves says


@dataclasses.dataclass(frozen=True)
class Situation:
    name: str
    setup: tuple[Callable, ...]       # each takes the Stage
    expected: Expected
    run: tuple = ()                   # further words for `relay diagnose`
    config: str | None = None         # TOML; {..} is not replaced
    users: tuple = ("nobody", "root")
    root: dict = None                 # what Expected differs in when root runs it
    everyday: tuple = None            # users of the everyday selection; None: all of `users`
    pending: str = None               # why the program does not give this yet
    needs: str = None                 # what the machine must allow: "bpf", "users"

    def expected_for(self, user):
        changes = self.root if user == "root" else None
        return dataclasses.replace(self.expected, **(changes or {}))

    def players(self, everything):
        return self.users if everything or self.everyday is None else self.everyday


def by_nobody(situations):
    """Every day as an ordinary user only: root would see nothing more there."""
    return [dataclasses.replace(s, everyday=tuple(u for u in s.users if u == "nobody"))
            if s.everyday is None else s for s in situations]


def search(pattern, text):
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


def _one_of(wanted, value):
    return value in wanted if isinstance(wanted, tuple) else value == wanted


def fixes_text(report):
    return "\n".join("\n".join([fix["title"], *fix["steps"], fix.get("config") or ""])
                     for fix in report["fixes"])


def sentences(report):
    """(where, text) of all that stands alone in the report."""
    yield "verdict", report["verdict"]["summary"]
    for check in report["checks"]:
        yield f"check {check['id']}", check["summary"]
    for finding in report["findings"]:
        yield "findings", finding["summary"]
    for fix in report["fixes"]:
        yield "fixes", fix["title"]
        yield from ((f"fix {fix['title']!r}", step) for step in fix["steps"])


def begins_small(text):
    """A name, a rule or a command may; a sentence of ours begins with a capital."""
    word = text.split(" ")[0] if text else "-"
    quoted = re.search(r"[.:@`\d_A-Z]", word) or word.rstrip(",") in ("nftables", "iptables", "ip6tables")
    return word[0].islower() and not quoted


class Comparison:
    """Collects what is not as expected."""

    def __init__(self, expected, result):
        self.expected, self.result, self.wrong = expected, result, []
        self.report = result.report()

    def differences(self):
        for part in (self._verdict, self._cause, self._direct, self._smarthost, self._advice,
                     self._rest, self._words):
            try:
                part(self.expected, self.report)
            except (KeyError, IndexError, TypeError) as error:
                self.wrong.append(f"the JSON lacks something: {error!r}")
        return self.wrong

    def equal(self, what, wanted, value):
        if wanted is not None and wanted != () and not _one_of(wanted, value):
            self.wrong.append(f"{what} is {value!r}, not {wanted!r}")

    def same(self, what, wanted, value):
        """As equal(), where None is a value of its own and () means any."""
        if wanted != () and not _one_of(wanted, value):
            self.wrong.append(f"{what} is {value!r}, not {wanted!r}")

    def matches(self, what, pattern, text):
        for one in pattern if isinstance(pattern, tuple) else (pattern,):
            if one is not None and not search(one, text or ""):
                self.wrong.append(f"{what} lacks {one!r}: {text!r}")

    def _verdict(self, expected, report):
        verdict = report["verdict"]
        self.equal("verdict.code", expected.code, verdict["code"])
        self.equal("verdict.confidence", expected.confidence, verdict["confidence"])
        self.matches("verdict.summary", expected.summary, verdict["summary"])
        self.equal("mail_leaves", expected.leaves, report["mail_leaves"])
        self.same("via", expected.via, report["via"])
        for what, spent in (("report", report["ms"] / 1000), ("run", self.result.seconds - GRACE)):
            if spent > PROMISED:
                self.wrong.append(f"the {what} took {spent:.1f} s, {PROMISED} are promised")
        usual = 0 if report["mail_leaves"] else 1
        self.equal("exit status", usual if expected.status is None else expected.status,
                   self.result.status)

    def _cause(self, expected, report):
        cause = report["cause"]
        self.equal("cause.kind", expected.kind, cause["kind"])
        self.matches("cause.name", expected.name, cause["name"])
        self.same("cause.hop", expected.hop, cause["hop"])
        self.same("cause.hops", expected.hops, cause["hops"])
        self.equal("cause.hop_address", expected.hop_address, cause["hop_address"])

    def _direct(self, expected, report):
        direct = report["direct"]
        self.equal("direct.code", expected.direct, direct["code"])
        self.same("direct.families.ipv4", expected.ipv4, direct["families"]["ipv4"])
        self.same("direct.families.ipv6", expected.ipv6, direct["families"]["ipv6"])

    def _smarthost(self, expected, report):
        if expected.smarthost is None:
            return
        first = report["smarthosts"][0]
        self.equal("smarthosts[0].code", expected.smarthost, first["code"])
        self.matches("smarthosts[0].explained", expected.explained, first["explained"])
        for port, state in (expected.ports or {}).items():
            self.equal(f"smarthosts[0].ports.{port}", state, first["ports"].get(str(port)))

    def _advice(self, expected, report):
        text = fixes_text(report)
        self.matches("fixes", expected.fix, text)
        if expected.no_fix and search(expected.no_fix, text):
            self.wrong.append(f"the fixes must not have {expected.no_fix!r}: {text!r}")
        configs = "\n".join(fix.get("config") or "" for fix in report["fixes"])
        self.matches("the fixes' config", expected.config, configs)

    def _rest(self, expected, report):
        codes = [finding["code"] for finding in report["findings"]]
        for code in expected.findings:
            if code not in codes:
                self.wrong.append(f"findings {codes} lack {code!r}")
        states = {check["id"]: check["status"] for check in report["checks"]}
        for check, state in (expected.checks or {}).items():
            self.equal(f"check {check}", state, states.get(check))
        checks = str(report["checks"])
        for text in expected.evidence:
            self.matches("checks", text, checks)
        self.matches("host.platform", expected.platform, report["host"]["platform"])
        if expected.public and expected.public not in report["host"]["public_addresses"]:
            self.wrong.append(f"public_addresses {report['host']['public_addresses']} lack "
                              f"{expected.public}")

    def _words(self, expected, report):
        for where, text in sentences(report):
            if begins_small(text):
                self.wrong.append(f"{where} begins with a small letter: {text!r}")
        for finding in report["findings"]:
            if finding["code"] == report["verdict"]["code"] and finding["summary"] in \
                    report["verdict"]["summary"]:
                self.wrong.append(f"findings repeat the verdict: {finding['summary']!r}")
        first = [fix["steps"][:2] for fix in report["fixes"] if len(fix["steps"]) > 1]
        for number, steps in enumerate(first):
            if steps in first[:number]:
                self.wrong.append(f"two fixes begin with the same steps: {steps!r}")
        for fix in report["fixes"]:
            for number, step in enumerate(fix["steps"]):
                if any(step in other for other in fix["steps"][:number]):
                    self.wrong.append(f"{fix['title']!r} says twice: {step!r}")
