// Keeps a task on the disk through the installed replica, which is in every build of the library,
// so that SQLite is linked.
#include <tcsync/replica.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

namespace {

// Prints the tasks that the database has after it was opened a second time.
absl::Status KeepTask(const std::string& directory) {
  const tcsync::Uuid task_id = tcsync::Uuid::Random();
  {
    auto replica = tcsync::Replica::Open(directory, {});
    if (!replica.ok()) return replica.status();
    const auto committed =
        (*replica)->Commit({tcsync::Operation::Create(task_id),
                            tcsync::Operation::Update(task_id, "description", "Buy milk")});
    if (!committed.ok()) return committed;
  }
  auto replica = tcsync::Replica::Open(directory, {});
  if (!replica.ok()) return replica.status();
  const auto tasks = (*replica)->GetTasks();
  if (!tasks.ok()) return tasks.status();
  for (const tcsync::Task& task : *tasks) {
    std::cout << "task: " << task.properties.at("description") << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

int main() {
  std::string directory = (std::filesystem::temp_directory_path() / "tcsync-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const absl::Status status = KeepTask(directory);
  std::filesystem::remove_all(directory);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
