"""`--domain`: a domain's mail DNS, judged for the way its mail goes."""

import dataclasses

from bed import CLIENT
from names import reverse_name
from setups import every_block_list, record
from situation import Expected, Situation, by_nobody

from .smarthosts import config

NAME = "client.example"
AT = ("--domain", NAME)
WITH_KEY = (*AT, "--selector", "mail")
_SELECTOR = f"mail._domainkey.{NAME}"
_KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="   # of RFC 8463

_MX = record(NAME, "MX", "10 vm7.rack.example")
_SPF = record(NAME, "TXT", f"v=spf1 ip4:{CLIENT[0]} ip6:{CLIENT[1]} -all")
_DKIM = record(_SELECTOR, "TXT", _KEY)
_DMARC = record(f"_dmarc.{NAME}", "TXT", f"v=DMARC1; p=reject; rua=mailto:dmarc@{NAME}")
GOOD = (_MX, _SPF, _DKIM, _DMARC)

_MAILGUN = config("smtp.mailgun.org")
_MAILGUN_SPF = record("mailgun.org", "TXT", "v=spf1 ip4:198.61.254.0/24 ~all")
_SENDGRID = config("smtp.sendgrid.net")


def fine(code="ok-direct", **checks):
    return Expected(code, status=0, leaves=True, kind="unknown", hop=None, checks=checks)


def doubtful(fix=None, code="ok-direct", **checks):
    """Nothing that is surely refused: the exit status stays 0, the check warns."""
    return Expected(code, status=0, kind="unknown", hop=None, fix=fix, checks=checks)


def faulty(fix=None, summary=None, code="reputation", **checks):
    return Expected(code, status=1, kind="config", hop=None, fix=fix, summary=summary,
                    checks=checks)


def by_owner(expected):
    """What only the owner of the address can mend is no fault of the domain's records."""
    return dataclasses.replace(expected, kind="isp", name=CLIENT[0])


def _many_includes():
    """Eleven includes are one more than receivers follow (RFC 7208 section 4.6.4)."""
    yield record(NAME, "TXT", "v=spf1 " + " ".join(
        f"include:s{n}.services.example" for n in range(11)) + " -all")
    for n in range(11):
        yield record(f"s{n}.services.example", "TXT", f"v=spf1 ip4:192.0.2.{n} -all")


def _listed(where, answer):
    return record(f"{'.'.join(reversed(CLIENT[0].split('.')))}.{where}", "A", answer)


