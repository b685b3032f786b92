#include "scripted_smarthost.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "base/text.hpp"

namespace delivery_test {

using Tcp = asio::ip::tcp;
using boost::system::error_code;

class ScriptedSmarthost::Session : public std::enable_shared_from_this<Session> {
 public:
    Session(ScriptedSmarthost& host, Tcp::socket socket, std::size_t number)
        : host_(host), socket_(std::move(socket)), number_(number), drops_(host.loop_) {}

    void start() {
        ++host_.open_;
        host_.most_open_ = std::max(host_.most_open_, host_.open_);
        hear("connect", "");
        read();
    }
    void release() {
        if (!held_) return;
        held_ = false;
        write();
        go_on();
    }
    void close() {
        if (!socket_.is_open()) return;
        error_code ignored;
        socket_.close(ignored);
        --host_.open_;
    }
    void detach() {
        detached_ = true;
        error_code ignored;
        socket_.close(ignored);
    }

 private:
    void read() {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](error_code failed, std::size_t count) {
                                    if (self->detached_) return;
                                    if (failed) return self->close();
                                    self->input_.append(self->buffer_.data(), count);
                                    self->go_on();
                                    if (self->socket_.is_open()) self->read();
                                });
    }

    void go_on() {
        while (socket_.is_open() && !held_ && !forgotten_) {
            if (in_content_ ? !take_content() : !take_line()) return;
        }
    }

    bool take_line() {
        const std::size_t end = input_.find("\r\n");
        if (end == std::string::npos) return false;
        const std::string line = input_.substr(0, end);
        input_.erase(0, end + 2);
        std::string verb = line.substr(0, line.find(' '));
        std::transform(verb.begin(), verb.end(), verb.begin(), ::toupper);
        if (verb == "MAIL") mail_ = {number_, {}, "", ""};
        if (verb == "RCPT") mail_.recipients.push_back(line);
        hear(verb, line);
        return true;
    }

    bool take_content() {
        if (host_.break_after_ > 0 && input_.size() >= host_.break_after_) {
            if (!host_.break_text_.empty()) output_ += host_.break_text_ + "\r\n";
            write();
            close();
            return false;
        }
        const std::string start = input_.substr(0, 3);
        const std::size_t from = searched_ < 4 ? 0 : searched_ - 4;
        const std::size_t end = start == ".\r\n" ? 0 : input_.find("\r\n.\r\n", from);
        searched_ = end == std::string::npos ? input_.size() : 0;
        if (end == std::string::npos) return false;
        const std::size_t size = start == ".\r\n" ? 0 : end + 2;
        mail_.content = input_.substr(0, size);
        input_.erase(0, size + 3);
        in_content_ = false;
        mail_.behind = input_;
        host_.taken_.push_back(mail_);
        hear("dot", "");
        return true;
    }

    void hear(std::string verb, std::string line) {
        const Heard heard{number_, std::move(verb), std::move(line)};
        host_.heard_.push_back(heard);
        const Answer answer = host_.answer(heard);
        if (answer.forget) forgotten_ = true;
        if (answer.deaf) input_.clear();
        if (!answer.text.empty()) output_ += answer.text + (answer.drip ? "" : "\r\n");
        if (answer.text.starts_with("354")) in_content_ = true;
        held_ = answer.held;
        if (!held_) write();
        if (answer.close) close();
        if (answer.drip) drip();
    }

    void drip() {
        forgotten_ = true;
        drops_.expires_after(std::chrono::milliseconds{5});
        drops_.async_wait([self = shared_from_this()](error_code failed) {
            if (failed || self->detached_ || !self->socket_.is_open()) return;
            self->output_ += 'x';
            self->write();
            self->drip();
        });
    }

    // Small enough for the socket's buffer.
    void write() {
        if (output_.empty() || !socket_.is_open()) return;
        error_code ignored;
        asio::write(socket_, asio::buffer(output_), ignored);
        output_.clear();
    }

    ScriptedSmarthost& host_;
    Tcp::socket socket_;
    std::size_t number_;
    std::array<char, 65536> buffer_{};
    std::string input_, output_;
    asio::steady_timer drops_;
    Taken mail_;
    std::size_t searched_ = 0;  // of the input, for the end of the content
    bool in_content_ = false, held_ = false, forgotten_ = false, detached_ = false;
};

ScriptedSmarthost::ScriptedSmarthost(asio::io_context& loop)
    : loop_(loop), acceptor_(loop, Tcp::endpoint{asio::ip::address_v4::loopback(), 0}) {
    port_ = acceptor_.local_endpoint().port();
    accept();
}

ScriptedSmarthost::~ScriptedSmarthost() {
    for (const auto& each : sessions_) {
        if (const auto session = each.lock()) session->detach();
    }
}

void ScriptedSmarthost::accept() {
    acceptor_.async_accept([this](error_code failed, Tcp::socket socket) {
        if (failed) return;
        const auto session = std::make_shared<Session>(*this, std::move(socket), ++made_);
        sessions_.push_back(session);
        session->start();
        accept();
    });
}

void ScriptedSmarthost::release() {
    const std::vector<std::weak_ptr<Session>> all = sessions_;
    for (const auto& each : all) {
        if (const auto session = each.lock()) session->release();
    }
}

void ScriptedSmarthost::close_all() {
    for (const auto& each : sessions_) {
        if (const auto session = each.lock()) session->close();
    }
}

void ScriptedSmarthost::stop_listening() { acceptor_.close(); }

void ScriptedSmarthost::listen_again() {
    const Tcp::endpoint place{asio::ip::address_v4::loopback(), port_};
    acceptor_.open(place.protocol());
    acceptor_.set_option(Tcp::acceptor::reuse_address{true});
    acceptor_.bind(place);
    acceptor_.listen();
    accept();
}

std::size_t ScriptedSmarthost::heard(const std::string& verb) const {
    return static_cast<std::size_t>(std::count_if(
        heard_.begin(), heard_.end(), [&](const Heard& each) { return each.verb == verb; }));
}

Answer ScriptedSmarthost::answer(const Heard& heard) const {
    const auto script = scripts_.find(heard.verb);
    if (script != scripts_.end()) return script->second(heard);
    if (heard.verb == "connect") return "220 smarthost.example ESMTP";
    if (heard.verb == "DATA") return "354 go ahead";
    if (heard.verb == "QUIT") return hang_up("221 2.0.0 bye");
    if (heard.verb == "EHLO") {
        std::string reply = "250-smarthost.example";
        for (const std::string& extension : extensions) reply += "\r\n250-" + extension;
        return reply + "\r\n250 HELP";
    }
    return "250 2.0.0 ok";
}

}  // namespace delivery_test
