#include "base/private_memory.hpp"

#include <sys/prctl.h>

// g++ defines __SANITIZE_ADDRESS__, clang has a feature of another name.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RELAY_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define RELAY_ADDRESS_SANITIZER
#endif

namespace base {

void keep_memory_private() {
    // The leak checker of a sanitized build has to look into its own process.
#if !defined(RELAY_ADDRESS_SANITIZER)
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace base
