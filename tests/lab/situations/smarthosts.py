"""The configured smarthost, stage by stage, with what real providers say."""

import re

from setups import (block, certificate, failing_name, home, host_blocked, name_server, no_name,
                    only_family, record, redirect, replies, rule, server)
from mail import DROP, GOOD_PASSWORD, GOOD_USER, SILENCE, Slow
from situation import Expected, Situation, by_nobody
from world import data

HOST = "smtp.hoster.example"
REPLIES = {reply["id"]: reply for reply in data("replies")["reply"]}


ON_THE_WAY = ("isp", "unknown", "gateway")


def config(host=HOST, port=587, user=GOOD_USER, password=GOOD_PASSWORD, more=""):
    return (f'[smarthost]\nhost = "{host}"\nport = {port}\nusername = "{user}"\n'
            f'password = "{password}"\n{more}')


# Whose fault it is, unless the situation says otherwise.
_KINDS = {"smarthost-dns": "config", "smarthost-auth": "config", "smarthost-sender": "config",
          "smarthost-rejected": "remote", "smarthost-tls": "remote",
          "smarthost-no-starttls": "remote", "inconclusive": "unknown"}


def bad(code, fix=None, kind=None, hop=None, **more):
    """Nothing but a block on the way has a place there."""
    return Expected(code, smarthost=code, leaves=False, via=None, fix=fix,
                    kind=kind or _KINDS[code], hop=hop, **more)


def fine(code="ok-direct", kind="unknown", hop=None, **more):
    return Expected(code, smarthost="ok-smarthost", leaves=True, kind=kind, hop=hop, **more)


def blocked(code, **more):
    """By the provider, for all mail servers alike."""
    return Expected(code, leaves=False, kind=("isp", "unknown"), hop=2, **more)


_GOOD = [
    Situation("smarthost-fine", (), fine(), config=config()),
    Situation("smarthost-fine-on-465", (), fine(), config=config(port=465)),
    Situation("smarthost-fine-25-dropped", (block("isp"),),
              fine("outbound-25-dropped", ("isp", "unknown"), 2, via=f"smarthost {HOST}", status=0,
                   no_fix="port = 25\\b"), config=config()),
    Situation("smarthost-fine-behind-nat", (home, block("isp")),
              fine("outbound-25-dropped", ("isp", "unknown"), 2, public="84.150.10.22"),
              config=config()),
    Situation("smarthost-fine-internal-names-only", (name_server("internal"),),
              fine("dns-broken", kind="config", confidence="likely",
                   summary="smarthost's does"), config=config()),
    # A home router's fault: it never answers about AAAA.
    Situation("smarthost-fine-without-aaaa", (name_server("no-aaaa"),), fine(), config=config()),
]

