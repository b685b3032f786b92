#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "delivery/body_source.hpp"
#include "smtp/downgrade.hpp"

namespace delivery {

// Rewrites content that lies in a file into another one, which has no name: it goes with its
// descriptor, so also when the process is killed. Works in steps, for a thread that others wait
// for as well; neither content is ever in memory as a whole.
class BodyRewriter {
 public:
    BodyRewriter(BodySource& body, const smtp::Downgrade& plan) : body_(body), run_(plan) {}
    ~BodyRewriter();
    BodyRewriter(const BodyRewriter&) = delete;
    BodyRewriter& operator=(const BodyRewriter&) = delete;

    enum class Progress : std::uint8_t { more, done, gave_up };  // as smtp::DowngradeRun gives up
    [[nodiscard]] base::Result<Progress> step();                 // blocks
    // What was written, once it is done.
    [[nodiscard]] BodySource result(boost::asio::any_io_executor files);

 private:
    base::Result<Progress> study();
    base::Result<Progress> rewrite();
    base::Result<> open();
    base::Result<> write(std::string_view bytes);

    BodySource& body_;
    smtp::DowngradeRun run_;
    bool studied_ = false;
    std::uint64_t offset_ = 0;
    std::uint64_t written_ = 0;
    int descriptor_ = -1;
};

}  // namespace delivery
