"""`--to`, `--domain` and `--inbound`: one recipient, one domain, and mail the other way."""

from bed import CLIENT
from setups import block, home, listening, record, replies, rule
from situation import Expected, Situation

_MX = Expected("recipient-mx", status=1, direct=None)


def to(domain):
    return ("--to", f"ada@{domain}")


_TO = [
    Situation("to-partner", (), Expected("ok-direct", status=0), to("partner.example")),
    Situation("to-domain-without-mx", (), Expected("ok-direct", status=0), to("implicit.example")),
    Situation("to-null-mx", (), _MX, to("nullmx.example")),
    Situation("to-nothing", (), _MX, to("nothing.example")),
    Situation("to-unknown-domain", (), _MX, to("unknown.example")),
    Situation("to-mx-nowhere", (), _MX, to("nowhere.example")),
    Situation("to-mx-loopback", (), _MX, to("loopback.example")),
    Situation("to-partner-25-dropped", (block("isp"),),
              Expected("outbound-25-dropped", status=1, leaves=False), to("partner.example")),
    Situation("to-partner-first-mx-down", (rule("internet", "input", "tcp dport 26 drop"),
                                           replies("mx1.partner.example",
                                                   greeting="421 4.3.2 shutting down")),
              Expected("ok-direct", status=0), to("partner.example")),
    Situation("to-refusing", (replies("mx.refuses.example",
                                      greeting="554 5.7.1 [{client}] listed at zen.spamhaus.org "
                                               "(PBL)"),),
              Expected("reputation", status=1), to("refuses.example")),
]

_INBOUND_AT = ("--inbound", "client.example")
_MX_HERE = (record("client.example", "MX", "10 vm7.rack.example"),)

_INBOUND = [
    Situation("inbound-not-listening", _MX_HERE,
              Expected("inbound-not-listening", status=1), _INBOUND_AT),
    Situation("inbound-loopback-only", (*_MX_HERE, listening("127.0.0.1")),
              Expected("inbound-loopback-only", status=1), _INBOUND_AT),
    Situation("inbound-mx-elsewhere", (listening("0.0.0.0"), listening("::"),
                                       record("client.example", "MX", "10 mx1.partner.example")),
              Expected("inbound-mx-elsewhere", status=1), _INBOUND_AT),
]

SITUATIONS = _TO + _INBOUND
