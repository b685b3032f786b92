#!/usr/bin/env python3
"""The lab for `relay diagnose`: a network of namespaces in which each way that mail is kept from
leaving is set up for real, and the real program has to find out which it is.

  lab.py [GROUP | SITUATION]..         plays them (all groups by default) and compares
  lab.py show SITUATION [WORDS..]      sets it up and runs relay with its text output
  lab.py shell SITUATION               sets it up and starts a shell there, in which /lab/relay is
  lab.py list                          names and users

Needs root, or a kernel that lets ordinary users make namespaces; otherwise it says so and ends
with 77, which CTest calls skipped.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

import namespaces  # noqa: E402
from bed import CHAINS  # noqa: E402
from bpf import Cgroup  # noqa: E402
from certificates import Certificates  # noqa: E402
from host import maps_other_users  # noqa: E402
from situation import Comparison, fixes_text  # noqa: E402
from situations import GROUPS  # noqa: E402
from stage import Stage  # noqa: E402
from world import ROOT, World  # noqa: E402

BINARY = os.environ.get("RELAY_BIN", str(ROOT / "build/debug/bin/relay"))
SKIPPED = 77
INSIDE = "RELAY_LAB_INSIDE"   # set in the process that has become root of a user namespace

_world = None
_stage = None


# --- may it run here? --------------------------------------------------------------------------------

def missing_tool():
    for tool in ("ip", "nft", "unshare", "setpriv", "chroot", "openssl"):
        if not shutil.which(tool):
            return tool
    return None


# Of each kind of rule that situations make, one; and of the policy routes.
_RULES = """
add rule inet lab forward tcp dport { 25, 587 } counter drop
add rule inet lab output meta skuid 65534 tcp dport 25 reject with tcp reset
add rule inet lab forward meta nfproto ipv4 tcp dport 25 reject with icmp type net-prohibited
add rule inet lab forward tcp dport 25 reject with icmpx type admin-prohibited
add rule inet lab output icmpv6 type time-exceeded drop
add rule inet translate prerouting iifname lan tcp dport 25 redirect to :10025
add rule inet translate prerouting ip daddr 192.0.2.1 tcp dport 25 dnat ip to 192.0.2.2
add rule inet translate postrouting oifname wan ip saddr 192.168.1.0/24 masquerade
"""
_ROUTES = ("rule add ipproto tcp dport 25 prohibit", "-6 rule add ipproto tcp dport 25 blackhole")


def make_one_of_each():
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS)
    namespaces.mount(None, "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount("lab", "/tmp", "tmpfs")
    one, two = namespaces.Namespace("one"), namespaces.Namespace("two")
    one.link("a", two, "b")
    one.nft(CHAINS + _RULES)
    one.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    for route in _ROUTES:
        one.command(["ip", *route.split()])


def try_namespaces():
    """Makes in a child what a bed is made of; None, or what went wrong."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            make_one_of_each()
        except Exception as error:
            os.write(write, str(error).encode()[:4000])
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as answer:
        return answer.read() or None


def become_able():
    """Returns when namespaces can be made; as an ordinary user that takes a user namespace."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    tool = missing_tool()
    if tool:
        skip(f"there is no {tool} command")
    problem = try_namespaces()
    if problem is None:
        return
    if INSIDE in os.environ:
        skip(problem)
    trial = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"],
                           capture_output=True, text=True)
    if trial.returncode != 0:
        skip(f"{problem.strip()}; and with a user namespace: {trial.stderr.strip()}")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--mount", sys.executable,
                          *sys.argv])


def skip(reason):
    print("SKIPPED: the lab needs network namespaces with packet filters, and this machine does not "
          f"let us make them: {reason.strip()}", flush=True)
    sys.exit(SKIPPED)


# --- playing -----------------------------------------------------------------------------------------

def make_world(folder):
    global _world
    certificates = Certificates(folder)
    _world = World(certificates)


def open_stage():
    global _stage
    namespaces.die_with_parent()
    _stage = Stage(_world, BINARY)


def play(name, user):
    """Runs in a bed's process. Returns (what is wrong, seconds, an excerpt)."""
    situation = by_name(name)
    try:
        result = _stage.play(situation, user)
    except Exception:
        return [f"the lab failed:\n{traceback.format_exc()}"], 0.0, ""
    finally:
        _stage.clean_up()
    expected = situation.expected_for(user)
    try:
        comparison = Comparison(expected, result)
    except AssertionError as error:
        return [str(error)], result.seconds, ""
    wrong = comparison.differences()
    return wrong, result.seconds, excerpt(comparison.report) + result.err if wrong else ""


def excerpt(report):
    lines = [f"  {key}: {report.get(key)}" for key in ("verdict", "direct", "cause", "smarthosts",
                                                      "findings", "host", "mail_leaves", "via")]
    lines.append("  fixes: " + fixes_text(report).replace("\n", "\n         "))
    for check in report.get("checks", []):
        lines.append(f"  check {check['id']}: {check['status']}: {check['summary']}")
    return "\n".join(lines) + "\n"


