#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace delivery_test {

namespace asio = boost::asio;

// What the smarthost does with one line of a client.
struct Answer {
    Answer(const char* reply) : text(reply) {}
    Answer(std::string reply) : text(std::move(reply)) {}
    std::string text;     // without the final CRLF; "" says nothing
    bool held = false;    // until release()
    bool close = false;   // afterwards, or at once when there is no text
    bool forget = false;  // no word from now on, but the connection stays
    bool drip = false;    // afterwards one letter now and then, and never the end of the line
    bool deaf = false;    // to what has come behind it
};
inline Answer hang_up(std::string text = "") {
    Answer answer{std::move(text)};
    answer.close = true;
    return answer;
}
inline Answer held(std::string text) {
    Answer answer{std::move(text)};
    answer.held = true;
    return answer;
}
inline Answer silence() {
    Answer answer{""};
    answer.forget = true;
    return answer;
}
inline Answer deaf(std::string text) {
    Answer answer{std::move(text)};
    answer.deaf = true;
    return answer;
}

// Begins with the text as it is: "250-".
inline Answer drip(std::string text) {
    Answer answer{std::move(text)};
    answer.drip = true;
    return answer;
}

// A mail as a client gave it.
struct Taken {
    std::size_t connection = 0;
    std::vector<std::string> recipients;  // the RCPT lines
    std::string content;
    std::string behind;  // what had come together with its end
};

// An SMTP server on a loopback port that answers as it is told, in the clear. Lives on the loop
// of the test; everything is one thread.
class ScriptedSmarthost {
 public:
    // `line` is what came; a verb is the first word in upper case, "connect" for the greeting and
    // "dot" for the end of the content.
    struct Heard {
        std::size_t connection = 0;  // from 1 on
        std::string verb, line;
    };
    using Script = std::function<Answer(const Heard&)>;

    explicit ScriptedSmarthost(asio::io_context& loop);
    ~ScriptedSmarthost();
    ScriptedSmarthost(const ScriptedSmarthost&) = delete;
    ScriptedSmarthost& operator=(const ScriptedSmarthost&) = delete;

    void on(const std::string& verb, Script script) { scripts_[verb] = std::move(script); }
    void on(const std::string& verb, Answer answer) {
        scripts_[verb] = [answer](const Heard&) { return answer; };
    }
    void normal(const std::string& verb) { scripts_.erase(verb); }
    // In the midst of the content, after so many bytes: says `text`, if any, and closes.
    void break_content(std::size_t after, std::string text) {
        break_after_ = after;
        break_text_ = std::move(text);
    }
    void release();         // what is held goes out
    void close_all();       // every connection, without a word
    void stop_listening();  // connections are refused
    void listen_again();    // on the same port

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::size_t connections() const { return made_; }
    [[nodiscard]] std::size_t open() const { return open_; }
    [[nodiscard]] std::size_t most_open() const { return most_open_; }
    [[nodiscard]] const std::vector<Heard>& heard() const { return heard_; }
    [[nodiscard]] std::size_t heard(const std::string& verb) const;
    [[nodiscard]] const std::vector<Taken>& taken() const { return taken_; }

    // What EHLO is answered with after the first line.
    std::vector<std::string> extensions{"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"};

 private:
    class Session;
    void accept();
    [[nodiscard]] Answer answer(const Heard& heard) const;

    asio::io_context& loop_;
    asio::ip::tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    std::map<std::string, Script> scripts_;
    std::vector<std::weak_ptr<Session>> sessions_;
    std::vector<Heard> heard_;
    std::vector<Taken> taken_;
    std::size_t made_ = 0, open_ = 0, most_open_ = 0;
    std::size_t break_after_ = 0;
    std::string break_text_;
};

}  // namespace delivery_test
