#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "base/log.hpp"

namespace net {

// Warnings that whoever connects can cause as often as he likes: of each kind base::LogLimit lets
// so many a minute into the log, and when the minute is over one line tells how many more there
// were. One thread.
class LimitedLog {
 public:
    explicit LimitedLog(boost::asio::any_io_executor executor);
    ~LimitedLog();  // tells of what was left out until now
    LimitedLog(const LimitedLog&) = delete;
    LimitedLog& operator=(const LimitedLog&) = delete;

    // kind tells apart lines that must not hide each other, for instance by their reason. There are
    // few kinds, and nothing that a stranger chose is among them; the text outlives the log.
    void warning(std::string_view kind, std::string_view message,
                 std::initializer_list<base::LogField> fields);

 private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace net
