// Sends through relay with Nodemailer (npm install nodemailer).
import nodemailer from "nodemailer";

const relay = nodemailer.createTransport({
  host: "localhost",
  port: 2525,
  secure: false, // plain on loopback; relay encrypts on the way out
  ignoreTLS: true,
  pool: true, // keep the connection for the next message
});

const info = await relay.sendMail({
  from: "app@example.com",
  to: "someone@example.org",
  subject: "Hello from Node",
  text: "It works.",
});
console.log(info.response); // 250 2.0.0 queued as ...
relay.close();