_SENDER = [
    Situation("domain-fine", GOOD, fine(mx="ok", spf="ok", dkim="ok", dmarc="ok", ptr="ok",
                                        dnsbl="ok"), WITH_KEY),
    Situation("domain-unknown", (),
              Expected("recipient-mx", status=1, kind="config", hop=None, no_fix="SPF|DMARC",
                       checks={"mx": "fail", "spf": "skip", "dmarc": "skip", "mta-sts": "skip"}),
              ("--domain", "unknown.example"), users=("nobody",)),
    Situation("domain-spf-missing", (*GOOD, record(NAME, "TXT")),
              doubtful("v=spf1", spf="warn"), WITH_KEY),
    Situation("domain-spf-too-many-lookups", (*GOOD, *_many_includes()),
              faulty("look-up", "11 DNS look-ups", spf="fail"), WITH_KEY),
    Situation("domain-spf-without-this-host",
              (*GOOD, record(NAME, "TXT", "v=spf1 ip4:192.0.2.1 -all")),
              faulty(rf"ip4:{CLIENT[0]}", CLIENT[0], spf="fail"), WITH_KEY),
    Situation("domain-spf-without-smarthost", (*GOOD, _MAILGUN_SPF),
              faulty(rf"v=spf1 .*include:mailgun.org", "Mailgun", spf="fail"), WITH_KEY,
              config=_MAILGUN),
    Situation("domain-spf-with-smarthost",
              (*GOOD, _MAILGUN_SPF, record(NAME, "TXT", "v=spf1 include:mailgun.org ~all")),
              fine("ok-smarthost", spf="ok"), WITH_KEY, config=_MAILGUN),
    Situation("domain-spf-open-to-all", (*GOOD, record(NAME, "TXT", "v=spf1 +all")),
              faulty(None, r"\+all", spf="fail"), WITH_KEY),
    Situation("domain-spf-twice",
              (*GOOD, record(NAME, "TXT", "v=spf1 -all", "v=spf1 ip4:192.0.2.1 -all")),
              faulty("single", "permerror", spf="fail"), WITH_KEY),
    Situation("domain-dkim-missing", (*GOOD, record(_SELECTOR, "TXT")),
              faulty("mail._domainkey", "selector mail", dkim="fail"), WITH_KEY),
    Situation("domain-dkim-revoked", (*GOOD, record(_SELECTOR, "TXT", "v=DKIM1; p=")),
              faulty("mail._domainkey", dkim="fail"), WITH_KEY),
    Situation("domain-dkim-cut-off", (*GOOD, record(_SELECTOR, "TXT", "v=DKIM1; p=MIIBIjANBgkqhk")),
              faulty("as a whole", dkim="fail"), WITH_KEY),
    Situation("domain-dmarc-missing", (*GOOD, record(f"_dmarc.{NAME}", "TXT")),
              doubtful("v=DMARC1; p=none", dmarc="warn"), WITH_KEY),
    Situation("domain-dmarc-watches-only",
              (*GOOD, record(f"_dmarc.{NAME}", "TXT", "v=DMARC1; p=none")),
              doubtful(dmarc="warn"), WITH_KEY),
    # The smarthost's envelope is its own domain: only a DKIM signature aligns.
    Situation("domain-dmarc-rejects-unaligned", (*GOOD, record(_SELECTOR, "TXT")),
              Expected("reputation", status=1, kind="config", hop=None,
                       findings=("reputation",), fix="mail._domainkey",
                       evidence=("dkim-needed",), checks={"dmarc": "ok", "dkim": "fail"}),
              WITH_KEY, config=_SENDGRID),
]

_RECEIVER = [
    Situation("domain-null-mx", (*GOOD, record(NAME, "MX", "0 .")),
              faulty("null|MX", "null MX", "recipient-mx", mx="fail"), WITH_KEY),
    Situation("domain-mx-alias",
              (*GOOD, record(NAME, "MX", f"10 mail.{NAME}"),
               record(f"mail.{NAME}", "CNAME", "vm7.rack.example")),
              doubtful("CNAME", mx="warn"), WITH_KEY),
    Situation("domain-mx-nowhere", (*GOOD, record(NAME, "MX", "10 gone.client.example")),
              faulty("MX", None, "recipient-mx", mx="fail"), WITH_KEY),
]

_ADDRESS = [
    Situation("domain-ptr-missing", (*GOOD, record(reverse_name(CLIENT[0]), "PTR")),
              by_owner(faulty(r"set its PTR to \S+\.\S+", "reverse name", ptr="fail")),
              WITH_KEY),
    Situation("domain-address-listed", (*GOOD, _listed("zen.spamhaus.org", "127.0.0.2")),
              by_owner(faulty("Spamhaus ZEN: https://check.spamhaus.org",
                              "block list.*Spamhaus ZEN", dnsbl="fail")), WITH_KEY),
    Situation("domain-address-on-pbl", (*GOOD, _listed("zen.spamhaus.org", "127.0.0.11")),
              doubtful("smarthost", dnsbl="warn"), WITH_KEY),
    # Spamhaus refuses to answer public resolvers: that is no listing.
    Situation("domain-list-refuses-resolver",
              (*GOOD, every_block_list("127.255.255.254")),
              Expected("ok-direct", status=0, kind="unknown", hop=None, checks={"dnsbl": "skip"},
                       evidence=("public or shared resolver",)), WITH_KEY),
    Situation("domain-list-counts-too-many",
              (*GOOD, _listed("zen.spamhaus.org", "127.255.255.255")),
              Expected("ok-direct", status=0, kind="unknown", hop=None, checks={"dnsbl": "warn"},
                       evidence=("too many questions",)), WITH_KEY),
]

SITUATIONS = by_nobody(_SENDER + _RECEIVER + _ADDRESS)
