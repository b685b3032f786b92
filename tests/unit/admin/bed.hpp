#pragma once

#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include "admin/api.hpp"
#include "base/message_id.hpp"
#include "base/uptime.hpp"

namespace admin_test {

namespace asio = boost::asio;
namespace json = boost::json;

// A spool in a folder of its own, and the API over it, on one loop that a test runs by hand.
class Bed {
 public:
    Bed() {
        std::string pattern = (std::filesystem::temp_directory_path() / "relay-admin-XXXXXX");
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        directory = pattern;
        spool::Options options;
        options.directory = directory / "spool";
        options.inline_limit = 4096;
        options.min_free = 0;
        auto opened = spool::Spool::open(options, [this](std::function<void()> batch) {
            const std::lock_guard lock{silence};
            asio::post(loop, std::move(batch));
        });
        if (!opened) throw std::runtime_error(opened.error().message);
        spool = std::move(*opened);
        services.spool = spool.get();
        services.version = "1.2.3";
        services.started = base::SystemClock{}.now();
        services.started_uptime = base::uptime();
        services.attempt_now = [this] { ++wakes; };
    }
    ~Bed() {
        spool.reset();
        std::filesystem::remove_all(directory);
    }
    Bed(const Bed&) = delete;
    Bed& operator=(const Bed&) = delete;

    // Runs the loop until the condition holds; throws when it takes too long to be true.
    void run_until(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("timed out");
            loop.restart();
            loop.run_one_for(std::chrono::milliseconds{50});
        }
    }

    struct Mail {
        std::string from = "app@example.com", subject = "Hello",
                    content = "Subject: Hello\r\n\r\nHi\r\n";
        std::vector<std::string> to{"a@example.org"};
    };
    // Durable and not leased.
    std::string add(const Mail& mail) {
        spool::NewMessage message;
        message.received = base::SystemClock{}.now();
        message.id = ids.next(message.received);
        message.envelope.reverse_path = mail.from;
        for (const std::string& address : mail.to) {
            smtp::Recipient recipient;
            recipient.address = address;
            message.envelope.recipients.push_back(std::move(recipient));
        }
        message.subject = mail.subject;
        message.from = mail.from;
        message.message_id = "<1@example.com>";
        message.origin.client = "127.0.0.1";
        message.origin.protocol = "ESMTP";
        message.body = spool->new_body();
        (void)message.body->write(mail.content);
        message.take = false;
        const std::string id = message.id.text();
        bool done = false;
        spool->add(std::move(message), [&](spool::Outcome<spool::Leased> added) {
            if (!added) throw std::runtime_error(added.error().message);
            done = true;
        });
        run_until([&] { return done; });
        return id;
    }
    std::string add() { return add(Mail{}); }

    admin::ApiResponse call(const std::string& method, const std::string& target,
                            const std::string& body = "") {
        admin::Api api{services};
        admin::ApiRequest request;
        request.method = method;
        request.target = target;
        request.body = body;
        std::optional<admin::ApiResponse> response;
        api.handle(std::move(request),
                   [&](admin::ApiResponse answer) { response = std::move(answer); });
        run_until([&] { return response.has_value(); });
        return *response;
    }
    json::value get(const std::string& target) { return json::parse(call("GET", target).body); }
    std::string error_code(const admin::ApiResponse& response) {
        return std::string(json::parse(response.body).at("error").at("code").as_string());
    }

    std::filesystem::path directory;
    std::mutex silence;  // whoever holds it keeps the spool's answers back
    asio::io_context loop;
    std::unique_ptr<spool::Spool> spool;
    admin::Services services;
    base::MessageIdSource ids;
    int wakes = 0;
};

}  // namespace admin_test
