#pragma once

#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "smtp/client_session.hpp"

namespace test {

// A server that follows a script, and the driver of a client against it. A script has a line for
// each line of the wire: "C: EHLO me" must have been written, all of it and no more, before the
// "S: 250 hi" lines that follow are given to the client. A "C:" line may end in "\" for a line
// without CRLF. When the script is at its end the connection is lost.
class ScriptedServer {
 public:
    struct Message {
        smtp::Transaction transaction;
        std::vector<std::string> pieces;
    };

    ScriptedServer(smtp::ClientOptions options, std::string_view script, std::size_t chunk)
        : session(std::move(options)), chunk_(chunk) {
        for (const std::string_view line : base::split(script, '\n')) {
            if (!base::trim(line).empty()) script_.emplace_back(base::trim(line));
        }
    }

    std::vector<Message> messages;
    std::string channel_binding;
    bool early = false;  // the next message begins behind this one's end, if it may
    smtp::ClientSession session;
    smtp::SessionFailure failure;  // the one noted as FAILED

    // Runs to the end; what happened, one word or line each, parted by '\n'.
    std::string run() {
        for (std::size_t turn = 0; turn < 100000; ++turn) {
            if (!std::visit(*this, session.next_event())) return log_;
        }
        return log_ + "endless";
    }

    bool operator()(const smtp::event::ClientNeedInput&) {
        written_ += session.take_output();
        if (unread_.empty()) {
            match();
            collect();
        }
        if (unread_.empty()) {
            session.connection_lost("the connection was lost");
            return true;
        }
        session.receive(std::string_view{unread_}.substr(0, chunk_));
        unread_.erase(0, chunk_);
        return true;
    }
    bool operator()(const smtp::event::StartTls&) {
        note("tls");
        written_ += session.take_output();
        session.tls_established(channel_binding);
        return true;
    }
    bool operator()(const smtp::event::Ready&) {
        note("ready");
        next_message();
        return true;
    }
    bool operator()(const smtp::event::BodyWanted&) {
        if (pieces_.empty()) throw std::logic_error("more content wanted than there is");
        const std::string piece = pieces_.front();
        pieces_.pop_front();
        session.write_body(piece, pieces_.empty());
        if (early && pieces_.empty() && session.can_begin_early() && !messages.empty()) {
            note(session.begin_early(messages.front().transaction) ? "early" : "not early");
        }
        written_ += session.take_output();
        return true;
    }
    bool operator()(const smtp::event::FinalDotSent&) {
        note("final");
        written_ += session.take_output();
        return true;
    }
    bool operator()(const smtp::event::TransactionDone& done) {
        for (const smtp::RecipientResult& result : done.results) note(describe(result));
        if (session.ready()) next_message();
        return true;
    }
    bool operator()(const smtp::event::SessionFailed& failed) {
        const smtp::SessionFailure& f = failure = failed.failure;
        note("FAILED " + std::string{smtp::stage_name(f.stage)} + " " +
             std::to_string(f.reply.code) + (f.permanent ? " permanent: " : ": ") + f.problem);
        return false;
    }
    bool operator()(const smtp::event::SessionClosed&) {
        note("closed");
        return false;
    }

 private:
    static std::string describe(const smtp::RecipientResult& result) {
        constexpr std::string_view names[] = {"delivered", "deferred", "failed", "unknown"};
        return std::string{names[static_cast<int>(result.outcome)]} + " " +
               std::string{smtp::stage_name(result.stage)} + " " +
               (result.reply.code != 0 ? std::to_string(result.reply.code) : result.problem);
    }
    void note(std::string_view what) {
        if (!log_.empty()) log_ += '\n';
        log_ += what;
    }
    void next_message() {
        if (messages.empty()) return session.quit();
        Message message = std::move(messages.front());
        messages.erase(messages.begin());
        pieces_.assign(message.pieces.begin(), message.pieces.end());
        session.begin(message.transaction);
    }
    // All that the client wrote must be what the script says, and all of that be written.
    void match() {
        std::string expected;
        while (!script_.empty() && script_.front().starts_with("C:")) {
            std::string line =
                script_.front().substr(std::min<std::size_t>(3, script_.front().size()));
            const bool unended = line.ends_with('\\');
            if (unended) line.pop_back();
            expected += line + (unended ? "" : "\r\n");
            script_.pop_front();
        }
        if (expected != written_) {
            throw std::logic_error("expected: " + base::printable(expected, 2000) +
                                   "\n     wrote: " + base::printable(written_, 2000));
        }
        written_.clear();
    }
    void collect() {
        while (!script_.empty() && script_.front().starts_with("S:")) {
            unread_ += script_.front().substr(3) + "\r\n";
            script_.pop_front();
        }
    }

    std::size_t chunk_;
    std::deque<std::string> script_;
    std::string unread_, written_, log_;
    std::deque<std::string> pieces_;
};

}  // namespace test
