#pragma once

#include <sqlite3.h>

namespace spool {

// SQLite writes each page of a transaction to the log by itself, and before it the header of its
// frame: some thirty writes for three messages, which took longer than all else of a commit but
// its sync. With these files a transaction comes to the log in one write, or one for 100 KiB, and
// the log's file grows by 256 KiB at a time.
//
// The name of SQLite's own files (VFS) with such a log. A connection that is opened with them must
// have PRAGMA synchronous = FULL, for then SQLite asks for a sync before a commit counts, which is
// when it is written; and PRAGMA checkpoint_fullfsync, by which a commit's sync is known. And the
// database must be POWERSAFE_OVERWRITE, as it is unless somebody says psow=0: SQLite would write
// on behind that sync.
[[nodiscard]] const char* joined_log_files();

// For a connection opened with them, by its thread alone. To be called once, before the first
// transaction: without it the pages of one that failed are written later, over those of others.
void drop_what_is_rolled_back(sqlite3* handle);
// Whether commits are synced from now on. Checkpoints always are.
void sync_commits(sqlite3* handle, bool synced);

}  // namespace spool