_REACHING = [
    # Compared over the family that it has, and on the port it is configured for.
    Situation("smarthost-ipv6-only-and-ipv6-leads-nowhere",
              (record("smtp.six.example", "AAAA", "2606:4700:9::12"),
               rule("isp", "forward", "meta nfproto ipv6 drop")),
              bad("smarthost-unreachable", kind="unknown", hop=2, name="the IPv6 of this network",
                  fix="Mend IPv6.*take a smarthost that has IPv4 addresses",
                  no_fix="route del|gai.conf", summary="Over IPv6 nothing answers"),
              config=config("smtp.six.example")),
    Situation("smarthost-on-25-and-25-dropped", (block("isp"),),
              bad("smarthost-unreachable", kind=("isp", "unknown"), hop=2, config="port = 465|port = 587",
                  direct="outbound-25-dropped", summary="this network closes it"),
              config=config(port=25)),
    Situation("465-mute-for-everybody", (redirect("mute", ports=465),),
              bad("smarthost-tls", kind=("isp", "unknown"), confidence="likely", fix="port = 587",
                  summary="says nothing"),
              config=config(port=465)),
    # As mute for others as for the smarthost: it is not its slowness.
    Situation("587-mute-for-everybody", (redirect("mute", ports=587),),
              bad("smarthost-unreachable", kind=("isp", "unknown"), confidence="likely",
                  config="port = 465", summary="nobody greets.*says nothing", no_fix="timeout 60s"),
              config=config()),
    Situation("587-and-465-mute-for-everybody", (redirect("mute", ports=(465, 587)),),
              bad("smarthost-unreachable", kind=("isp", "unknown"), confidence="likely",
                  config="port = 2525", no_fix="timeout 60s"), config=config()),
    Situation("smarthost-name-unknown", (no_name(HOST),),
              bad("smarthost-dns", explained=HOST), config=config()),
    Situation("smarthost-name-misspelt", (), bad("smarthost-dns"),
              config=config("smtp.gmial.example")),
    Situation("smarthost-name-misspelt-with-search-page", (name_server("search"),),
              bad("smarthost-dns", explained="search page", findings=("dns-broken",)),
              config=config("smtp.gmial.example")),
    # Nothing is known of a name that is not answered for; others are.
    Situation("smarthost-name-servfail", (failing_name("hoster.example"),),
              bad("smarthost-dns", kind="unknown", confidence="likely", no_fix="check its spelling"),
              config=config()),
    Situation("smarthost-port-dropped", (host_blocked(HOST, 587),),
              bad("smarthost-unreachable", config="port = 465", kind="remote",
                  ports={587: "dropped", 465: "open"}, fix="speaks there.*no sign-in was tried",
                  evidence=("'result': 'speaks'",), checks={"smarthost-ports": "ok"}),
              config=config()),
    # An open port is no mail server: it is offered when it has spoken.
    Situation("smarthost-other-port-mute",
              (host_blocked(HOST, 587), replies(HOST, 465, greeting=SILENCE)),
              bad("smarthost-unreachable", config="port = 2525", kind="remote",
                  no_fix="port = 465", evidence=("nothing greets there",),
                  checks={"smarthost-ports": "warn"}), config=config()),
    Situation("smarthost-other-ports-useless",
              (host_blocked(HOST, 587), server(HOST, 465, implicit=False),
               server(HOST, 2525, starttls=False)),
              bad("smarthost-unreachable", kind="remote", no_fix="port = ",
                  fix=("465 of .* is open, but of no use: TLS fails",
                       "2525 of .* is open, but of no use: it offers no STARTTLS"),
                  checks={"smarthost-ports": "warn"}), config=config()),
    Situation("smarthost-other-ports-with-bad-certificate",
              (host_blocked(HOST, 587), certificate(HOST, "expired")),
              bad("smarthost-unreachable", kind="remote", no_fix="port = ",
                  fix="of no use: TLS fails.*expired"), config=config()),
    # Too little time proves nothing.
    Situation("smarthost-port-dropped-in-a-hurry", (host_blocked(HOST, 587),),
              bad("inconclusive", summary="not finished in 2 s", confidence="unclear",
                  fix="timeout 60s", checks={"smarthost": "skip"}),
              run=("--timeout", "2s"), config=config()),
    Situation("smarthost-mute-in-a-hurry", (replies(HOST, greeting=SILENCE),),
              bad("inconclusive", summary="not finished in 3 s", confidence="unclear",
                  fix="timeout 60s", checks={"smarthost": "skip"}),
              run=("--timeout", "3s"), config=config()),
    Situation("smarthost-587-blocked", (block("isp", (25, 587)),),
              bad("smarthost-unreachable", config="port = 465", kind=ON_THE_WAY, hop=2,
                  fix="relay diagnose --write", ports={587: "dropped", 465: "open"}),
              config=config()),
    Situation("smarthost-port-refused", (host_blocked(HOST, 587, "reject with tcp reset"),),
              bad("smarthost-unreachable", config="port = 465", kind="remote",
                  ports={587: "rejected", 465: "open"}), config=config()),
    # A router that names itself is the cause, whatever other operators show.
    Situation("smarthost-587-rejected-by-the-gateway",
              (block("gateway", 587, "reject with icmpx type admin-prohibited"),),
              bad("smarthost-unreachable", kind="gateway", name="85.10.240.17", hop=1,
                  summary="85.10.240.17 rejects port 587", config="port = 465",
                  fix="Or have 85.10.240.17 let port 587 through"), config=config()),
    Situation("smarthost-587-and-25-rejected-by-the-home-router",
              (home, block("gateway", (25, 587), "reject with icmpx type admin-prohibited")),
              bad("smarthost-unreachable", kind="gateway", name="192.168.1.1", hop=1,
                  config="port = 465",
                  fix="Let the router at 192.168.1.1 pass outbound ports 25 and 587"),
              config=config()),
    Situation("smarthost-rejected-by-a-router",
              (host_blocked(HOST, (465, 587, 2525), "reject with icmpx type admin-prohibited"),),
              bad("smarthost-unreachable", kind="unknown", name="84.150.10.21", hop=2,
                  summary="84.150.10.21 rejects port 587 of this server",
                  fix="Ask whoever runs 84.150.10.21 to let port 587 of smtp.hoster.example "
                      "through"), config=config()),
    # Nobody's certificate there is for this name, so that no other port is offered.
    Situation("smarthost-ipv4-only-and-587-closed-over-ipv4",
              (record("smtp.four.example", "A", "104.25.7.18"),
               block("isp", 587, match="meta nfproto ipv4")),
              bad("smarthost-unreachable", kind=ON_THE_WAY,
                  fix=("Ask whoever runs this network.*to let outbound port 587 through",
                       "a smarthost that has an IPv6 address can be used on it")),
              config=config("smtp.four.example")),
    Situation("smarthost-465-blocked", (block("isp", (25, 465)),),
              bad("smarthost-unreachable", config="port = 587", kind=ON_THE_WAY, hop=2,
                  ports={465: "dropped", 587: "open"}), config=config(port=465)),
    Situation("smarthost-down", (host_blocked(HOST, (25, 465, 587, 2525)),),
              bad("smarthost-unreachable", kind="remote"), config=config()),
    # Each port of "auto" is waited for as long, within the usual time.
    Situation("smarthost-auto-down", (host_blocked(HOST, (25, 465, 587, 2525)),),
              bad("smarthost-unreachable", kind="remote"), config=config(port='"auto"')),
    Situation("smarthost-auto-first-dropped-in-a-hurry",
              (host_blocked(HOST, 587), replies(HOST, 465, greeting="554 5.7.1 not from here")),
              bad("smarthost-rejected"), run=("--timeout", "4s"), config=config(port='"auto"')),
    # No far side is at fault where this host has no route of the family.
    Situation("smarthost-has-ipv6-only",
              (only_family("ipv4"), record("smtp.six.example", "AAAA", "2606:4700:9::12")),
              bad("smarthost-unreachable", kind="config", name="no IPv6 route", confidence="certain",
                  summary="only IPv6 addresses", ports={}, fix="IPv4 addresses"),
              config=config("smtp.six.example")),
    Situation("smarthost-usual-ports-blocked", (block("isp", (25, 465, 587)),),
              blocked("submission-blocked", smarthost="smarthost-unreachable",
                       config="port = 2525"), config=config()),
    # A port that only this provider has.
    Situation("smarthost-own-alternate-port", (block("isp", (25, 465, 587, 2525)),),
              blocked("submission-blocked", smarthost="smarthost-unreachable",
                      config='host = "email-smtp.us-east-1.amazonaws.com".*port = (2465|2587)'),
              config=config("email-smtp.us-east-1.amazonaws.com")),
    Situation("smarthosts-without-an-open-port", (block("isp", (25, 465, 587, 2525)),),
              blocked("submission-blocked", smarthost="smarthost-unreachable",
                      fix="let port 587 through, for the smarthosts smtp.hoster.example, smtp.eu",
                      no_fix="let port 587 through.*let port 587 through",
                      checks={"smarthost": "fail", "smarthost-2": "fail"}),
              config="\n".join("[" + config(host).replace("[smarthost]", "[smarthost]]")
                               for host in (HOST, "smtp.eu.mailgun.org"))),
    Situation("smarthost-without-alternate-port", (block("isp", (25, 465, 587)),),
              blocked("submission-blocked", smarthost="smarthost-unreachable",
                       fix=("(2525|2587).*in the place of the section",
                            "^Send through.*Have this network let port 587 through"), no_fix=r'host = "smtp.gmail.com"\s+port = 2525'),
              config=config("smtp.gmail.com")),
    Situation("smarthost-all-mail-ports-blocked",
              (block("isp", (25, 465, 587, 2525, 2587, 2465, 8025, 8465)),),
              blocked("smtp-hopeless", fix="HTTPS|API"), config=config()),
    Situation("smarthost-blocked-here",
              (block("client", 587, chain="output"),),
              bad("smarthost-unreachable", kind="local-firewall", hop=0, summary="this host",
                  # The kernel's account alone is not taken for proof.
                  confidence="likely", fix="Let port 587 out"), config=config(),
              root={"confidence": "certain", "fix": "This is the rule.*dport 587"}, everyday=("nobody", "root")),
    # A filter on the way says EACCES too, and is no policy of this host.
    Situation("smarthost-everything-rejected",
              (rule("isp", "forward", "iifname customers tcp dport != 53 reject with icmpx type "
                    "admin-prohibited"),),
              Expected("no-network", smarthost="smarthost-unreachable", leaves=False, hop=2,
                       kind="unknown", explained=r"^No connection .*: rejected by 84\.150\.10\.21 "
                       r"\(104[^,]*\), rejected by 2a01|^No connection .*: rejected by 2a01.*"
                       r"rejected by 84\.150\.10\.21", evidence=("'prohibited'",)),
              config=config()),
    # One rule, told once.
    Situation("smarthost-and-25-blocked-here",
              (block("client", (25, 587), chain="output"),),
              bad("smarthost-unreachable", kind="local-firewall", hop=0, direct="local-firewall",
                  # Either does: the one that takes no root first.
                  fix="Use another port of the smarthost.*port = 465.*Let port 25 out of this "
                      "host, and the smarthost's port as well",
                  config="port = 465"), config=config(),
              root={"fix": "port = 465.*the smarthost's port as well.*nft delete rule"},
              everyday=("nobody", "root")),
    Situation("smarthost-blocked-here-25-by-the-provider",
              (block("client", 587, chain="output"), block("isp")),
              bad("smarthost-unreachable", kind="local-firewall", hop=0,
                  evidence=("A smarthost's port is stopped here",),
                  no_fix="(^|\n)Then the provider"), config=config(), users=("root",),
              everyday=("root",)),
    Situation("smarthost-fine-ipv6-leads-nowhere",
              (rule("isp", "forward", "meta nfproto ipv6 drop"),),
              Expected("ok-direct", leaves=True, ipv6="no-network", findings=("no-network",),
                       kind="unknown", hop=2,
                       evidence=("Over IPv6 nothing answers",)), config=config(),
              users=("nobody",)),
    # The block that is shown, and written, is of the one that failed.
    Situation("second-smarthost-port-dropped", (host_blocked("smtp.eu.mailgun.org", 587),),
              fine(config='host = "smtp.eu.mailgun.org".*port = 465',
                   findings=("smarthost-unreachable",)),
              config="\n".join("[" + config(host) .replace("[smarthost]", "[smarthost]]")
                               for host in (HOST, "smtp.eu.mailgun.org"))),
]

