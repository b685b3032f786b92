"""`--to`, `--domain` and `--inbound`: one recipient, one domain, and mail the other way."""

import dataclasses

from bed import GATEWAY
from mail import Slow
from setups import (VANTAGE, block, failing_name, forwarded, home, host_blocked, listening, name_server,
                    no_network, only_family, record, redirect, replies, rule, vantage)
from situation import Expected, Situation, by_nobody

from . import smarthosts

_FINE = Expected("ok-direct", status=0, leaves=True, kind="unknown", hop=None)
_MX = Expected("recipient-mx", status=1, direct=None, kind="remote", hop=None)
_SERVERS = ("mx1.partner.example", "mx2.partner.example")


def to(domain):
    return ("--to", f"ada@{domain}")


_TO = [
    Situation("to-partner", (), _FINE, to("partner.example")),
    Situation("to-domain-without-mx", (), _FINE, to("implicit.example")),
    Situation("to-null-mx", (), _MX, to("nullmx.example")),
    Situation("to-nothing", (), _MX, to("nothing.example")),
    Situation("to-unknown-domain", (), _MX, to("unknown.example")),
    Situation("to-mx-nowhere", (), _MX, to("nowhere.example")),
    Situation("to-mx-loopback", (), _MX, to("loopback.example")),
    Situation("to-partner-25-dropped", (block("isp"),),
              Expected("outbound-25-dropped", status=1, leaves=False, kind=("isp", "unknown"),
                       hop=2, fix=r"\[smarthost\]"), to("partner.example")),
    Situation("to-partner-with-a-smarthost", (block("isp"),),
              Expected("outbound-25-dropped", status=1, leaves=False, kind=("isp", "unknown"),
                       hop=2, no_fix=r"\[smarthost\]", smarthost="ok-smarthost",
                       fix="configured smarthost smtp.hoster.example.*tested a moment ago",
                       checks={"smarthost": "ok"}), to("partner.example"),
              config=smarthosts.config(), users=("nobody",)),
    Situation("to-partner-with-a-refused-sign-in", (block("isp"),),
              Expected("outbound-25-dropped", status=1, leaves=False, kind=("isp", "unknown"),
                       hop=2, smarthost="smarthost-auth", fix="One sign-in was tried",
                       no_fix="Leave it to", checks={"smarthost": "fail"}), to("partner.example"),
              config=smarthosts.config(password="nope"), users=("nobody",)),
    Situation("to-partner-with-a-blocked-smarthost", (block("isp", (25, 587)),),
              Expected("outbound-25-dropped", status=1, leaves=False, kind=("isp", "unknown"),
                       hop=2, smarthost="smarthost-unreachable", config="port = 465",
                       no_fix="Leave it to"), to("partner.example"),
              config=smarthosts.config(), users=("nobody",)),
    # Direct delivery would do, but relay does not take that way.
    Situation("to-partner-directly-while-the-smarthost-is-blocked", (block("isp", 587),),
              Expected("ok-direct", status=0, leaves=False, via=None, kind="unknown", hop=None,
                       findings=("smarthost-unreachable",), direct="ok-direct", smarthost="smarthost-unreachable", config="port = 465",
                       summary="directly from here. But relay does not send directly.*"
                               "smtp.hoster.example cannot be reached"),
              to("partner.example"), config=smarthosts.config(), users=("nobody",)),
    Situation("to-partner-over-a-dead-ipv6-with-a-smarthost-of-ipv6",
              (rule("isp", "forward", "meta nfproto ipv6 drop"),
               record("smtp.six.example", "AAAA", "2606:4700:9::12")),
              Expected("ok-direct", status=0, leaves=False, kind="unknown", hop=None,
                       ipv4="ok-direct",
                       ipv6="no-network", fix="Mend IPv6.*smarthost that has IPv4 addresses",
                       findings=("no-network", "smarthost-unreachable")),
              to("partner.example"), config=smarthosts.config("smtp.six.example"),
              users=("nobody",)),
    Situation("to-servfail-with-a-smarthost", (failing_name("partner.example"),),
              Expected("dns-broken", status=1, kind="unknown", name="partner.example", hop=None,
                       smarthost="ok-smarthost",
                       fix=("dig MX partner.example", "unless that fails there as well"),
                       no_fix="gmail.com"),
              to("partner.example"), config=smarthosts.config(), users=("nobody",)),
    # That the recipient's side takes no mail is no fault of the smarthost's.
    Situation("to-null-mx-with-a-smarthost", (),
              dataclasses.replace(_MX, smarthost="ok-smarthost", checks={"smarthost": "ok"},
                                  no_fix="Leave it to"), to("nullmx.example"),
              config=smarthosts.config(), users=("nobody",)),
    # What is this host's or its network's own fault is not the recipient's.
    Situation("to-partner-blocked-here", (block("client", chain="output"),),
              Expected("local-firewall", status=1, kind="local-firewall", hop=0),
              to("partner.example"), root={"fix": "This is the rule"}, everyday=("nobody", "root")),
    Situation("to-partner-through-proxy", (redirect("own-banner"),),
              Expected("outbound-25-intercepted", status=1, hop=2, kind=("isp", "unknown"),
                       fix="Do not trust port 25"), to("partner.example")),
    Situation("to-partner-without-network", (no_network,),
              Expected("no-network", status=1, kind="config", hop=None, fix="route"),
              to("partner.example")),
    Situation("to-partner-without-dns", (name_server("dead"),),
              Expected("dns-broken", status=1, kind="config", hop=None, fix="resolv"),
              to("partner.example")),
    Situation("to-mx-private", (record("inside.example", "MX", "10 mx.inside.example"),
                                record("mx.inside.example", "A", "10.0.0.7")),
              _MX, to("inside.example")),
    Situation("to-partner-silent", tuple(host_blocked(host, 25) for host in _SERVERS),
              Expected("outbound-25-dropped", status=1, kind="unknown", hop=None,
                       findings=("ok-direct",)),
              to("partner.example")),
    *[Situation(f"to-partner-{name}-silent",
                tuple(host_blocked(host, 25, families=(family,)) for host in _SERVERS),
                dataclasses.replace(_FINE, findings=("recipient-mx",),
                                    checks={"delivery": "warn"},
                                    evidence=("addresses: 2 (accepted|silent), 2 (accepted|silent)",), **codes),
                to("partner.example"), users=("nobody",))
      for name, family, codes in (
          ("ipv6", "ip6", {"ipv4": "ok-direct", "ipv6": "recipient-mx"}),
          ("ipv4", "ip", {"ipv4": "recipient-mx", "ipv6": "ok-direct"}))],
    Situation("to-partner-ipv6-reset",
              tuple(host_blocked(host, 25, "reject with tcp reset", families=("ip6",))
                    for host in _SERVERS),
              dataclasses.replace(_FINE, findings=("recipient-mx",), checks={"delivery": "warn"},
                                  ipv4="ok-direct", ipv6="recipient-mx"),
              to("partner.example"), users=("nobody",)),
    Situation("to-address-in-brackets", (), _FINE, ("--to", "ada@[104.17.7.1]")),
    Situation("to-unknown-domain-with-search-page", (name_server("search"),),
              dataclasses.replace(_MX, summary="does not exist"), to("unknown.example")),
    Situation("to-ipv6-only", (only_family("ipv4"),
                               record("six.example", "MX", "10 mx.six.example"),
                               record("mx.six.example", "AAAA", "2606:4700:1::1")),
              Expected("no-network", status=1, kind="config", name="no IPv6 route", hop=None,
                       summary="only IPv6 addresses", fix="smarthost"),
              to("six.example")),
    Situation("to-partner-slow",
              tuple(replies(host, greeting=Slow(20)) for host in _SERVERS),
              Expected("inconclusive", status=1, kind="unknown", hop=None, summary="slow or mute",
                       fix="timeout 60s"),
              to("partner.example")),
    Situation("to-partner-first-mx-down", (host_blocked(_SERVERS[0], 25),),
              dataclasses.replace(_FINE, checks={"delivery": "warn"}),
              to("partner.example")),
    Situation("to-partner-first-mx-shutting-down",
              (replies(_SERVERS[0], greeting="421 4.3.2 shutting down"),),
              dataclasses.replace(_FINE, checks={"delivery": "warn"}),
              to("partner.example")),
    Situation("to-refusing", (replies("mx.refuses.example",
                                      greeting="554 5.7.1 [{client}] listed at zen.spamhaus.org "
                                               "(PBL)"),),
              Expected("reputation", status=1, kind="remote", hop=None), to("refuses.example")),
]

