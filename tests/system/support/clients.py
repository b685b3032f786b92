"""The programs people send mail with, each sending one message through a port of this host."""

import os
import shutil
import subprocess
import unittest

from .sandbox import PEERS

NODEMAILER = """
const nodemailer = require('nodemailer');
const [port, sender, recipient, subject, text] = process.argv.slice(1);
nodemailer.createTransport({host: '127.0.0.1', port: Number(port), secure: false})
    .sendMail({from: sender, to: recipient, subject, text,
               attachments: [{filename: 'all.bin', content: Buffer.from([...Array(256).keys()])}]})
    .then(info => console.log(info.response), error => { console.error(error); process.exit(1); });
"""


def _require(program):
    path = shutil.which(program)
    if not path:
        raise unittest.SkipTest(f"there is no {program}")
    return path


def _run(words, octets=b"", environment=None):
    done = subprocess.run(words, input=octets, capture_output=True, timeout=60,
                          env={**os.environ, **(environment or {})})
    output = done.stdout + done.stderr
    if done.returncode != 0:
        raise AssertionError(f"{words[0]} ended with {done.returncode}:\n"
                             f"{output.decode(errors='replace')}")
    return output.decode(errors="replace")


def swaks(port, sender, recipient, subject, text, *further):
    return _run([_require("swaks"), "--server", f"127.0.0.1:{port}", "--from", sender, "--to",
                 recipient, "--h-Subject", subject, "--body", text, *further])


def msmtp(port, sender, recipient, subject, text):
    octets = f"From: {sender}\nTo: {recipient}\nSubject: {subject}\n\n{text}\n".encode()
    return _run([_require("msmtp"), "--host=127.0.0.1", f"--port={port}", f"--from={sender}",
                 "--tls=off", "--auth=off", "-C", "/dev/null", recipient], octets)


def nodemailer(port, sender, recipient, subject, text):
    if not (PEERS / "usr/share/nodejs/nodemailer").is_dir():
        raise unittest.SkipTest("nodemailer is not unpacked below build/peers")
    return _run([_require("node"), "-e", NODEMAILER, str(port), sender, recipient, subject, text],
                environment={"NODE_PATH": str(PEERS / "usr/share/nodejs")})


def smtp_source(port, sessions, messages, sender, recipient, size=4096):
    """Postfix's load generator: many messages over many sessions at once."""
    program = PEERS / "usr/sbin/smtp-source"
    if not program.exists():
        raise unittest.SkipTest("smtp-source is not unpacked below build/peers")
    return _run([str(program), "-s", str(sessions), "-m", str(messages), "-l", str(size), "-f",
                 sender, "-t", recipient, f"127.0.0.1:{port}"],
                environment={"LD_LIBRARY_PATH": str(PEERS / "usr/lib/postfix"),
                             "MAIL_CONFIG": "/nonexistent"})