_GREETING = [
    # A server may be slow to greet: the time there is, is waited for.
    Situation("smarthost-greets-late", (replies(HOST, greeting=Slow(9)),), fine(), config=config()),
    Situation("smarthost-greets-too-late", (replies(HOST, greeting=Slow(20)),),
              bad("inconclusive", summary="takes connections, and had not greeted",
                  fix="timeout 60s"), config=config()),
    Situation("smarthost-mute", (replies(HOST, greeting=SILENCE),),
              bad("inconclusive", fix="slow or mute.*`relay diagnose --timeout 60s --config "
                  "/lab/relay.toml`"), config=config()),
    Situation("smarthost-hangs-up", (replies(HOST, greeting=DROP),),
              bad("smarthost-unreachable", kind=("remote", "unknown")), config=config()),
    Situation("smarthost-mute-inside-tls", (replies(HOST, 465, greeting=SILENCE),),
              bad("inconclusive", summary="had not greeted"), config=config(port=465)),
    Situation("smarthost-speaks-something-else", (replies(HOST, greeting="SSH-2.0-OpenSSH_9.2"),),
              bad("smarthost-unreachable", summary="does not greet as a mail server",
                  kind=("remote", "unknown")), config=config()),
    Situation("smarthost-greets-554",
              (replies(HOST, greeting="554 5.7.1 [{client}] blocked, see our policy"),),
              bad("smarthost-rejected"), config=config()),
    Situation("smarthost-greets-in-unknown-words",
              (replies(HOST, greeting="421 4.3.2 Quaint words"),),
              bad("smarthost-rejected"), config=config()),
    Situation("smarthost-too-many-connections",
              (replies("email-smtp.us-east-1.amazonaws.com",
                       greeting="421 Too many concurrent SMTP connections"),),
              bad("smarthost-rejected", explained="connection"),
              config=config("email-smtp.us-east-1.amazonaws.com")),
    Situation("smarthost-refuses-ehlo",
              (replies(HOST, ehlo="550 5.7.1 Helo command rejected: need fully-qualified hostname"),),
              bad("smarthost-rejected"), config=config()),
]

