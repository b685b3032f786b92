#include "relay/control_client.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <thread>

#include "admin/server.hpp"
#include "relay/api_view.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/admin/bed.hpp"

using namespace relay;
using admin_test::Bed;

namespace {

spool::Options options_of(const Bed& bed) {
    spool::Options options;
    options.directory = bed.directory / "spool";
    options.min_free = 0;
    options.inline_limit = 4096;
    return options;
}

// Serves a Bed's API on the control socket from a thread of its own.
class Running {
 public:
    explicit Running(Bed& bed) : bed_(bed), api_(bed.services) {
        admin::Options none;
        none.listen.clear();
        const std::string path = control_socket_path(bed.directory / "spool").string();
        const auto executor = bed.loop.get_executor();
        auto started = admin::Server::start(executor, executor, none, path, api_);
        if (!started) throw std::runtime_error(started.error().message);
        server_ = std::move(*started);
        bed_.loop.restart();
        thread_ = std::thread([this] { bed_.loop.run(); });
    }
    ~Running() {
        boost::asio::post(bed_.loop, [this] {
            server_->stop();
            guard_.reset();
        });
        thread_.join();
    }

 private:
    Bed& bed_;
    admin::Api api_;
    std::unique_ptr<admin::Server> server_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
        bed_.loop.get_executor()};
    std::thread thread_;
};

}  // namespace

TEST_CASE("a running server is asked over its socket, refusals and large answers alike",
          "[relay]") {
    Bed bed;
    Bed::Mail mail;
    mail.content += std::string(3'000'000, 'x') + "\r\n";
    const std::string id = bed.add(mail);
    Running running{bed};
    const auto channel = open_control(options_of(bed));
    REQUIRE(channel.has_value());
    CHECK((*channel)->online());
    const auto stats = call_api(**channel, "GET", "/api/v1/stats");
    REQUIRE(stats.has_value());
    CHECK(ApiView{*stats}.number("queued") == 1);
    admin::ApiRequest request;
    request.method = "GET";
    request.target = "/api/v1/messages/" + id + "/raw";
    const auto raw = (*channel)->call(request);
    REQUIRE(raw.has_value());
    CHECK((raw->body == mail.content));
    const auto missing = call_api(**channel, "GET", "/api/v1/messages/nonsense");
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().message == "there is no message nonsense");
    const auto held = call_api(**channel, "POST", "/api/v1/messages/hold", R"({"all":true})");
    REQUIRE(held.has_value());
    CHECK(ApiView{*held}.number("changed") == 1);
}

TEST_CASE("without a server the spool itself answers", "[relay]") {
    Bed bed;
    Bed::Mail mail;
    mail.content += std::string(9000, 'x') + "\r\n";
    const std::string id = bed.add(mail);
    const spool::Options options = options_of(bed);

    const auto locked = open_control(options);  // held by the bed, which serves no socket
    REQUIRE_FALSE(locked.has_value());
    CHECK_THAT(locked.error().message, Catch::Contains("no relay answers on"));
    CHECK_FALSE(connect_to_server(options.directory).has_value());

    bed.spool.reset();
    const auto channel = open_control(options);
    REQUIRE(channel.has_value());
    CHECK_FALSE((*channel)->online());
    admin::ApiRequest request;
    request.method = "GET";
    request.target = "/api/v1/messages/" + id + "/raw";
    const auto raw = (*channel)->call(request);
    REQUIRE(raw.has_value());
    CHECK(raw->body == mail.content);
    const auto deleted = call_api(**channel, "DELETE", "/api/v1/messages/" + id);
    REQUIRE(deleted.has_value());
    CHECK(ApiView{*deleted}.number("changed") == 1);
}

TEST_CASE("looking for a queue does not make one", "[relay]") {
    Bed bed;
    spool::Options options = options_of(bed);
    options.directory = bed.directory / "elsewhere";
    const auto channel = open_control(options);
    REQUIRE_FALSE(channel.has_value());
    CHECK_THAT(channel.error().message, Catch::Contains("there is no spool at"));
    CHECK_FALSE(std::filesystem::exists(options.directory));
}
