// This test program, run a second time as a child process with a task of its own: to hold a data
// directory, or to be killed while it writes to one. A new program rather than a fork, because
// RocksDB has threads.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_CHILD_PROCESS_H_
#define TCSYNC_TESTS_UNIT_STORAGE_CHILD_PROCESS_H_

#include <string>

#include "tcsync/uuid.h"
#include "tests/unit/child_process.h"

namespace tcsync {

// Opens the storage in the directory and prints "ok", or its status' code and message.
inline constexpr char kTryOpen[] = "try-open";

// The same as the user nobody, when it is run by root.
inline constexpr char kTryOpenAsNobody[] = "try-open-as-nobody";

// Appends without an end to the chains of kKilledClients, and prints a line for each version that
// was acknowledged: the client's number, the parent and the version ID, with spaces between them. A
// segment is SegmentOfKilled(parent).
inline constexpr char kAppendUntilKilled[] = "append-until-killed";

// Creates, imports, shortens, accepts diverged replicas of and deletes the same clients without an
// end, and prints "changed" after each round.
inline constexpr char kChangeUntilKilled[] = "change-until-killed";
inline constexpr int kKilledClients = 4;
Uuid KilledClient(int number);
std::string SegmentOfKilled(const Uuid& parent);

// Uploads large segments without an end, and prints the version ID of each that was acknowledged.
// Those of client 0, one behind the other, are LargeSegmentOfKilled(parent); the other clients add
// piece after piece to uploads that are never stored.
inline constexpr char kUploadUntilKilled[] = "upload-until-killed";
std::string LargeSegmentOfKilled(const Uuid& parent);

// Opens the storage in "data" of the directory and makes a backup in "backups" of it, until it has
// copied a part: then it prints "copying" and waits to be killed.
inline constexpr char kBackUpUntilKilled[] = "back-up-until-killed";

// The child's part: does the task, and gives the exit code.
int RunTask(const std::string& task, const std::string& directory);

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_CHILD_PROCESS_H_