_TLS = [
    Situation("smarthost-no-starttls", (server(HOST, starttls=False,
                                               mechanisms_before_tls="PLAIN LOGIN"),),
              bad("smarthost-no-starttls", fix="465", kind="remote"), config=config()),
    Situation("smarthost-starttls-stripped", (redirect("strip", ports=587),),
              bad("smarthost-no-starttls", fix="465", kind=ON_THE_WAY, summary="on the path"),
              config=config()),
    Situation("smarthost-starttls-refused",
              (replies(HOST, starttls="454 4.7.0 TLS not available due to local problem"),),
              bad("smarthost-no-starttls"), config=config()),
    Situation("smarthost-speaks-on-after-starttls",
              (replies(HOST, starttls="220 Go ahead\n250 Injected"),),
              bad("smarthost-tls", explained="injected before TLS", summary="cannot be secured",
                  no_fix="set tls = "), config=config()),
    Situation("smarthost-certificate-expired", (certificate(HOST, "expired"),),
              bad("smarthost-tls", explained="expired", fix="renew", no_fix="port = ",
                  kind="remote"), config=config()),
    Situation("smarthost-certificate-of-another", (certificate(HOST, "other-name"),),
              bad("smarthost-tls", explained="somewhere-else.example|name"), config=config()),
    Situation("smarthost-configured-by-address", (),
              bad("smarthost-tls", kind="config", fix='by its name.*host = "smtp.hoster.example" in its '
                  "section, if that is a name of your"), config=config("104.25.7.18")),
    Situation("smarthost-certificate-self-signed", (certificate(HOST, "self-signed"),),
              bad("smarthost-tls", explained="self-signed|self signed"), config=config()),
    Situation("smarthost-tls-inspected", (redirect("tls", "gateway", ports=587),),
              bad("smarthost-tls", explained="Inspection authority|unknown|trust",
                  kind=ON_THE_WAY, no_fix="ca_file"),
              config=config()),
    Situation("smarthost-own-authority", (certificate(HOST, "foreign"),),
              bad("smarthost-tls", fix="ca_file"), config=config()),
    Situation("smarthost-large-packets-lost",
              (rule("isp", "forward", "iifname uplink meta length > 500 drop"),),
              bad("smarthost-tls", kind="unknown", summary="large ones do not", fix="mtu 1400"),
              config=config()),
    Situation("smarthost-implicit-on-587", (server(HOST, 587, implicit=True),),
              bad("smarthost-unreachable", kind="config", fix="implicit"), config=config()),
    Situation("smarthost-starttls-wanted-on-465", (),
              bad("smarthost-unreachable", kind="config", fix="implicit"),
              config=config(port=465, more='tls = "starttls"\n')),
    Situation("smarthost-implicit-wanted-on-587", (),
              bad("smarthost-tls", kind="config", fix="starttls"),
              config=config(more='tls = "implicit"\n')),
]

