#include "tests/unit/replica/child_process.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/replica/raw_database.h"

namespace tcsync::replica {
namespace {

constexpr size_t kValueBytes = 20'000;

int TryOpenAsNobody(const std::string& directory) {
  if (!BecomeNobody()) return 1;
  const absl::Status status = TryOpen(directory);
  PrintLine(status.ok() ? "ok" : status.ToString());
  return 0;
}

// A round's commit: undo points, and changes of TaskId(1) to TaskId(9), whichever are valid.
std::vector<Operation> RandomOperations(Replica& replica, std::mt19937& random) {
  std::vector<Operation> operations = {Operation::UndoPoint()};
  const int number = 1 + static_cast<int>(random() % 9);
  const auto task = replica.GetTask(TaskId(number));
  if (!task.ok()) std::_Exit(1);
  if (!task->has_value()) {
    operations.push_back(Operation::Create(TaskId(number)));
  } else if (random() % 4 == 0) {
    operations.push_back(Operation::Delete(TaskId(number)));
    operations.push_back(Operation::Create(TaskId(number)));
  }
  const std::string value(random() % 5'000, 'x');
  operations.push_back(Operation::Update(TaskId(number), "description", value));
  operations.push_back(
      Operation::Update(TaskId(number), "status", random() % 2 == 0 ? "pending" : "completed"));
  if (random() % 3 == 0) operations.push_back(Operation::Delete(TaskId(number)));
  return operations;
}

int CommitUntilKilled(const std::string& directory) {
  const auto replica = MustOpen(directory);
  if (replica == nullptr) return 1;
  std::random_device device;
  std::mt19937 random(device());
  uint64_t round = 0;
  const auto task = replica->GetTask(TaskId(0));
  if (!task.ok()) return 1;
  if (*task) {
    round = std::stoull((*task)->at(kRoundProperty));
  } else if (!replica->Commit({{Operation::Create(TaskId(0))}}).ok()) {
    return 1;
  }
  for (;;) {
    if (!replica->Commit(RandomOperations(*replica, random)).ok()) return 1;
    if (random() % 4 == 0) {
      const auto undoable = replica->UndoableOperations();
      if (!undoable.ok() || !replica->Undo(*undoable).ok()) return 1;
    }
    if (random() % 4 == 0 && !replica->RebuildWorkingSet(random() % 2 == 0).ok()) return 1;
    std::vector<Operation> operations = RandomOperations(*replica, random);
    operations.push_back(Operation::Update(TaskId(0), kRoundProperty, std::to_string(++round)));
    if (!replica->Commit(operations).ok()) return 1;
    PrintLine(std::to_string(round));
  }
}

int FillAndMakeRoom(const std::string& directory, const std::function<void()>& make_room) {
  const auto replica = MustOpen(directory);
  if (replica == nullptr || !replica->Commit({{Operation::Create(TaskId(0))}}).ok()) return 1;
  absl::Status status;
  int committed = 0;
  for (;; ++committed) {
    status = replica->Commit(
        {{Operation::Update(TaskId(0), std::to_string(committed), std::string(kValueBytes, 'x'))}});
    if (!status.ok()) break;
  }
  PrintLine(status.ToString());
  PrintLine(std::to_string(committed));
  const auto task = replica->GetTask(TaskId(0));
  const auto pending = replica->PendingOperations();
  const size_t expected = static_cast<size_t>(committed);
  const bool is_whole = task.ok() && task->has_value() && (*task)->size() == expected &&
                        pending.ok() && pending->size() == expected + 1;
  PrintLine(is_whole ? "ok"
                     : absl::StrCat(task.status().ToString(), " ", pending.status().ToString(),
                                    " or something is lost"));
  make_room();
  PrintLine(replica->Commit({{Operation::Update(TaskId(0), "last", "x")}}).ToString());
  return 0;
}

int FillLimitedFiles(const std::string& directory) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
  rlimit small = limit;
  small.rlim_cur = 1'000'000;
  if (setrlimit(RLIMIT_FSIZE, &small) != 0) return 1;
  return FillAndMakeRoom(directory, [&] { setrlimit(RLIMIT_FSIZE, &limit); });
}

int FillDisk(const std::string& directory) {
#ifdef __linux__
  if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
      mount("tcsync", directory.c_str(), "tmpfs", 0, "size=2m") == 0) {
    const std::string ballast = directory + "/ballast";
    WriteFile(ballast, std::string(200'000, 'x'));
    return FillAndMakeRoom(directory, [&] { unlink(ballast.c_str()); });
  }
#endif
  PrintLine("cannot mount");
  return 0;
}

}  // namespace

int RunTask(const std::string& task, const std::string& directory) {
  if (task == kTryOpenAsNobody) return TryOpenAsNobody(directory);
  if (task == kCommitUntilKilled) return CommitUntilKilled(directory);
  if (task == kFillLimitedFiles) return FillLimitedFiles(directory);
  if (task == kFillDisk) return FillDisk(directory);
  return 1;
}

}  // namespace tcsync::replica
