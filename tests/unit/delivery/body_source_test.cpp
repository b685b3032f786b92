#include "delivery/body_source.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <fstream>
#include <limits>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/support/folder.hpp"

namespace asio = boost::asio;

namespace {

asio::awaitable<void> read_head(delivery::BodySource& source, std::size_t limit, std::string& text,
                                std::thread::id& thread) {
    const base::Result<std::string> head = co_await source.head(limit);
    thread = std::this_thread::get_id();
    text = head ? *head : head.error().message;
}

}  // namespace

// More than a string can hold stands for memory that has run out.
TEST_CASE("an exception while content is read leaves its delivery on its thread", "[delivery]") {
    const test::Folder folder;
    spool::Body body;
    body.file = folder.path() / "body";
    std::ofstream{body.file} << "Subject: hello\r\n\r\n";
    const auto [limit, expected] = GENERATE(table<std::size_t, std::string>(
        {{7, "Subject"}, {std::numeric_limits<std::size_t>::max(), "an internal error of relay"}}));
    body.size = std::numeric_limits<std::uint64_t>::max();
    asio::thread_pool files{1};
    asio::io_context loop;
    delivery::BodySource source{files.get_executor(), body};
    std::string text;
    std::thread::id thread;
    asio::co_spawn(loop, read_head(source, limit, text, thread), asio::detached);
    loop.run();
    CHECK(text == expected);
    CHECK(thread == std::this_thread::get_id());
}