_SIGNING_IN = [
    Situation("smarthost-no-auth", (server(HOST, mechanisms=""),),
              bad("smarthost-auth", summary="offers no sign-in", no_fix="One sign-in was tried"),
              config=config()),
    Situation("smarthost-only-odd-mechanisms", (server(HOST, mechanisms="GSSAPI NTLM"),),
              bad("smarthost-auth"), config=config()),
    Situation("smarthost-wrong-password", (), bad("smarthost-auth", explained="password"),
              config=config(password="not-this-one")),
    # What the provider wants, and what else decides there.
    Situation("smarthost-wrong-password-at-gmail",
              (replies("smtp.gmail.com", auth="535 5.7.8 Username and Password not accepted"),),
              bad("smarthost-auth", fix=("16-letter app password", "ended in 2025",
                                         "support.google.com")), config=config("smtp.gmail.com")),
    Situation("smarthost-wrong-password-at-microsoft",
              (replies("smtp.office365.com", auth="535 5.7.3 Authentication unsuccessful"),),
              bad("smarthost-auth", fix=("January 2026", "SmtpClientAuthenticationDisabled")),
              config=config("smtp.office365.com")),
    Situation("smarthost-wrong-password-internal-names-only", (name_server("internal"),),
              bad("smarthost-auth", direct="dns-broken", findings=("dns-broken",)),
              config=config(password="not-this-one")),
    Situation("smarthost-drops-at-auth", (replies(HOST, auth=DROP),),
              bad("smarthost-auth"), config=config()),
]

