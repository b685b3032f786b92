#include "delivery/adapt.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "delivery/attempt.hpp"
#include "delivery/body_rewriter.hpp"
#include "net/run_on.hpp"
#include "smtp/downgrade.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

smtp::RecipientResult needs_smtputf8() {
    smtp::RecipientResult result;
    result.outcome = smtp::Outcome::failed;
    result.stage = smtp::Stage::mail;
    result.needs_smtputf8 = true;
    result.reply.enhanced = smtp::needs_smtputf8_status;
    result.problem =
        "an address of this message needs SMTPUTF8 (RFC 6531), which the smarthost does not offer";
    return result;
}

// A recipient whose address needs SMTPUTF8 is refused for itself when its RCPT would be written:
// the content is made for the others.
smtp::Envelope envelope_for(const spool::Message& message, const smtp::Extensions& server) {
    smtp::Envelope envelope = message.envelope;
    std::vector<smtp::Recipient> able;
    for (const std::size_t index : pending_recipients(message)) {
        const smtp::Recipient& recipient = message.recipients[index].recipient;
        if (server.smtputf8 || base::is_ascii(recipient.address)) able.push_back(recipient);
    }
    if (!able.empty()) envelope.recipients = std::move(able);
    return envelope;
}

// RFC 3463 section 3.7: conversion required but not supported.
smtp::RecipientResult too_complex() {
    smtp::RecipientResult result;
    result.outcome = smtp::Outcome::failed;
    result.stage = smtp::Stage::data;
    result.reply.enhanced = "5.6.3";
    result.problem =
        "this message has to be rewritten for the smarthost, which lacks 8BITMIME or SMTPUTF8, and "
        "its header of more than 1 MiB or more than a million parts cannot be";
    return result;
}

// Small enough to be done at once.
asio::awaitable<base::Result<>> rewrite_in_memory(BodySource& body, const smtp::Downgrade& plan,
                                                  asio::any_io_executor files,
                                                  AdaptedContent& adapted) {
    body.rewind();
    const base::Result<std::string_view> whole = co_await body.next();
    if (!whole) co_return whole.error();
    smtp::DowngradeRun run{plan};
    run.study(*whole);
    run.finish_study();
    if (run.gave_up()) {
        adapted.refusal = too_complex();
        co_return base::Result<>{};
    }
    std::string text = run.rewrite(*whole);
    text += run.finish();
    spool::Body rewritten;
    rewritten.size = text.size();
    rewritten.bytes = std::make_shared<const std::string>(std::move(text));
    adapted.rewritten.emplace(std::move(files), std::move(rewritten));
    co_return base::Result<>{};
}

asio::awaitable<base::Result<>> rewrite_in_file(BodySource& body, const smtp::Downgrade& plan,
                                                asio::any_io_executor files, Turns& turns,
                                                AdaptedContent& adapted) {
    using Progress = BodyRewriter::Progress;
    adapted.turn = co_await turns.take();
    BodyRewriter rewriter{body, plan};
    const auto step = [&rewriter] { return rewriter.step(); };
    for (;;) {
        const base::Result<Progress> progress = co_await net::run_on(files, step);
        if (!progress) co_return progress.error();
        if (*progress == Progress::more) continue;
        if (*progress == Progress::gave_up) {
            adapted.refusal = too_complex();
        } else {
            adapted.rewritten.emplace(rewriter.result(files));
        }
        co_return base::Result<>{};
    }
}

// Of a server that takes 8 bits, and so any body. UTF-8 in a header that nobody declared is what
// many programs send, and needs SMTPUTF8 all the same (RFC 6532 section 3).
asio::awaitable<base::Result<std::optional<smtp::Downgrade>>> plan_header(BodySource& body) {
    smtp::ContentSurvey survey;
    body.rewind();
    while (survey.in_header() && body.left() > 0) {
        const base::Result<std::string_view> piece = co_await body.next();
        if (!piece) co_return piece.error();
        const std::size_t end = piece->find("\r\n\r\n");
        survey.write(end == std::string_view::npos ? *piece : piece->substr(0, end + 4));
    }
    body.rewind();
    smtp::Downgrade plan;
    plan.encode_headers = survey.eight_bit_header();
    plan.spare_signed = true;
    co_return std::optional<smtp::Downgrade>{plan};
}

asio::awaitable<base::Result<std::optional<smtp::Downgrade>>> plan_all(
    BodySource& body, const spool::Message& message, const smtp::Extensions& server) {
    smtp::ContentSurvey survey;
    body.rewind();
    while (body.left() > 0) {
        const base::Result<std::string_view> piece = co_await body.next();
        if (!piece) co_return piece.error();
        survey.write(*piece);
    }
    body.rewind();
    co_return smtp::plan_downgrade(survey, envelope_for(message, server), server);
}

bool looks_at_header_only(const spool::Message& message, const smtp::Extensions& server) {
    return server.eight_bit_mime && !message.envelope.smtputf8;
}

asio::awaitable<base::Result<std::optional<smtp::Downgrade>>> plan(BodySource& body,
                                                                   const spool::Message& message,
                                                                   const smtp::Extensions& server) {
    if (looks_at_header_only(message, server)) return plan_header(body);
    return plan_all(body, message, server);
}

}  // namespace

asio::awaitable<bool> goes_as_it_is(BodySource& body, const spool::Message& message,
                                    const smtp::Extensions& server) {
    if (server.eight_bit_mime && server.smtputf8) co_return true;
    const base::Result<std::optional<smtp::Downgrade>> planned =
        co_await plan(body, message, server);
    co_return planned && *planned && !(*planned)->needed();
}

asio::awaitable<base::Result<AdaptedContent>> adapt_content(BodySource& body,
                                                            const spool::Message& message,
                                                            const smtp::Extensions& server,
                                                            asio::any_io_executor files,
                                                            Turns& turns) {
    AdaptedContent adapted;
    if (server.eight_bit_mime && server.smtputf8) co_return adapted;

    const base::Result<std::optional<smtp::Downgrade>> planned =
        co_await plan(body, message, server);
    if (!planned) co_return planned.error();
    const std::optional<smtp::Downgrade>& change = *planned;
    if (!change) {
        adapted.refusal = needs_smtputf8();
        co_return adapted;
    }
    if (!change->needed()) co_return adapted;

    base::Result<> done;
    if (body.in_memory()) {
        done = co_await rewrite_in_memory(body, *change, files, adapted);
    } else {
        done = co_await rewrite_in_file(body, *change, files, turns, adapted);
    }
    if (!done) co_return done.error();
    body.rewind();
    // As it is it mostly arrives as well.
    if (looks_at_header_only(message, server)) adapted.refusal.reset();
    adapted.seven_bit = change->quoted_printable;
    co_return adapted;
}

}  // namespace delivery
