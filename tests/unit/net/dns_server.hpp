#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/text.hpp"

namespace net_test {

namespace asio = boost::asio;

inline std::string number(unsigned value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

// "a.example" as RFC 1035 section 3.1 writes it; "." is the root.
inline std::string wire_name(std::string_view name) {
    std::string wire;
    for (const std::string_view label : base::split(name, '.')) {
        if (label.empty()) continue;
        wire += static_cast<char>(label.size());
        wire += label;
    }
    return wire + '\0';
}

inline std::string record(const std::string& owner, unsigned type, const std::string& data) {
    return owner + number(type) + number(1) + number(0) + number(60) +
           number(data.size() & 0xffff) + data;
}

struct Question {
    std::string name;  // "mx.example"
    unsigned type = 0;
    std::string wire;  // the whole query
};

struct DnsReply {
    unsigned code = 0;
    std::vector<std::string> records;
    bool silent = false;
    bool garbage = false;  // the header, and then nothing of what it promises
};

// A DNS server on a loopback port of its own that answers as it is told.
class DnsServer {
 public:
    using Answer = std::function<DnsReply(const Question&)>;

    DnsServer(asio::io_context& loop, Answer answer)
        : socket_(loop, asio::ip::udp::endpoint{asio::ip::address_v4::loopback(), 0}),
          answer_(std::move(answer)) {
        receive();
    }

    [[nodiscard]] std::string address() const {
        return "127.0.0.1:" + std::to_string(socket_.local_endpoint().port());
    }
    [[nodiscard]] const std::vector<Question>& questions() const { return questions_; }

 private:
    void receive() {
        buffer_.resize(1500);
        socket_.async_receive_from(asio::buffer(buffer_), from_,
                                   [this](boost::system::error_code failed, std::size_t size) {
                                       if (failed) return;
                                       buffer_.resize(size);
                                       reply();
                                       receive();
                                   });
    }

    void reply() {
        Question question;
        std::size_t at = 12;
        while (at < buffer_.size() && buffer_[at] != '\0') {
            const auto length = static_cast<unsigned char>(buffer_[at]);
            if (!question.name.empty()) question.name += '.';
            question.name += buffer_.substr(at + 1, length);
            at += length + 1U;
        }
        question.type = static_cast<unsigned char>(buffer_.at(at + 2));
        question.wire = buffer_.substr(0, at + 5);
        questions_.push_back(question);
        const DnsReply reply = answer_(question);
        if (reply.silent) return;
        const std::size_t count = reply.garbage ? 3 : reply.records.size();
        std::string message = buffer_.substr(0, 2) + number(0x8180 | reply.code) + number(1) +
                              number(static_cast<unsigned>(count)) + number(0) + number(0) +
                              question.wire.substr(12);
        for (const std::string& text : reply.records) message += text;
        socket_.send_to(asio::buffer(message), from_);
    }

    asio::ip::udp::socket socket_;
    asio::ip::udp::endpoint from_;
    Answer answer_;
    std::string buffer_;
    std::vector<Question> questions_;
};

}  // namespace net_test
