"""Port 25 connects, and somebody else answers; or the right one answers and says no."""

from mail import Slow
from setups import (block, every_exchanger, exchangers_by_family, home, led_back, listening,
                    operator_replies, redirect, redirected_here, rule)
from situation import Expected, Situation, by_nobody

CODE = "outbound-25-intercepted"


def intercepted(hop=2, **more):
    return Expected(CODE, direct=CODE, leaves=False, hop=hop, hops=3, fix="587|465",
                    kind=("isp", "unknown", "gateway", "remote"), **more)


def refused(advice=(), **more):
    return Expected("reputation", direct="reputation", leaves=False,
                    fix=(r"\[smarthost\]", *advice), **more)


_PBL = ("554 5.7.1 Service unavailable; client [{client}] listed at zen.spamhaus.org (PBL), "
        "see https://www.spamhaus.org/query/ip/{client}")
_NO_PTR = "421 4.7.0 {host} no PTR record found for [{client}]; PTR record setup is required"
_GMX = ("554-gmx.net (mxgmx016) Nemesis ESMTP Service not available\n554-No SMTP service\n"
        "554-Bad DNS PTR resource record.\n554 For explanation visit "
        "https://postmaster.gmx.net/en/error-messages?ip={client}&c=rdns")

_EXIM = (b"220-mail.client.example ESMTP Exim 4.97 #2 Mon, 30 Nov 2026 07:40:12 +0000\r\n"
         b"220-We do not authorize the use of this system to transport unsolicited,\r\n"
         b"220 and/or bulk e-mail.\r\n")

