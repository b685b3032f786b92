#include <fmt/format.h>

#include <iterator>

#include "smtp/client_state.hpp"

namespace smtp {
namespace {

constexpr std::size_t max_chunk = 256 * 1024;
// Chunks on the way bound what is sent in vain to a server that has run out of room.
constexpr std::size_t max_unanswered_chunks = 8;

}  // namespace

bool ClientSession::State::body_wanted() const {
    if (transaction.body != BodyState::open) return false;
    if (!transaction.chunking) return true;
    // Without PIPELINING each BDAT waits for the reply to the one before.
    const std::size_t limit = extensions.pipelining ? max_unanswered_chunks : 1;
    return transaction.unanswered_chunks < limit;
}

void ClientSession::State::write_body(std::string_view piece, bool last) {
    if (phase != Phase::transaction || transaction.body != BodyState::open) return;
    if (transaction.chunking) return write_chunks(piece, last);
    transaction.encoder.write(piece, output);
    if (!last) return;
    transaction.encoder.finish(output);
    held_from = output.size();
    output += ".\r\n";
    transaction.body = BodyState::ending;
}

void ClientSession::State::write_chunks(std::string_view piece, bool last) {
    const std::size_t limit = extensions.pipelining ? max_chunk : std::string_view::npos;
    do {
        const std::string_view part = piece.substr(0, limit);
        piece.remove_prefix(part.size());
        transaction.encoder.write(part, transaction.chunk);
        const bool end = last && piece.empty();
        if (end) transaction.encoder.finish(transaction.chunk);
        if (end || !transaction.chunk.empty()) write_chunk(end);
    } while (!piece.empty());
}

void ClientSession::State::write_chunk(bool last) {
    if (last) {
        held_from = output.size();
        transaction.body = BodyState::ending;
    }
    fmt::format_to(std::back_inserter(output), "BDAT {}{}\r\n", transaction.chunk.size(),
                   last ? " LAST" : "");
    output += transaction.chunk;
    transaction.chunk.clear();
    if (last) return;
    ++transaction.unanswered_chunks;
    expect(Command::chunk, 0, 0);
}

// The caller was told, so the end may go out, and from now on its reply is expected.
void ClientSession::State::release_end() {
    transaction.body = BodyState::sent;
    held_from = nothing_held;
    expect(transaction.chunking ? Command::last_chunk : Command::final_dot, 0, 0);
}

// The server has refused: what was not handed out yet need not be sent, and its end must not be.
void ClientSession::State::abandon_body() {
    if (transaction.body == BodyState::ending) {
        output.resize(held_from);
        held_from = nothing_held;
    }
    if (transaction.body != BodyState::sent) transaction.body = BodyState::abandoned;
}

}  // namespace smtp
