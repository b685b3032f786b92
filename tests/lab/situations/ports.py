"""Which ports get through, and who on the way stops port 25."""

import dataclasses

from bed import CLIENT, CLIENT_GATEWAY, HOME_GATEWAY, ISP
from mail import SILENCE
from setups import (block, cgroup, client_ip, environment, every_certificate, home, only_mail_ports,
                    operator_down, operator_replies, rule)
from situation import Expected, Situation, by_nobody

DROPPED, REJECTED = "outbound-25-dropped", "outbound-25-rejected"
PROVIDER = ("isp", "unknown")                 # no mark says who the provider is
FIRST_ROUTER = ("gateway", "isp", "unknown")  # at hop 1 or at the entrance of hop 2
RELAY = r"587|465"


def dropped(hop, **more):
    return Expected(DROPPED, direct=DROPPED, hop=hop, hops=3, leaves=False, ipv4=DROPPED,
                    ipv6=DROPPED, confidence=("certain", "likely"), fix=RELAY,
                    config=r"\[smarthost\].*port = (587|465)", **more)


def rejected(hop, address, **more):
    return Expected(REJECTED, direct=REJECTED, hop=hop, hop_address=address, leaves=False,
                    ipv4=REJECTED, ipv6=REJECTED, confidence=("certain", "likely"), fix=RELAY,
                    config=r"\[smarthost\]", **more)


OPEN = Expected("ok-direct", leaves=True, via="direct", ipv4="ok-direct", ipv6="ok-direct",
                confidence="certain", public=CLIENT[0])

_ON_THE_WAY = [
    Situation("open", (), OPEN, everyday=("nobody", "root")),
    # Faults of this host's own trust store and clock are nobody's interception.
    Situation("open-without-trust-store",
              (environment(SSL_CERT_FILE="/nonexistent", SSL_CERT_DIR="/nonexistent"),),
              dataclasses.replace(OPEN, findings=("inconclusive",))),
    Situation("open-with-expired-certificates", (every_certificate("expired"),),
              dataclasses.replace(OPEN, findings=("inconclusive",))),
    Situation("open-with-self-signed-certificates", (every_certificate("self-signed"),), OPEN),
    Situation("open-behind-nat", (home,), Expected("ok-direct", leaves=True, ipv4="ok-direct",
                                                   public="84.150.10.22")),
    Situation("drop-isp-forward", (block("isp"),),
              dropped(2, kind=PROVIDER, hop_address=ISP), everyday=("nobody", "root")),
    Situation("drop-isp-prerouting", (block("isp", chain="prerouting"),),
              dropped(1, kind=FIRST_ROUTER, hop_address=CLIENT_GATEWAY)),
    Situation("drop-gateway-forward", (block("gateway"),),
              dropped(1, kind=FIRST_ROUTER, hop_address=CLIENT_GATEWAY)),
    Situation("drop-gateway-prerouting", (block("gateway", chain="prerouting"),),
              dropped(0, kind=("gateway", "unknown"))),
    Situation("drop-home-router", (home, block("gateway")),
              dropped(1, kind=FIRST_ROUTER, hop_address=HOME_GATEWAY)),
    Situation("drop-at-destinations", (block("internet", chain="prerouting"),),
              dropped(2, kind=("remote", *PROVIDER))),
    Situation("drop-isp-hops-hidden",
              (block("isp"), *(rule(where, "output", f"{kind} type time-exceeded drop")
                               for where in ("gateway", "isp") for kind in ("icmp", "icmpv6"))),
              Expected(DROPPED, kind=PROVIDER, hop=None, leaves=False)),
    Situation("reset-by-isp", (block("isp", how="reject with tcp reset"),),
              rejected(2, None, kind=PROVIDER)),
    Situation("reset-by-gateway", (block("gateway", how="reject with tcp reset"),),
              rejected(1, None, kind="gateway"), everyday=("nobody", "root")),
    # Before it counts a hop, so that it looks as near as this host itself.
    Situation("reset-by-gateway-at-once",
              (block("gateway", how="reject with tcp reset", chain="prerouting"),),
              rejected((0, 1), None, kind=("unknown", "gateway")), root={"kind": "gateway"},
              everyday=("nobody", "root")),
]

