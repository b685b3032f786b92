#pragma once

namespace base {

// Keeps passwords and mail out of core dumps, and other processes of this user out of this one's
// memory. Programs started from here are not affected.
void keep_memory_private();

}  // namespace base
