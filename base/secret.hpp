#pragma once

#include <string>
#include <string_view>

namespace base {

// A password, token or key. It cannot be printed by accident, and its bytes are
// wiped when it goes away. reveal() is for the one place that must send it.
class Secret {
 public:
    Secret() = default;
    explicit Secret(std::string value);
    Secret(const Secret& other) = default;
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    [[nodiscard]] const std::string& reveal() const { return value_; }
    [[nodiscard]] bool empty() const { return value_.empty(); }
    friend bool operator==(const Secret& a, const Secret& b) {
        return equal_secrets(a.value_, b.value_);
    }

    // Compares in a time that depends on the length only.
    [[nodiscard]] static bool equal_secrets(std::string_view a, std::string_view b);

 private:
    void wipe();

    std::string value_;
};

// What stands in place of a secret wherever text is shown.
inline constexpr std::string_view masked_secret = "***";

}  // namespace base
