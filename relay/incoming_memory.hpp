#pragma once

#include <cstdint>

namespace relay {

// Bounds what mail that is coming in holds in memory, however many connections it comes over:
// envelopes, and content until it is whole. Used on the network thread.
class IncomingMemory {
 public:
    explicit IncomingMemory(std::uint64_t most) : most_(most) {}
    [[nodiscard]] bool full() const { return held_ >= most_; }
    [[nodiscard]] std::uint64_t held() const { return held_; }  // bytes

    // What one connection holds of it; gives it back in the end.
    class Share {
     public:
        explicit Share(IncomingMemory& whole) : whole_(whole) {}
        ~Share() { set(0); }
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        void set(std::uint64_t bytes) {
            whole_.held_ += bytes - bytes_;  // modulo 2^64: it may be less
            bytes_ = bytes;
        }
        [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

     private:
        IncomingMemory& whole_;
        std::uint64_t bytes_ = 0;
    };

 private:
    std::uint64_t most_;
    std::uint64_t held_ = 0;
};

}  // namespace relay
