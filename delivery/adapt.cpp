#include "delivery/adapt.hpp"

#include <memory>
#include <string>
#include <utility>

#include "smtp/downgrade.hpp"

namespace delivery {
namespace asio = boost::asio;
namespace {

smtp::RecipientResult needs_smtputf8() {
    smtp::RecipientResult result;
    result.outcome = smtp::Outcome::failed;
    result.stage = smtp::Stage::mail;
    result.reply.enhanced = "5.6.7";
    result.problem =
        "an address of this message needs SMTPUTF8 (RFC 6531), which the smarthost does not offer";
    return result;
}

asio::awaitable<base::Result<std::string>> read_whole(BodySource& body) {
    std::string whole;
    whole.reserve(body.size());
    body.rewind();
    while (body.left() > 0) {
        const base::Result<std::string_view> piece = co_await body.next();
        if (!piece) co_return piece.error();
        whole += *piece;
    }
    body.rewind();
    co_return whole;
}

}  // namespace

asio::awaitable<base::Result<AdaptedContent>> adapt_content(BodySource& body,
                                                            const spool::Message& message,
                                                            const smtp::Extensions& server,
                                                            asio::any_io_executor files) {
    AdaptedContent adapted;
    const bool takes_everything =
        server.eight_bit_mime && (server.smtputf8 || !message.envelope.smtputf8);
    if (takes_everything) co_return adapted;

    smtp::ContentSurvey survey;
    body.rewind();
    while (body.left() > 0) {
        const base::Result<std::string_view> piece = co_await body.next();
        if (!piece) co_return piece.error();
        survey.write(*piece);
    }
    body.rewind();
    const std::optional<smtp::Downgrade> plan =
        smtp::plan_downgrade(survey, message.envelope, server);
    if (!plan) {
        adapted.refusal = needs_smtputf8();
        co_return adapted;
    }
    if (!plan->needed()) co_return adapted;

    base::Result<std::string> whole = co_await read_whole(body);
    if (!whole) co_return whole.error();
    spool::Body rewritten;
    rewritten.bytes = std::make_shared<const std::string>(smtp::apply_downgrade(*whole, *plan));
    rewritten.size = rewritten.bytes->size();
    adapted.rewritten.emplace(std::move(files), std::move(rewritten));
    adapted.seven_bit = plan->quoted_printable;
    co_return adapted;
}

}  // namespace delivery
