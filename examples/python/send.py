"""Sends through relay with the standard library. It takes the mail in milliseconds and keeps it safe."""

import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"] = "app@example.com"
message["To"] = "someone@example.org"
message["Subject"] = "Hello from Python"
message.set_content("It works.\n")

with smtplib.SMTP("localhost", 2525) as relay:
    relay.send_message(message)
