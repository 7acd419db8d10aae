// This test program, run a second time as a child process with a task of its own: to be killed
// while it writes to a replica, or to meet a full disk or a lack of rights. A new program rather
// than a fork, because the tests have threads.
#ifndef TCSYNC_TESTS_UNIT_REPLICA_CHILD_PROCESS_H_
#define TCSYNC_TESTS_UNIT_REPLICA_CHILD_PROCESS_H_

#include <string>

#include "tests/unit/child_process.h"

namespace tcsync::replica {

// Opens the replica in the directory, as the user nobody when it is run by root, and prints "ok" or
// the status.
inline constexpr char kTryOpenAsNobody[] = "try-open-as-nobody";

// Commits and undoes operations of all kinds without an end, and prints a number after each round:
// the value of kRoundProperty of TaskId(0), which the round's last commit has set.
inline constexpr char kCommitUntilKilled[] = "commit-until-killed";
inline constexpr char kRoundProperty[] = "round";

// Commits values of 20 KB to TaskId(0) until one fails, and prints the status of that; the number
// of those that did not fail; "ok" or the status of reading the replica; and, after making room,
// the status of another commit. The first one meets a limit on the size of files, the second one a
// file system of 2 MB, which it mounts at the directory in a namespace of its own (root); it prints
// "cannot mount" and no more where that is not allowed.
inline constexpr char kFillLimitedFiles[] = "fill-limited-files";
inline constexpr char kFillDisk[] = "fill-disk";

// The child's part: does the task, and gives the exit code.
int RunTask(const std::string& task, const std::string& directory);

}  // namespace tcsync::replica

#endif  // TCSYNC_TESTS_UNIT_REPLICA_CHILD_PROCESS_H_
