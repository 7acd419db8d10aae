#include "tcsync/replica.h"

#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "replica/commit.h"
#include "replica/join.h"
#include "replica/schema.h"
#include "replica/store.h"
#include "replica/synchronization.h"
#include "replica/working_set.h"

namespace tcsync {
namespace {

using replica::Connection;
using replica::OpenMode;
using replica::Store;
using replica::Transaction;

// Names the database in every replica's directory.
constexpr absl::string_view kFileName = "taskchampion.sqlite3";
// SQLite's name for a database in memory.
constexpr char kInMemory[] = ":memory:";

absl::Status SystemFailure(const std::string& action, const std::error_code& error) {
  const std::string message = absl::StrCat("cannot ", action, ": ", error.message());
  if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(message);
  return absl::PermissionDeniedError(message);
}

absl::Status CheckDirectory(const std::string& directory) {
  if (directory.empty()) return absl::InvalidArgumentError("the replica's directory is empty");
  if (absl::StrContains(directory, '\0')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the replica's directory has a NUL in its name: ", absl::CHexEscape(directory)));
  }
  return absl::OkStatus();
}

std::string DatabasePath(const std::string& directory) {
  return (std::filesystem::path(directory) / std::string(kFileName)).string();
}

absl::Status MakeDirectory(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  // As it is written: "link/.." is the parent of the directory to which the link leads.
  const fs::path path(directory);
  for (fs::path part; const fs::path& name : path) {
    part /= name;
    // Other users have no business with a person's tasks.
    if (fs::create_directory(part, error)) {
      fs::permissions(part, fs::perms::owner_all, error);
    }
    if (error) return SystemFailure(absl::StrCat("create the directory ", part.string()), error);
  }
  return absl::OkStatus();
}

// The interval at which a change is tried again that SQLite refuses without waiting.
constexpr std::chrono::milliseconds kRetryInterval{5};

// Makes the tables, and sets the journal's mode to TaskChampion's, in which readers and a writer do
// not wait for each other. The mode is written to the file, so it comes second: a database of a
// later major version must stay as it is.
absl::Status Prepare(Connection& connection) {
  const absl::Status status = replica::UpgradeSchema(connection);
  if (!status.ok()) return status;
  return connection.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& path,
                                                 const ReplicaOptions& options) {
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      Connection::Open(path, options.create ? OpenMode::kCreateIfMissing : OpenMode::kReadAndWrite,
                       options.busy_timeout_ms);
  if (!connection.ok()) return connection.status();
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(options.busy_timeout_ms);
  absl::Status status = Prepare(**connection);
  // Programs that change the journal's mode at once would wait for each other, so SQLite does not
  // wait there.
  while (absl::IsUnavailable(status) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kRetryInterval);
    status = Prepare(**connection);
  }
  if (!status.ok()) return status;
  return std::make_unique<Store>(*std::move(connection));
}

// The database in the file as it is now, in memory and with the latest schema.
absl::StatusOr<std::unique_ptr<Store>> OpenCopy(const std::string& path,
                                                const ReplicaOptions& options) {
  absl::StatusOr<std::unique_ptr<Connection>> copy =
      Connection::CopyToMemory(path, options.busy_timeout_ms);
  if (!copy.ok()) return copy.status();
  const absl::Status status = replica::UpgradeSchema(**copy);
  if (status.ok()) return std::make_unique<Store>(*std::move(copy));
  // The copy has no name of its own that a person would know.
  return absl::Status(status.code(), absl::StrCat("the copy of ", path, ": ", status.message()));
}

}  // namespace

class Replica::Implementation {
 public:
  explicit Implementation(std::unique_ptr<Store> store) : store_(std::move(store)) {}

  Store& store() { return *store_; }

 private:
  const std::unique_ptr<Store> store_;
};