_SENDING = [
    Situation("smarthost-sender-not-owned",
              (replies(HOST, mail="553 5.7.1 <app@example.com>: Sender address rejected: "
                                  "not owned by user app@example.com"),),
              bad("smarthost-sender"), config=config()),
    Situation("smarthost-relay-denied",
              (replies(HOST, rcpt="554 5.7.1 Relay access denied"),),
              bad("smarthost-rejected"), config=config()),
    # Temporary: the sign-in works, and delivery tries again.
    Situation("smarthost-greylists",
              (replies(HOST, rcpt="450 4.2.0 Recipient address rejected: Greylisted"),),
              fine(findings=("ok-smarthost",), checks={"smarthost": "warn"}), config=config()),
    Situation("smarthost-sign-in-fails-for-now",
              (replies(HOST, auth="454 4.7.0 Temporary authentication failure"),),
              bad("smarthost-auth", kind="remote", confidence="likely"), config=config()),
    Situation("smarthost-refuses-without-login",
              (replies(HOST, mail="530 5.7.0 Authentication required"),),
              bad("smarthost-auth"),
              config=f'[smarthost]\nhost = "{HOST}"\n'),
]

# Replies of the catalogue that signing in or MAIL FROM can meet, at the host of the one who says it.
_PROVIDERS = {
    "gmail": "smtp.gmail.com", "google-workspace-relay": "smtp-relay.gmail.com",
    "microsoft365": "smtp.office365.com", "ses": "email-smtp.us-east-1.amazonaws.com",
    "sendgrid": "smtp.sendgrid.net", "mailgun": "smtp.mailgun.org",
    "brevo": "smtp-relay.brevo.com", "sparkpost": "smtp.sparkpostmail.com",
    "zoho": "smtp.zoho.com", "yahoo": "smtp.mail.yahoo.com", "gmx": "mail.gmx.net",
    "icloud": "smtp.mail.me.com",
}
# One of each provider every day; the others on request.
_EVERYDAY = {"gmail-daily", "gmail-app-password", "gmail-badcred", "gwr-denied", "m365-smtpauth-tenant",
             "m365-basic-off", "m365-5760", "ses-535", "sg-bad", "mg-535", "brevo-525", "sp-535",
             "zoho-553", "yahoo-auth005", "gmx-535", "icloud-535"}
_CODES = {"auth": "smarthost-auth", "mail": "smarthost-sender"}


def _code(reply):
    """A limit that is reached is no fault of the sender, nor is a sign-in that is wanted (530)."""
    if reply["stage"] == "mail" and reply["verdict"].startswith("quota"):
        return "smarthost-rejected"
    return "smarthost-auth" if reply["code"] == "530" else _CODES[reply["stage"]]


def _put_off(reply):
    return reply["stage"] == "auth" and reply["code"].startswith("4")


def _as_said(reply):
    words = [reply["code"] or "550", reply["enhanced"], reply["contains"][0].capitalize()]
    return " ".join(word for word in words if word)


def _pattern(text):
    """The meaning or fix as it stands, whatever its line breaks."""
    return r"\s+".join(re.escape(word) for word in text.split())


def _catalogue():
    for reply in REPLIES.values():
        host = _PROVIDERS.get(reply["provider"])
        if host and reply["stage"] in _CODES and reply["contains"]:
            yield Situation(
                f"smarthost-says-{reply['id']}",
                (replies(host, **{reply["stage"]: _as_said(reply)}),),
                # A sign-in that is put off judges no password.
                bad(_code(reply), explained=_pattern(reply["meaning"]),
                    **({"kind": "remote"} if _put_off(reply) else {})),
                config=config(host), everyday=("nobody",) if reply["id"] in _EVERYDAY else ())


SITUATIONS = by_nobody(_GOOD + _REACHING + _GREETING + _TLS + _SIGNING_IN + _SENDING
                       + list(_catalogue()))