# Each type of ICMP and ICMPv6 rejection, sent by the provider's router.
_ICMP = [
    ("no-route", "icmpx type no-route", None),
    ("host-unreachable", "icmpx type host-unreachable", None),
    ("port-unreachable", "icmpx type port-unreachable", None),
    ("admin-prohibited", "icmpx type admin-prohibited", None),
    ("net-prohibited", "icmp type net-prohibited", "icmpv6 type policy-fail"),
    ("host-prohibited", "icmp type host-prohibited", "icmpv6 type reject-route"),
]


def _reject(where, first, second, chain="forward"):
    if second is None:
        return (block(where, how=f"reject with {first}", chain=chain),)
    return (block(where, how=f"reject with {first}", chain=chain, match="meta nfproto ipv4"),
            block(where, how=f"reject with {second}", chain=chain, match="meta nfproto ipv6"))


_REJECTED = [Situation(f"icmp-{name}-by-isp", _reject("isp", first, second),
                       rejected(2, ISP, kind=PROVIDER))
             for name, first, second in _ICMP] + [
    Situation("icmp-admin-prohibited-by-gateway", _reject("gateway", *_ICMP[3][1:]),
              rejected(1, CLIENT_GATEWAY, kind="gateway")),
    Situation("icmp-port-unreachable-by-home-router", (home, *_reject("gateway", *_ICMP[2][1:])),
              rejected(1, HOME_GATEWAY, kind="gateway")),
]

_PORTS = [
    Situation("only-465-open", (only_mail_ports(465, 443),),
              Expected(DROPPED, leaves=False, config="port = 465", no_fix="port = 587")),
    Situation("only-587-open", (only_mail_ports(587, 443),),
              Expected(DROPPED, leaves=False, config="port = 587", no_fix="port = 465")),
    Situation("only-2525-open", (only_mail_ports(2525, 443),),
              Expected("submission-blocked", leaves=False, fix="2525", config="port = 2525",
                       no_fix="port = (587|465)\\b")),
    Situation("only-2587-open", (only_mail_ports(2587, 443),),
              Expected("submission-blocked", leaves=False, config="port = 2587")),
    Situation("only-web-open", (only_mail_ports(443),),
              Expected("smtp-hopeless", leaves=False, fix="HTTPS|API", no_fix="port = ")),
    Situation("submission-closed-over-ipv4",
              (block("isp", (25, 465, 587), match="meta nfproto ipv4"),),
              Expected("ok-direct", leaves=True, kind=PROVIDER, hop=2, ipv4="submission-blocked",
                       ipv6="ok-direct", checks={"submission": "warn"},
                       evidence=("587 over IPv6 only",)), users=("nobody",)),
    Situation("submission-reset", (block("isp", (25, 465, 587), "reject with tcp reset"),),
              Expected("submission-blocked", leaves=False, fix="2525")),
    Situation("one-operator-down", (operator_down("google"),), Expected(
        "ok-direct", leaves=True, via="direct")),
    Situation("four-operators-down",
              tuple(operator_down(name) for name in
                    ("google", "microsoft-consumer", "yahoo", "apple")),
              Expected("ok-direct", leaves=True, via="direct", confidence="likely",
                       checks={"port-25": "warn"})),
    Situation("three-operators-down",
              (operator_down("google"), operator_down("apple"), operator_down("fastmail")),
              Expected("ok-direct", leaves=True, via="direct", confidence="likely")),
    Situation("one-operator-slow-to-greet", (operator_replies("fastmail", greeting=SILENCE),),
              Expected("ok-direct", leaves=True, via="direct", evidence=("nothing greets",),
                       checks={"interception": "warn"})),
    Situation("ipv4-dropped-ipv6-open", (block("isp", match="meta nfproto ipv4"),),
              Expected("ok-direct", leaves=True, ipv4=DROPPED, ipv6="ok-direct",
                       findings=(DROPPED,), summary="over IPv6 only", kind=PROVIDER, hop=2,
                       fix="over IPv4", checks={"port-25": "warn"})),
    Situation("ipv6-dropped-ipv4-open", (block("isp", match="meta nfproto ipv6"),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6=DROPPED,
                       findings=(DROPPED,), summary="over IPv4 only", kind=PROVIDER, hop=2,
                       fix="over IPv6", checks={"port-25": "warn"})),
    Situation("ipv6-leads-nowhere", (rule("isp", "forward", "meta nfproto ipv6 drop"),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6="no-network",
                       findings=("no-network",), summary="over IPv4 only", kind="unknown", hop=2,
                       name="IPv6", fix="ip -6 route del default", checks={"network": "warn"}),
              users=("nobody",)),
    Situation("ipv4-refused-on-every-port",
              (rule("isp", "forward", "iifname customers meta nfproto ipv4 meta l4proto tcp reject "
                                      "with icmpx type admin-prohibited"),),
              Expected("ok-direct", leaves=True, ipv4="no-network", ipv6="ok-direct",
                       findings=("no-network",), summary="over IPv6 only", kind="unknown", hop=2,
                       name="IPv4", fix="Mend IPv4", checks={"network": "warn"}),
              users=("nobody",)),
    Situation("465-open-over-ipv6-only",
              (rule("isp", "forward",
                    "iifname customers meta nfproto ipv4 tcp dport { 25, 465, 587 } drop"),
               rule("isp", "forward",
                    "iifname customers meta nfproto ipv6 tcp dport { 25, 587 } drop")),
              Expected(DROPPED, direct=DROPPED, leaves=False, ipv4="submission-blocked",
                       ipv6=DROPPED, hop=2, kind=PROVIDER, config="port = 465",
                       fix="on port 465 over IPv6 only.*a server with an IPv6 address",
                       summary="port 25 is blocked")),
    Situation("ipv4-rejected-ipv6-dropped",
              (block("isp", how="reject with tcp reset", match="meta nfproto ipv4"),
               block("isp", match="meta nfproto ipv6")),
              Expected((REJECTED, DROPPED), leaves=False, ipv4=REJECTED, ipv6=DROPPED)),
]

