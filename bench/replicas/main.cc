// The parts of the benchmark of replicas that are ours, each a process of its own.
// bench/compare-replicas.sh runs them, beside other replicas:
//
//   serve     a server in memory with a long history, until its input ends
//   receive   opens a replica in a directory, and syncs it
//   send      the same, after tasks from a file have been committed, each by itself
//
// `receive` and `send` print the times and the results as a line of JSON. Every replica that is
// compared prints the same (bench/harness/taskchampion_replica.py). Times begin before the replica
// is opened, include the derivation of the key, and end after the sync; starting the process is not
// part of them.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "replicas/connect.h"
#include "replicas/serve.h"
#include "tcsync/replica.h"
#include "tcsync/uuid.h"

namespace tcsync::bench {
namespace {

struct ReplicaArguments {
  std::string directory;
  std::string url;
  std::string client_id;
  std::string secret;
  std::string tasks_file;  // of `send`
};

// Of this process, since it was made.
class Stopwatch {
 public:
  nlohmann::json Read() const {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin_;
    return {{"seconds", took.count()}, {"cpu_seconds", ProcessorSeconds() - processor_begin_}};
  }

 private:
  static double ProcessorSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  const double processor_begin_ = ProcessorSeconds();
};

absl::StatusOr<std::vector<Task>> ReadTasks(const std::string& path) {
  std::ifstream file(path);
  const nlohmann::json json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError(absl::StrCat(path, " has no tasks"));
  std::vector<Task> tasks;
  for (const auto& [id, properties] : json.items()) {
    const std::optional<Uuid> task_id = Uuid::Parse(id);
    if (!task_id) return absl::InvalidArgumentError(absl::StrCat(path, ": ", id, " is no UUID"));
    tasks.push_back({*task_id, properties.get<TaskProperties>()});
  }
  return tasks;
}

// As Taskwarrior does for each `task add`.
absl::Status CommitTask(Replica& replica, const Task& task) {
  std::vector<Operation> operations = {Operation::UndoPoint(), Operation::Create(task.task_id)};
  for (const auto& [property, value] : task.properties) {
    operations.push_back(Operation::Update(task.task_id, property, value));
  }
  return replica.Commit(operations);
}

absl::Status RunReplica(const ReplicaArguments& arguments) {
  std::vector<Task> tasks;
  if (!arguments.tasks_file.empty()) {
    absl::StatusOr<std::vector<Task>> read = ReadTasks(arguments.tasks_file);
    if (!read.ok()) return read.status();
    tasks = *std::move(read);
  }
  const std::optional<Uuid> client_id = Uuid::Parse(arguments.client_id);
  if (!client_id) return absl::InvalidArgumentError("the client ID is no UUID");

  nlohmann::json report = nlohmann::json::object();
  if (!tasks.empty()) {
    const Stopwatch stopwatch;
    absl::StatusOr<std::unique_ptr<Replica>> opened = Replica::Open(arguments.directory, {});
    if (!opened.ok()) return opened.status();
    for (const Task& task : tasks) {
      if (const absl::Status status = CommitTask(**opened, task); !status.ok()) return status;
    }
    report["commit"] = stopwatch.Read();
  }
  const Stopwatch stopwatch;
  absl::StatusOr<std::unique_ptr<Replica>> opened = Replica::Open(arguments.directory, {});
  if (!opened.ok()) return opened.status();
  const absl::StatusOr<std::unique_ptr<Connected>> connected =
      Connect(arguments.url, *client_id, arguments.secret);
  if (!connected.ok()) return connected.status();
  const auto synced = (*opened)->Sync(*(*connected)->server, {});
  report["sync"] = stopwatch.Read();
  if (const auto* error = std::get_if<SyncError>(&synced)) {
    return absl::InternalError(error->message);
  }
  const auto& done = std::get<SyncReport>(synced);
  report["received_versions"] = done.total.received_versions;
  report["sent_versions"] = done.total.sent_versions;
  report["has_applied_snapshot"] = done.has_applied_snapshot;
  std::puts(report.dump().c_str());
  return absl::OkStatus();
}

void DefineReplicaOptions(CLI::App& command, ReplicaArguments& arguments) {
  command.add_option("--directory", arguments.directory, "of the replica")->required();
  command.add_option("--url", arguments.url, "of the server")->required();
  command.add_option("--client-id", arguments.client_id, "the history")->required();
  command.add_option("--secret", arguments.secret, "of the client")->required();
}

int Main(int argc, char** argv) {
  CLI::App app("The parts of the benchmark of replicas; bench/compare-replicas.sh runs them.",
               "tcsync-bench-replica");
  app.require_subcommand(1);
  ServeOptions serve_options;
  CLI::App* const serve =
      app.add_subcommand("serve", "a server with a history, until its input ends");
  serve->add_option("--versions", serve_options.versions)->check(CLI::Range(1, 1'000'000));
  serve->add_option("--tasks", serve_options.tasks)->check(CLI::Range(1, 1'000'000));
  serve->add_option("--seed", serve_options.seed);
  serve->add_option("--tasks-file", serve_options.tasks_file, "gets the tasks")->required();
  ReplicaArguments arguments;
  CLI::App* const receive = app.add_subcommand("receive", "syncs a replica");
  DefineReplicaOptions(*receive, arguments);
  CLI::App* const send = app.add_subcommand("send", "adds tasks to a replica, and syncs it");
  DefineReplicaOptions(*send, arguments);
  send->add_option("--tasks-file", arguments.tasks_file, "the tasks")->required();
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = serve->parsed() ? Serve(serve_options) : RunReplica(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "tcsync-bench-replica: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace tcsync::bench

int main(int argc, char** argv) {
  try {
    return tcsync::bench::Main(argc, argv);
  } catch (const std::exception& error) {  // Out of memory.
    std::fprintf(stderr, "tcsync-bench-replica: %s\n", error.what());
    return 1;
  }
}