Replica::Replica(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Replica::~Replica() = default;

absl::StatusOr<std::unique_ptr<Replica>> Replica::Open(const std::string& directory,
                                                       const ReplicaOptions& options) {
  if (const absl::Status status = CheckDirectory(directory); !status.ok()) return status;
  if (options.busy_timeout_ms < 0 || options.busy_timeout_ms > base::kTimeoutMsMax) {
    return absl::InvalidArgumentError(absl::StrCat("the busy timeout is ", options.busy_timeout_ms,
                                                   " ms, and must be from 0 to ",
                                                   base::kTimeoutMsMax));
  }
  const std::string path = DatabasePath(directory);
  std::error_code error;
  if (options.create && !options.copy) {
    if (const absl::Status status = MakeDirectory(directory); !status.ok()) return status;
  } else if (!std::filesystem::exists(path, error)) {
    if (error && error != std::errc::not_a_directory) {
      return SystemFailure(absl::StrCat("look for ", path), error);
    }
    return absl::NotFoundError(absl::StrCat("there is no replica in ", directory, ": the file ",
                                            kFileName, " is missing"));
  }
  absl::StatusOr<std::unique_ptr<Store>> store =
      options.copy ? OpenCopy(path, options) : OpenStore(path, options);
  if (!store.ok()) return store.status();
  return std::unique_ptr<Replica>(new Replica(std::make_unique<Implementation>(*std::move(store))));
}

absl::StatusOr<std::unique_ptr<Replica>> Replica::OpenInMemory() {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(kInMemory, {});
  if (!store.ok()) return store.status();
  return std::unique_ptr<Replica>(new Replica(std::make_unique<Implementation>(*std::move(store))));
}

absl::Status Replica::Commit(absl::Span<const Operation> operations) {
  return replica::CommitOperations(implementation_->store(), operations);
}

absl::StatusOr<std::optional<TaskProperties>> Replica::GetTask(const Uuid& task_id) {
  return implementation_->store().GetTask(task_id);
}

absl::StatusOr<std::vector<Task>> Replica::GetTasks() {
  return implementation_->store().GetTasks();
}

absl::StatusOr<std::map<uint64_t, Uuid>> Replica::GetWorkingSet() {
  return implementation_->store().GetWorkingSet();
}

absl::Status Replica::RebuildWorkingSet(bool renumber) {
  Store& store = implementation_->store();
  absl::StatusOr<Transaction> transaction = Transaction::BeginWrite(store.connection());
  if (!transaction.ok()) return transaction.status();
  const absl::Status status = replica::RebuildWorkingSet(store, renumber);
  return status.ok() ? transaction->Commit() : status;
}

absl::StatusOr<ReplicaState> Replica::GetState() {
  Store& store = implementation_->store();
  absl::StatusOr<Transaction> transaction = Transaction::BeginRead(store.connection());
  if (!transaction.ok()) return transaction.status();
  const absl::StatusOr<Uuid> base = store.GetBaseVersion();
  if (!base.ok()) return base.status();
  const absl::StatusOr<size_t> tasks = store.CountTasks();
  if (!tasks.ok()) return tasks.status();
  const absl::StatusOr<std::pair<size_t, size_t>> pending = store.CountPendingOperations();
  if (!pending.ok()) return pending.status();
  return ReplicaState{.base_version_id = *base,
                      .tasks = *tasks,
                      .pending_operations = pending->first,
                      .pending_undo_points = pending->second};
}

absl::StatusOr<std::vector<Operation>> Replica::PendingOperations() {
  absl::StatusOr<std::vector<replica::PendingOperation>> pending =
      implementation_->store().GetPendingOperations();
  if (!pending.ok()) return pending.status();
  std::vector<Operation> operations;
  operations.reserve(pending->size());
  for (replica::PendingOperation& operation : *pending) {
    operations.push_back(std::move(operation.operation));
  }
  return operations;
}

absl::StatusOr<std::vector<Operation>> Replica::OperationsOf(const Uuid& task_id) {
  return implementation_->store().GetOperationsOf(task_id);
}

absl::StatusOr<std::vector<Operation>> Replica::UndoableOperations() {
  return replica::FindUndoableOperations(implementation_->store());
}

absl::StatusOr<bool> Replica::Undo(absl::Span<const Operation> operations) {
  return replica::UndoOperations(implementation_->store(), operations);
}

absl::StatusOr<JoinReport> Replica::JoinHistory(Replica& history, const JoinOptions& options) {
  std::string copy_path;
  if (!options.copy_directory.empty()) {
    if (implementation_->store().connection().path() == kInMemory) {
      return absl::InvalidArgumentError("a replica in memory has no database that could be copied");
    }
    if (const absl::Status status = CheckDirectory(options.copy_directory); !status.ok()) {
      return status;
    }
    if (const absl::Status status = MakeDirectory(options.copy_directory); !status.ok()) {
      return status;
    }
    copy_path = DatabasePath(options.copy_directory);
    std::error_code error;
    if (std::filesystem::exists(copy_path, error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is a database at ", copy_path,
                       " already; name a directory without one for the copy"));
    }
  }
  return replica::JoinHistory(implementation_->store(), history.implementation_->store(), options,
                              copy_path);
}

std::variant<SyncReport, SyncError> Replica::Sync(RemoteServer& server,
                                                  const SyncOptions& options) {
  return replica::Synchronization(implementation_->store(), server, options).Run();
}

}  // namespace tcsync