def able(situation):
    """Why this machine cannot play it, or None."""
    if situation.needs == "bpf":
        try:
            for how in ("deny", "drop"):
                Cgroup(how).close()
        except OSError as error:
            return f"this machine lets us attach no BPF program to a control group: {error}"
    if situation.needs == "users" and not maps_other_users():
        return "whoever is not root cannot be two users"
    return None


class Tally:
    def __init__(self):
        self.good, self.bad, self.pending, self.left_out, self.mended = 0, [], [], [], []

    def take(self, situation, user, outcome):
        wrong, seconds, about = outcome
        label = f"{situation.name} ({user})"
        if situation.pending:
            (self.pending if wrong else self.mended).append(label)
            state = "pending" if wrong else "passes, though marked pending"
            print(f"{state:8} {label} {seconds:.1f} s: {situation.pending}", flush=True)
        elif wrong:
            self.bad.append(label)
            print(f"FAILED   {label} {seconds:.1f} s", flush=True)
        else:
            self.good += 1
            print(f"ok       {label} {seconds:.1f} s", flush=True)
        for line in wrong:
            print(f"    - {line}", flush=True)
        if about:
            print(about, flush=True)

    def leave_out(self, situation, reason):
        self.left_out.append(situation.name)
        print(f"left out {situation.name}: {reason}", flush=True)


def play_all(chosen, beds):
    tally = Tally()
    began = time.monotonic()
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(beds, context, open_stage) as pool:
        waiting = {}
        for situation, user in chosen:
            reason = able(situation)
            if reason:
                tally.leave_out(situation, reason)
            else:
                waiting[pool.submit(play, situation.name, user)] = (situation, user)
        doubtful = []
        for future in concurrent.futures.as_completed(waiting):
            outcome = future.result()
            if outcome[0] and not waiting[future][0].pending:
                doubtful.append((*waiting[future], outcome))
            else:
                tally.take(*waiting[future], outcome)
        # A machine that stalls for a second turns an answer into silence. What was not as expected
        # is played once more, with nothing beside it.
        for situation, user, outcome in doubtful:
            print(f"again    {situation.name} ({user}), as it was first:", *outcome[0], sep="\n    - ")
            tally.take(situation, user, pool.submit(play, situation.name, user).result())
    print(f"{tally.good} as expected, {len(tally.bad)} not, {len(tally.pending)} pending, "
          f"{len(tally.left_out)} left out, in {time.monotonic() - began:.0f} s with {beds} beds")
    for situation, user, _ in doubtful:
        print(f"  played twice: {situation.name} ({user})")
    for label in tally.bad:
        print(f"  not as expected: {label}")
    for label in tally.mended:
        print(f"  no longer pending: {label}")
    return 1 if tally.bad else 0


# --- the command -------------------------------------------------------------------------------------

def all_situations():
    return [situation for group in GROUPS.values() for situation in group]


def by_name(name):
    return next(s for s in all_situations() if s.name == name)


def choose(words, users, everything):
    """[(situation, user)] that the words name; a part of a name does when nothing else fits."""
    chosen = []
    for word in words or GROUPS:
        found = GROUPS.get(word) or [s for s in all_situations() if s.name == word] or \
            [s for s in all_situations() if word in s.name]
        if not found:
            sys.exit(f"lab.py: there is no group or situation {word!r}; lab.py list shows them")
        chosen += [s for s in found if s not in chosen]
    return [(s, user) for s in chosen for user in s.players(everything)
            if not users or user in users]


def one(word):
    found = [s for s in all_situations() if s.name == word] or \
        [s for s in all_situations() if word in s.name]
    if not found:
        sys.exit(f"lab.py: there is no situation {word!r}; lab.py list shows them")
    return found[0]


def perform(options, folder):
    make_world(folder)
    if options.words[:1] in (["show"], ["shell"]):
        situation, user = one(options.words[1]), (options.user or ["nobody"])[0]
        open_stage()
        try:
            if options.words[0] == "shell":
                return _stage.shell(situation, user)
            return _stage.show(situation, user, options.words[2:])
        finally:
            _stage.close()
    chosen = choose(options.words, options.user, options.all)
    return play_all(chosen, min(options.beds, len(chosen)))


def show_list():
    for group, situations in GROUPS.items():
        print(group)
        for s in situations:
            code = s.expected.code if isinstance(s.expected.code, str) else s.expected.code[0]
            print(f"  {s.name:40} {code:26} {' '.join(s.users)}"
                  f"{'  pending: ' + s.pending if s.pending else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--beds", type=int, default=4, help="beds side by side (4)")
    parser.add_argument("--user", action="append", choices=("nobody", "root"))
    parser.add_argument("--all", action="store_true", help="also what the everyday run leaves out")
    options, more = parser.parse_known_args()
    options.words += more
    if options.words[:1] == ["list"]:
        show_list()
        return 0
    become_able()
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"lab.py: there is no relay at {BINARY}; build it, or set RELAY_BIN")
    with tempfile.TemporaryDirectory(prefix="relay-lab-") as folder:
        return namespaces.in_a_child(lambda: perform(options, folder))


if __name__ == "__main__":
    sys.exit(main())