_INBOUND_AT = ("--inbound", "client.example")
_MX_HERE = (record("client.example", "MX", "10 vm7.rack.example"),)

_LISTENING = (listening("0.0.0.0"), listening("::"))
_HOME_MX = (record("client.example", "MX", "10 home.client.example"),
            record("home.client.example", "A", GATEWAY[0]))

_INBOUND = [
    Situation("inbound-not-listening", _MX_HERE,
              Expected("inbound-not-listening", status=1, kind="config", hop=None), _INBOUND_AT),
    Situation("inbound-loopback-only", (*_MX_HERE, listening("127.0.0.1")),
              Expected("inbound-loopback-only", status=1, kind="config", hop=None), _INBOUND_AT),
    Situation("inbound-mx-elsewhere",
              (*_LISTENING, record("client.example", "MX", "10 mx1.partner.example")),
              Expected("inbound-mx-elsewhere", status=1, kind="config", hop=None), _INBOUND_AT),
    Situation("inbound-unproven", (*_MX_HERE, *_LISTENING),
              Expected("inconclusive", status=1, kind="unknown", hop=None, fix="vantage"),
              _INBOUND_AT),
    Situation("inbound-proven", (*_MX_HERE, *_LISTENING, vantage),
              _FINE, (*_INBOUND_AT, *VANTAGE)),
    Situation("inbound-refusing", (*_MX_HERE, *(listening(at, greeting=b"554 no service\r\n")
                                                for at in ("0.0.0.0", "::")), vantage),
              Expected("inconclusive", status=1, kind="config", hop=None, summary="554 no service"),
              (*_INBOUND_AT, *VANTAGE)),
    Situation("inbound-behind-a-missing-proxy",
              (*_MX_HERE, *(listening(at, behind_proxy=True) for at in ("0.0.0.0", "::")), vantage),
              Expected("inconclusive", status=1, kind="config", hop=None, summary="PROXY protocol",
                       fix=("proxy_protocol", "smtpd_upstream_proxy_protocol"),
                       checks={"greeting": "warn"}),
              (*_INBOUND_AT, *VANTAGE)),
    Situation("inbound-vantage-unreachable", (*_MX_HERE, *_LISTENING),
              Expected("inconclusive", status=1, kind="unknown", hop=None),
              (*_INBOUND_AT, *VANTAGE)),
    Situation("inbound-firewalled-here",
              (*_MX_HERE, *_LISTENING, vantage, rule("client", "input", "tcp dport 25 drop")),
              Expected("inbound-firewalled", status=1, kind="unknown", hop=None),
              (*_INBOUND_AT, *VANTAGE),
              root={"kind": "local-firewall", "hop": 0, "name": "tcp dport 25 drop"}),
    Situation("inbound-firewalled-by-provider",
              (*_MX_HERE, *_LISTENING, vantage,
               rule("isp", "forward", "iifname uplink tcp dport 25 drop")),
              # Only root can tell that it is not this host's own rules.
              Expected("inbound-firewalled", status=1, kind="unknown", hop=None,
                       confidence="likely"),
              (*_INBOUND_AT, *VANTAGE), root={"confidence": "certain"}),
    Situation("inbound-nat-not-forwarded", (home, *_HOME_MX, *_LISTENING, vantage),
              Expected("inbound-firewalled", status=1, kind="gateway", hop=None,
                       fix="forward"), (*_INBOUND_AT, *VANTAGE)),
    Situation("inbound-nat-forwarded", (home, *_HOME_MX, *_LISTENING, vantage, forwarded()),
              _FINE, (*_INBOUND_AT, *VANTAGE)),
]

SITUATIONS = by_nobody(_TO) + _INBOUND
