"""No network, no names, captive portals: what comes before any question about mail."""

import dataclasses

from setups import (captive_portal, client_ip, environment, failing_name, name_server, no_network,
                    only_family, rule)
from bed import RESOLVER, RESOLVER6
from situation import Expected, Situation, by_nobody

_NONE = Expected("no-network", leaves=False, fix="route|network|cable|interface|gateway")
_DNS = Expected("dns-broken", leaves=False, fix="resolv|DNS|name server")

SITUATIONS = by_nobody([
    Situation("no-addresses", (no_network,), _NONE),
    Situation("no-default-route", (client_ip("route del default"),
                                   client_ip("-6 route del default")), _NONE),
    Situation("gateway-silent", (rule("gateway", "prerouting", "drop"),), _NONE),
    Situation("nothing-beyond-the-gateway", (rule("gateway", "forward", "drop"),),
              dataclasses.replace(_NONE, checks={"network": "fail"})),
    Situation("firewall-stops-everything", (rule("client", "output", 'oifname != "lo" drop'),),
              _NONE, root={"kind": "local-firewall", "hop": 0, "fix": "This is the rule"},
              everyday=("nobody", "root")),
    Situation("firewall-stops-dns",
              (rule("client", "output", "meta l4proto { tcp, udp } th dport 53 drop"),), _DNS,
              root={"kind": "local-firewall", "hop": 0, "fix": "This is the rule"},
              everyday=("nobody", "root")),
    Situation("firewall-stops-dns-over-udp",
              (rule("client", "output", "udp dport 53 counter drop"),), _DNS,
              root={"kind": "local-firewall", "hop": 0, "name": "udp dport 53",
                    "fix": ("This is the rule.*udp dport 53", "nft delete rule"),
                    "checks": {"local-firewall": "fail", "dns": "fail"}},
              everyday=("nobody", "root")),
    Situation("firewall-refuses-dns-to-its-servers",
              (rule("client", "output", f"ip daddr {RESOLVER} udp dport domain reject"),), _DNS,
              root={"kind": "local-firewall", "hop": 0, "fix": "This is the rule"},
              everyday=("nobody", "root")),
    # Look-ups go over UDP, so that such a rule stops none.
    Situation("firewall-stops-dns-over-tcp-only",
              (rule("client", "output", "tcp dport 53 drop"),),
              Expected("ok-direct", leaves=True, via="direct"), everyday=("root",)),
    Situation("web-proxy-only",
              (rule("isp", "forward", "iifname customers tcp dport != 3128 drop"),
               environment(https_proxy="http://me:secret@proxy.corp.example:3128")),
              Expected("no-network", leaves=False, kind="gateway", confidence="likely",
                       name="lets out only its web proxy proxy.corp.example:3128",
                       fix="open port 587")),
    Situation("nothing-beyond-the-provider",
              (rule("isp", "forward", "iifname customers drop"),), _NONE),
    Situation("only-ipv4", (only_family("ipv4"),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6=(None, "no-network"))),
    Situation("only-ipv6", (only_family("ipv6"),
                            lambda stage: stage.host.write(
                                "etc/resolv.conf", f"nameserver {RESOLVER6}\n")),
              Expected("ok-direct", leaves=True, ipv6="ok-direct", ipv4=(None, "no-network"))),
    Situation("ipv6-without-route", (client_ip("-6 route del default"),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6=(None, "no-network"))),
    Situation("dns-dead", (name_server("dead"),), _DNS),
    Situation("dns-port-closed", (rule("isp", "input", "udp dport 53 reject"),
                                  rule("isp", "input", "tcp dport 53 reject with tcp reset")),
              _DNS),
    Situation("dns-servfail", (name_server("servfail"),), _DNS),
    Situation("dns-refused", (name_server("refused"),), _DNS),
    Situation("dns-knows-nothing", (name_server("nxdomain"),), _DNS),
    Situation("dns-lies", (name_server("104.99.9.9"),), _DNS),
    Situation("dns-fails-for-one-operator", (failing_name("gmail.com"), failing_name("l.google.com")),
              Expected("ok-direct", leaves=True, via="direct")),
    Situation("captive-portal", (captive_portal,),
              Expected("no-network", leaves=False, kind="gateway", summary="captive portal",
                       fix="log in|sign in|portal|browser")),
])
