#include "base/private_memory.hpp"

#include <sys/prctl.h>

namespace base {

void keep_memory_private() {
    // The leak checker of a sanitized build has to look into its own process.
#if !defined(__SANITIZE_ADDRESS__)
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace base