_LOCAL = Expected("local-firewall", kind="local-firewall", hop=0, leaves=False,
                  confidence=("certain", "likely"), ipv4="local-firewall", ipv6="local-firewall")
_QUOTED = {"evidence": (r"tcp dport",), "confidence": "certain"}
_LOCAL_AND_ISP = dataclasses.replace(
    _LOCAL, ipv6=DROPPED, summary="Over IPv4 this host itself",
    fix=(r"out of this host \(over IPv4\)", r"who filters port 25.*\(over IPv6\)"))
_OWN_RULE_TOO = {"confidence": "certain", "fix": ("This is the rule", r"who filters port 25")}

_ON_THIS_HOST = [
    Situation("local-output-drop", (block("client", chain="output"),), _LOCAL, root=_QUOTED),
    Situation("local-output-reject", (block("client", how="reject", chain="output"),), _LOCAL,
              root=_QUOTED),
    Situation("local-output-admin-prohibited",
              (block("client", how="reject with icmpx type admin-prohibited", chain="output"),),
              _LOCAL, root=_QUOTED),
    Situation("local-output-reset",
              (block("client", how="reject with tcp reset", chain="output"),),
              # Without root a reset at hop 0 may be the first router's as well.
              Expected(REJECTED, hop=(0, 1), leaves=False, kind="unknown",
                       name="this host or the first router", fix="sudo relay"),
              root={"code": "local-firewall", "kind": "local-firewall", "hop": 0, "name": None,
                    "fix": "nft delete rule", **_QUOTED}),
    Situation("local-drop-of-one-user",
              (rule("client", "output", "meta skuid 65534 tcp dport 25 drop"),), _LOCAL,
              users=("nobody",), needs="users"),
    # Whom root's own connections tell nothing: the rule is for another user.
    Situation("local-drop-of-one-user-seen-by-root",
              (rule("client", "output", "meta skuid 65534 tcp dport 25 drop"),),
              Expected("ok-direct", leaves=True, via="direct", findings=("local-firewall",),
                       evidence=("No rule stops port 25 for root; this one does for uid 65534",),
                       checks={"local-firewall": "warn"}), users=("root",)),
    Situation("local-drop-of-one-users-ipv6-seen-by-root",
              (rule("client", "output", "meta nfproto ipv6 meta skuid 65534 tcp dport 25 drop"),),
              Expected("ok-direct", leaves=True, via="direct", findings=("local-firewall",),
                       evidence=("meta nfproto ipv6",), checks={"local-firewall": "warn"}),
              users=("root",)),
    Situation("local-reset-for-all-but-root",
              (rule("client", "output", "meta skuid != 0 tcp dport 25 reject with tcp reset"),),
              Expected(REJECTED, hop=(0, 1), leaves=False, kind="unknown",
                       name="this host or the first router", fix="sudo relay diagnose"),
              root={"code": "ok-direct", "leaves": True, "hop": None, "name": None, "fix": None,
                    "findings": ("local-firewall",), "checks": {"local-firewall": "warn"}},
              needs="users"),
    Situation("local-limit-of-connections",
              (rule("client", "output", "tcp dport 25 ct count over 1000 drop"),),
              Expected("ok-direct", leaves=True, via="direct", checks={"local-firewall": "ok"}),
              everyday=("root",)),
    # This host's own SYNs for 587 fail in its kernel; those for 25 get as far as the provider.
    Situation("drop-isp-beside-a-local-drop-of-587",
              (rule("client", "output", "tcp dport 587 drop"), block("isp")),
              Expected(DROPPED, leaves=False, hop=2, kind=PROVIDER, config="port = 465",
                       checks={"local-firewall": "ok"})),
    Situation("local-drop-of-all-mail-ports",
              (block("client", (25, 465, 587, 2525), chain="output"),),
              Expected("local-firewall", kind="local-firewall", hop=0, leaves=False)),
    # Each family has its own filter, and is told of by itself.
    Situation("local-drop-ipv4-isp-drop-ipv6",
              (block("client", chain="output", match="meta nfproto ipv4"),
               block("isp", match="meta nfproto ipv6")), _LOCAL_AND_ISP, root=_OWN_RULE_TOO),
    Situation("isp-drop-ipv4-local-drop-ipv6",
              (block("client", chain="output", match="meta nfproto ipv6"),
               block("isp", match="meta nfproto ipv4")),
              dataclasses.replace(_LOCAL_AND_ISP, ipv4=DROPPED, ipv6="local-firewall",
                                  fix=(r"out of this host \(over IPv6\)", r"\(over IPv4\)"),
                                  summary="Over IPv6 this host itself"),
              root=_OWN_RULE_TOO),
    Situation("local-drop-of-each-family",
              (block("client", chain="output", match="meta nfproto ipv4"),
               block("client", chain="output", match="meta nfproto ipv6")), _LOCAL,
              root={"fix": ("meta nfproto ipv4", "meta nfproto ipv6"), "confidence": "certain"}),
    Situation("ipv6-dropped-here-ipv4-open",
              (block("client", chain="output", match="meta nfproto ipv6"),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6="local-firewall",
                       kind="local-firewall", hop=0, summary="over IPv4 only")),
    Situation("cgroup-drops", (cgroup("drop"),), _LOCAL, needs="bpf"),
    Situation("cgroup-denies-connect", (cgroup("deny"),), _LOCAL, needs="bpf"),
    Situation("route-prohibit", (client_ip("rule add ipproto tcp dport 25 prohibit"),
                                 client_ip("-6 rule add ipproto tcp dport 25 prohibit")),
              _LOCAL),
    Situation("route-unreachable",
              (client_ip("rule add ipproto tcp dport 25 unreachable"),
               client_ip("-6 rule add ipproto tcp dport 25 unreachable")), _LOCAL),
    Situation("route-blackhole",
              (client_ip("rule add ipproto tcp dport 25 blackhole"),
               client_ip("-6 rule add ipproto tcp dport 25 blackhole")), _LOCAL),
]

SITUATIONS = by_nobody(_ON_THE_WAY + _REJECTED + _PORTS) + _ON_THIS_HOST