SITUATIONS = by_nobody([
    Situation("proxy-with-own-banner", (redirect("own-banner"),),
              intercepted(evidence=("mail filter", "over 1 router, port 443 over 2 routers"),
                          checks={"answers": "warn"})),
    Situation("proxy-masks-as-pix", (redirect("pix"),), intercepted(summary="Cisco|PIX|inspect")),
    Situation("proxy-strips-starttls", (redirect("strip"),), intercepted(summary="STARTTLS")),
    Situation("proxy-ends-tls", (redirect("tls"),),
              intercepted(evidence=("Inspection authority",))),
    Situation("proxy-mute", (redirect("mute"),), intercepted()),
    Situation("proxy-speaks-http", (redirect("http"),), intercepted()),
    Situation("proxy-closes", (redirect("close"),), intercepted()),
    Situation("proxy-at-the-gateway", (home, redirect("own-banner", "gateway")), intercepted(1)),
    Situation("redirected-here", (redirected_here, listening("0.0.0.0"), listening("::")),
              Expected("local-firewall", leaves=False, kind="local-firewall", hop=0,
                       name="its own mail server", summary="elsewhere",
                       fix=("sudo relay diagnose", "SMTP_REDIRECT"),
                       checks={"local-firewall": "fail"}, evidence=("the same greeting",)),
              root={"name": "tcp dport 25 redirect", "fix": ("This is the rule", "SMTP_REDIRECT"),
                    "evidence": ()},
              everyday=("nobody", "root")),
    # As cPanel's Exim greets: with several lines, the name in the first.
    Situation("redirected-here-in-several-lines",
              (redirected_here, listening("0.0.0.0", greeting=_EXIM), listening("::", greeting=_EXIM)),
              Expected("local-firewall", leaves=False, kind="local-firewall", hop=0,
                       name="its own mail server", fix="SMTP_REDIRECT",
                       evidence=("the same greeting",)),
              users=("nobody",)),
    # Another server's greeting, although one listens here.
    Situation("proxy-beside-an-own-server",
              (redirect("own-banner"), listening("0.0.0.0"), listening("::")), intercepted()),
    # A router that forwards port 25 to this host, whoever it was meant for.
    Situation("led-back-by-the-router",
              (home, listening("0.0.0.0"), led_back),
              Expected(CODE, leaves=False, no_fix="SMTP_REDIRECT", kind="gateway",
                       name="back to this host", fix="Limit the router's forwarding")),
    Situation("proxy-for-ipv4-only", (redirect("own-banner", match="meta nfproto ipv4"),),
              Expected("ok-direct", leaves=True, ipv4=CODE, ipv6="ok-direct", findings=(CODE,),
                       summary="over IPv6 only", kind=("isp", "unknown"), hop=2,
                       fix="Do not trust port 25", checks={"port-25": "warn"})),
    # A wrong MTU: what a server says first fits into small packets, its certificate does not.
    Situation("large-packets-lost",
              (rule("isp", "forward", "iifname uplink meta length > 500 drop"),),
              Expected("inconclusive", leaves=False, kind="unknown", name="MTU",
                       summary="large ones do not", fix="mtu 1400",
                       checks={"interception": "warn"})),
    Situation("large-packets-lost-over-ipv6",
              (rule("isp", "forward", "iifname uplink meta nfproto ipv6 meta length > 500 drop"),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6="inconclusive",
                       kind="unknown", name="MTU.*IPv6", summary="over IPv4 only",
                       confidence="likely", fix="ping -6", findings=("inconclusive",),
                       checks={"interception": "warn", "network": "ok"}), users=("nobody",)),
    # What answers on 587 is no mail server's, so 587 is not what is offered.
    *[Situation(f"{kind}-on-587-behind-a-drop-of-25", (redirect(kind, ports=(587,)), block("isp")),
                Expected("outbound-25-dropped", leaves=False, config="port = 465.*spoke there",
                         no_fix="port = 587", checks={"submission": "warn"},
                         evidence=(f"of no use: 587 .{words}",)), users=("nobody",))
      for kind, words in (("mute", "nothing greets"), ("strip", "it offers no STARTTLS"),
                          ("tls", "TLS fails"))],
    Situation("mute-on-587-over-ipv4-behind-a-drop-of-25",
              (redirect("mute", ports=(587,), match="meta nfproto ipv4"), block("isp")),
              Expected("outbound-25-dropped", leaves=False, config="port = 465.*spoke there",
                       no_fix="port = 587", checks={"submission": "warn"},
                       evidence=("587 over IPv6 only .over IPv4: nothing greets there",)),
              users=("nobody",)),
    Situation("http-on-every-usual-port", (redirect("http", ports=(25, 465, 587, 2525)),),
              Expected(CODE, leaves=False, config="port = 2465", no_fix="port = (465|587|2525)\\b|by port (465|587)",
                       checks={"submission": "fail"}), users=("nobody",)),
    Situation("every-mail-port-mute",
              (redirect("mute", ports=(25, 465, 587, 2525, 2587, 2465, 8025, 8465)),),
              Expected(CODE, leaves=False, no_fix="port = |smarthost on port",
                       fix="Leave this network another way", checks={"submission": "fail"}),
              users=("nobody",)),
    # From as far away as the servers are: nobody else shows.
    Situation("exchangers-slow", (every_exchanger(greeting=Slow(20)),),
              Expected("inconclusive", direct="inconclusive", leaves=False, kind="unknown", hop=3,
                       summary="slow", fix="timeout 60s")),

    Situation("refused-pbl", (every_exchanger(greeting=_PBL),),
              refused(summary="PBL|list|refus", advice=("listed at zen.spamhaus.org", "PBL is"))),
    Situation("refused-over-ipv4-dropped-over-ipv6",
              (exchangers_by_family(4, greeting=_PBL), block("isp", match="meta nfproto ipv6")),
              refused(ipv4="reputation", ipv6="outbound-25-dropped", summary="closed in two ways"),
              users=("nobody",)),
    Situation("refused-no-ptr", (every_exchanger(greeting=_NO_PTR),),
              refused(advice=("PTR record setup is required",))),
    Situation("refused-by-one", (operator_replies("yahoo", greeting=_GMX),),
              Expected("ok-direct", leaves=True, via="direct", evidence=("turns this address away",))),
    Situation("refused-over-ipv6", (exchangers_by_family(6, greeting=_NO_PTR),),
              Expected("ok-direct", leaves=True, ipv4="ok-direct", ipv6="reputation",
                       findings=("reputation",), summary="over IPv4 only",
                       fix="PTR record setup is required", checks={"port-25": "warn"})),
])
