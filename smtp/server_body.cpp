#include <algorithm>
#include <utility>

#include "smtp/server_state.hpp"

namespace smtp {
namespace {

constexpr Refusal bare_newline{550, "5.6.0", "Message has a CR or LF that is not part of CRLF"};

}  // namespace

ServerSession::State::Next ServerSession::State::on_data(std::string_view arguments) {
    if (!arguments.empty()) {
        complain({501, "5.5.4", "DATA takes no parameter"});
        return std::nullopt;
    }
    if (transaction->envelope.recipients.empty()) {
        complain(no_recipients);
        return std::nullopt;
    }
    answer(354, "", "End data with <CR><LF>.<CR><LF>");
    reader.start(DataReader::Framing::dots);
    phase = Phase::body;
    body_ended = false;
    return begin_content();
}

ServerSession::State::Next ServerSession::State::begin_content() {
    body_open = true;
    body_size = 0;
    return event::BodyStarted{transaction->envelope};
}

// RFC 3030 section 2: also a refused chunk is read, or its content would be taken for commands.
ServerSession::State::Next ServerSession::State::on_bdat(std::string_view arguments) {
    const auto chunk = parse_bdat(arguments);
    if (!chunk) {
        refuse_and_close({501, "5.5.4", "Syntax: BDAT size [LAST]"},
                         "the client sent a BDAT command without a valid size");
        return std::nullopt;
    }
    chunk_left = chunk->size;
    bdat_last = chunk->last;
    phase = Phase::body;
    body_ended = chunk_left == 0;
    refusal = bdat_fault();
    const bool first = !std::exchange(bdat, true);
    if (refusal != nullptr) {
        if (std::exchange(body_open, false)) return event::BodyDiscarded{};
        return std::nullopt;
    }
    if (!first) return std::nullopt;
    reader.start(DataReader::Framing::counted);
    return begin_content();
}

const Refusal* ServerSession::State::bdat_fault() const {
    if (!mail_accepted()) return &mail_first;
    if (transaction->envelope.recipients.empty()) return &no_recipients;
    const std::uint64_t limit = options.max_message_size;
    const bool fits = limit == 0 || (body_size <= limit && chunk_left <= limit - body_size);
    return fits ? nullptr : &message_too_large;
}

ServerSession::State::Next ServerSession::State::read_body() {
    std::string_view available = input.view();
    if (available.empty()) return need_input();
    if (bdat) {
        available = available.substr(0, std::min<std::uint64_t>(available.size(), chunk_left));
        chunk_left -= available.size();
    }
    if (bdat && refusal != nullptr) {
        input.consume(available.size());
        body_ended = chunk_left == 0;
        return std::nullopt;
    }
    const DataReader::Step step = reader.read(available);
    input.consume(step.consumed);
    body_ended = bdat ? chunk_left == 0 : step.ended;
    return pass_on(step.content);
}

// Content goes to the caller until something is wrong with it.
ServerSession::State::Next ServerSession::State::pass_on(std::string_view content) {
    body_size += content.size();
    if (refusal != nullptr) return std::nullopt;
    refusal = content_fault();
    if (refusal != nullptr) {
        body_open = false;
        return event::BodyDiscarded{};
    }
    if (content.empty()) return std::nullopt;
    return event::BodyChunk{content};
}

const Refusal* ServerSession::State::content_fault() const {
    if (options.max_message_size > 0 && body_size > options.max_message_size) {
        return &message_too_large;
    }
    if (reader.repaired() && options.bare_newline == BareNewline::reject) return &bare_newline;
    return nullptr;
}

void ServerSession::State::refuse_body(const Refusal& fault) {
    const bool of_dialogue = &fault == &mail_first || &fault == &no_recipients;
    const bool excused = !of_dialogue || is_excused(fault);
    if (of_dialogue) {
        complain(fault);
    } else {
        answer(fault);
    }
    reset_transaction();
    transaction_refused = excused;
}

ServerSession::State::Next ServerSession::State::finish_body() {
    const bool whole = !bdat || bdat_last;
    if (bdat && whole && refusal == nullptr) {
        // A CR that ended the last chunk was held back. Said once: afterwards nothing is held.
        const std::string_view held = reader.finish();
        if (Next event = held.empty() ? Next{} : pass_on(held)) return event;
    }
    phase = Phase::command;
    body_ended = false;
    if (refusal != nullptr) {
        refuse_body(*std::exchange(refusal, nullptr));
        reader.start(DataReader::Framing::dots);
        return std::nullopt;
    }
    if (!whole) {
        answer(250, "2.0.0", "Ok");
        return std::nullopt;
    }
    reader.start(DataReader::Framing::dots);
    body_open = false;
    pending = Request::body;
    phase = Phase::waiting;
    return event::BodyCompleted{transaction->envelope};
}

}  // namespace smtp
