// A fixed amount of work for instruction counts (valgrind --tool=callgrind): so many messages of
// 4 KiB in and out again. Twice as many cost twice as much, so two runs give the cost of one.
//   fixed_conversation MESSAGES
#include <cstdio>
#include <cstdlib>

#include "bench/micro/conversation.hpp"

int main(int count, char** arguments) {
    const long messages = count == 2 ? std::atol(arguments[1]) : 0;
    if (messages < 1) {
        std::fputs("usage: fixed_conversation MESSAGES\n", stderr);
        return 2;
    }
    const std::string message = bench::make_message(4096);
    const std::string submission = bench::make_submission(message);
    bench::Submissions submissions;
    bench::Deliveries deliveries{true};
    std::size_t bytes = 0;
    for (long i = 0; i < messages; ++i)
        bytes += submissions.take(submission) + deliveries.send(message);
    std::printf("%zu\n", bytes);
    return 0;
}
