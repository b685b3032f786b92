#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "admin/server.hpp"
#include "bed.hpp"

namespace admin_test {

using asio::ip::tcp;

// The server over the bed, on a port and a control socket of its own.
struct Served : Bed {
    explicit Served(admin::Options options = loopback(), admin::ServerLimits limits = {})
        : api(services) {
        start(std::move(options), limits);
    }
    ~Served() {
        server.reset();
        loop.restart();
        loop.poll();
    }

    static admin::Options loopback() {
        admin::Options options;
        options.listen = {"127.0.0.1:0"};
        return options;
    }
    void start(admin::Options options, admin::ServerLimits limits) {
        start(std::move(options), limits, loop.get_executor());
    }
    void start(admin::Options options, admin::ServerLimits limits, asio::any_io_executor files) {
        auto started =
            admin::Server::start(loop.get_executor(), files, options, control(), api, limits);
        if (!started) throw std::runtime_error(started.error().message);
        server = std::move(*started);
    }
    [[nodiscard]] std::string control() const { return (directory / "control.sock").string(); }
    [[nodiscard]] std::string host() const { return server->addresses().front(); }
    [[nodiscard]] tcp::endpoint endpoint() const {
        const std::string address = host();
        const auto port = std::stoi(address.substr(address.rfind(':') + 1));
        return {asio::ip::address_v4::loopback(), static_cast<unsigned short>(port)};
    }

    // What the server says to these bytes until it closes.
    template <class Endpoint>
    std::string talk(const Endpoint& to, std::string bytes) {
        auto client = std::async(std::launch::async, [to, bytes = std::move(bytes)] {
            asio::io_context own;
            typename Endpoint::protocol_type::socket socket{own};
            boost::system::error_code error;
            socket.connect(to, error);
            if (error) return "no connection: " + error.message();
            asio::write(socket, asio::buffer(bytes), error);
            std::string answer;
            asio::read(socket, asio::dynamic_buffer(answer), error);
            return answer;
        });
        run_until(
            [&] { return client.wait_for(std::chrono::seconds{0}) == std::future_status::ready; });
        return client.get();
    }
    std::string ask(const std::string& line, const std::string& headers = "",
                    const std::string& body = "") {
        return talk(endpoint(), line + " HTTP/1.1\r\nHost: " + host() +
                                    "\r\nConnection: close\r\n" + headers + "\r\n" + body);
    }

    admin::Api api;
    std::unique_ptr<admin::Server> server;
};

inline std::size_t count(const std::string& text, const std::string& word) {
    std::size_t times = 0;
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++times;
    return times;
}

// A client that keeps its connection; what it hears is looked at without waiting.
class Client {
 public:
    void connect(const Served& served) { connect(served.endpoint()); }
    template <class Endpoint>
    void connect(const Endpoint& to) {
        socket_.open(Socket::protocol_type{to.protocol()});
        // What it does not read fills up soon.
        socket_.set_option(asio::socket_base::receive_buffer_size{4096});
        socket_.connect(to);
        socket_.non_blocking(true);
    }
    // How much of it there is room for.
    std::size_t say(const std::string& bytes) {
        boost::system::error_code full_or_closed;
        return asio::write(socket_, asio::buffer(bytes), full_or_closed);
    }
    void leave() { socket_.close(); }
    bool has_answer(std::size_t answers = 1) {
        look();
        return count(heard_, "HTTP/1.1 ") >= answers;
    }
    bool answer_has(const std::string& words) {
        look();
        return heard_.find(words) != std::string::npos;
    }
    bool is_closed() {
        look();
        return closed_;
    }
    [[nodiscard]] const std::string& answer() const { return heard_; }

 private:
    using Socket = asio::generic::stream_protocol::socket;

    void look() {
        boost::system::error_code error;
        asio::read(socket_, asio::dynamic_buffer(heard_), error);
        closed_ = closed_ || (error && error != asio::error::would_block);
    }

    static asio::io_context& context() {  // nothing runs on it
        static asio::io_context own;
        return own;
    }

    Socket socket_{context()};
    std::string heard_;
    bool closed_ = false;
};

}  // namespace admin_test
