#include "tcsync/replica.h"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "replica/commit.h"
#include "replica/schema.h"
#include "replica/store.h"
#include "replica/synchronization.h"
#include "replica/working_set.h"

namespace tcsync {
namespace {

using replica::Connection;
using replica::Store;
using replica::Transaction;

// Names the database in every replica's directory.
constexpr absl::string_view kFileName = "taskchampion.sqlite3";

absl::Status SystemFailure(const std::string& action, const std::error_code& error) {
  const std::string message = absl::StrCat("cannot ", action, ": ", error.message());
  if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(message);
  return absl::PermissionDeniedError(message);
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

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& path,
                                                 const ReplicaOptions& options) {
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      Connection::Open(path, options.create, options.busy_timeout_ms);
  if (!connection.ok()) return connection.status();
  // Before the journal's mode, which is written to the file: a database of a later major version
  // must stay as it is.
  absl::Status status = replica::UpgradeSchema(**connection);
  // As TaskChampion has it: readers and a writer do not wait for each other.
  if (status.ok()) {
    status = (*connection)->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  }
  if (!status.ok()) return status;
  return std::make_unique<Store>(*std::move(connection));
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
  if (directory.empty()) return absl::InvalidArgumentError("the replica's directory is empty");
  if (absl::StrContains(directory, '\0')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the replica's directory has a NUL in its name: ", absl::CHexEscape(directory)));
  }
  if (options.busy_timeout_ms < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the busy timeout is ", options.busy_timeout_ms, " ms, which is below 0"));
  }
  const std::string path = (std::filesystem::path(directory) / std::string(kFileName)).string();
  std::error_code error;
  if (options.create) {
    if (const absl::Status status = MakeDirectory(directory); !status.ok()) return status;
  } else if (!std::filesystem::exists(path, error)) {
    if (error && error != std::errc::not_a_directory) {
      return SystemFailure(absl::StrCat("look for ", path), error);
    }
    return absl::NotFoundError(absl::StrCat("there is no replica in ", directory, ": the file ",
                                            kFileName, " is missing"));
  }
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(path, options);
  if (!store.ok()) return store.status();
  return std::unique_ptr<Replica>(new Replica(std::make_unique<Implementation>(*std::move(store))));
}

absl::StatusOr<std::unique_ptr<Replica>> Replica::OpenInMemory() {
  absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(":memory:", {});
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

std::variant<SyncReport, SyncError> Replica::Sync(RemoteServer& server,
                                                  const SyncOptions& options) {
  return replica::Synchronization(implementation_->store(), server, options).Run();
}

}  // namespace tcsync
