// A replica: one computer's copy of a client's tasks, in the database that Taskwarrior 3 uses, and
// its sync with a server.
//
//   auto replica = tcsync::Replica::Open("/home/ana/.task", {});
//   if (!replica.ok()) return replica.status();
//   tcsync::Uuid task = tcsync::Uuid::Random();
//   auto status = (*replica)->Commit({tcsync::Operation::UndoPoint(),
//                                     tcsync::Operation::Create(task),
//                                     tcsync::Operation::Update(task, "description", "Buy milk")});
//   auto synced = (*replica)->Sync(server, {});
//
// A task is a map from properties to values, both text. Every change is an operation; those that no
// sync has sent yet are pending. docs/replica.md has the rules, which are TaskChampion's, and the
// differences. Names of properties and forms of values, such as "status" and "pending", are
// Taskwarrior's: only the working set looks at one of them.
#ifndef TCSYNC_REPLICA_H_
#define TCSYNC_REPLICA_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tcsync/envelope.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync {

// The values of a task's properties by their names. UTF-8, in any length.
using TaskProperties = std::map<std::string, std::string>;

struct Task {
  Uuid task_id;
  TaskProperties properties;

  friend bool operator==(const Task&, const Task&) = default;
};

// One change of the tasks.
struct Operation {
  enum class Kind {
    kUndoPoint,  // changes nothing; an undo reverts what follows the last one
    kCreate,     // a task without properties; invalid if it exists
    kUpdate,     // sets or removes one property; invalid without the task
    kDelete,     // of the whole task, for ever; invalid without the task
  };

  static Operation UndoPoint() { return Operation(); }
  static Operation Create(const Uuid& task_id) {
    Operation operation;
    operation.kind = Kind::kCreate;
    operation.task_id = task_id;
    return operation;
  }
  // Without a value, the property is removed.
  static Operation Update(const Uuid& task_id, std::string property,
                          std::optional<std::string> value, absl::Time time = absl::Now()) {
    Operation operation;
    operation.kind = Kind::kUpdate;
    operation.task_id = task_id;
    operation.property = std::move(property);
    operation.value = std::move(value);
    operation.time = time;
    return operation;
  }
  static Operation Delete(const Uuid& task_id) {
    Operation operation = Create(task_id);
    operation.kind = Kind::kDelete;
    return operation;
  }

  Kind kind = Kind::kUndoPoint;
  Uuid task_id;

  // Of an update. Of two updates of one property on two replicas, the later one wins. The time is
  // kept in nanoseconds, in the years 1 to 9999.
  std::string property;
  std::optional<std::string> value;
  absl::Time time;

  // What an undo restores: the value before an update, and the properties before a deletion.
  // Commit() fills them in, whatever the caller has set. Operations from other replicas have none.
  std::optional<std::string> old_value;
  TaskProperties old_properties;

  friend bool operator==(const Operation&, const Operation&) = default;
};

struct ReplicaOptions {
  // Whether a directory without a database gets one, and is itself created; else it is kNotFound.
  bool create = true;
  // The time that a call waits for other programs that hold the database. A `task` that syncs holds
  // it until its sync ends. From 0 to 86,400,000, a day.
  int64_t busy_timeout_ms = 10'000;
  // Opens a copy in memory of the database as it is at this moment. The file is not written to, not
  // even to upgrade it, and what is changed in the copy ends with it. The database must exist.
  bool copy = false;
};

struct ReplicaState {
  // The version up to which the replica has its client's history; nil before the first sync.
  Uuid base_version_id;
  size_t tasks = 0;
  size_t pending_operations = 0;  // without undo points
  size_t pending_undo_points = 0;
};

struct SyncProgress {
  uint64_t received_versions = 0;
  uint64_t received_operations = 0;
  uint64_t sent_versions = 0;
  uint64_t sent_operations = 0;
  uint64_t operations_to_send = 0;
};

struct SyncOptions {
  // Makes a snapshot only if the server calls it urgent: for a computer that is short of processor,
  // memory or bandwidth.
  bool avoid_snapshots = false;
  // Receives, and ends: nothing is sent, the working set is not rebuilt, and the operations of
  // tasks that were deleted stay. The next sync without it does that.
  bool receive_only = false;
  // An empty replica begins with the first version and not with a snapshot, where the server has
  // all versions, and they are few or it gives many in one answer. For a history that another
  // replica joins: that goes by the times of the changes, which a snapshot does not have.
  bool versions_first = false;
  // If not nil: receives up to this version, as with `receive_only`. Without such a version on the
  // way, up to the latest one.
  Uuid last_version_id = {};
  // Called after each step, on the calling thread, while the replica is in no transaction. Must not
  // call the replica.
  std::function<void(const SyncProgress&)> progress = nullptr;
};

struct SyncReport {
  SyncProgress total;
  bool has_applied_snapshot = false;
  // The server may have declined it.
  bool has_sent_snapshot = false;
};

enum class SyncFault {
  // The server or the way to it; `remote_fault` says more. kCancelled is one of them.
  kRemote,
  // A version, or the snapshot, unseals and is not one of TaskChampion's.
  kInvalidVersion,
  kInvalidSnapshot,
  // The replica's base version is not in the server's history: the history was replaced, or its
  // beginning was removed while this replica was away.
  kHistoryGone,
  // The server names the same latest version twice and does not give it: its history and this
  // replica's have diverged.
  kDiverged,
  // The database; `status` says more.
  kDatabase,
};

struct SyncError {
  SyncFault fault;
  // The fault, the value and the remedy. May repeat outside text, with any characters in it.
  std::string message;
  std::optional<RemoteFault> remote_fault = std::nullopt;  // for kRemote
  std::optional<UnsealFault> unseal_fault = std::nullopt;  // for kRemote, if that is kUnsealFailed
  absl::Status status = absl::OkStatus();                  // for kDatabase; OK otherwise
  Uuid version_id = Uuid();  // the version or snapshot with the fault, or nil
  SyncReport report = {};    // what had been done, and stays
};

struct JoinOptions {
  // Whether the operations that the history's replica received are kept. Not for a database that
  // TaskChampion 0.8 or earlier uses, as in Taskwarrior 3.1: it would send them again.
  bool keep_synced_operations = true;
  // If not empty: a directory that gets a copy of the replica as it was, exactly up to the join. It
  // is created; a database that is there already is an error.
  std::string copy_directory = {};
};

// The effects of joining a history. Tasks that both had with equal properties are in no number.
struct JoinReport {
  size_t received_tasks = 0;   // only the history had them
  size_t added_tasks = 0;      // only the replica had them
  size_t changed_tasks = 0;    // both had them, and properties of the replica won
  size_t overruled_tasks = 0;  // both had them, and properties of the history won
  size_t removed_tasks = 0;    // of the replica: the history had deleted them for ever
  size_t deleted_tasks = 0;    // of the history: the replica had deleted them for ever
  // The decisions that the times did not make: equal times, or one that is not known. An update has
  // the value that won, and the other one as its old value. A creation is a task of the replica
  // that came back, a deletion a task of the history that stayed.
  std::vector<Operation> doubtful = {};
};

// One thread at a time. Other programs, Taskwarrior among them, may use the same database at the
// same time: each call is one transaction, and Sync holds none during a request. After a SIGKILL or
// a loss of power the database has all of a call's changes or none.
//
// Errors: kInvalidArgument for operations and arguments; kNotFound without a database;
// kFailedPrecondition for a database of a later major version, or one that is not a replica's;
// kUnimplemented where the program has an SQLite before 3.38, or one without thread safety or
// JSON; kUnavailable while another program holds the database for longer than the timeout;
// kDataLoss for records that cannot be read; kResourceExhausted for a full disk;
// kPermissionDenied; kUnknown for other errors of the disk; and kInternal. Running out of memory
// throws std::bad_alloc.
//
// A handle must not be used in a forked child.
class Replica {
 public:
  // Opens DIRECTORY/taskchampion.sqlite3. A database of an earlier release of TaskChampion is
  // upgraded, and stays usable by TaskChampion 0.9 and each later release that shares the schema's
  // major version.
  static absl::StatusOr<std::unique_ptr<Replica>> Open(const std::string& directory,
                                                       const ReplicaOptions& options);

  // A replica in memory, which ends with the object.
  static absl::StatusOr<std::unique_ptr<Replica>> OpenInMemory();

  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;
  ~Replica();

  // Applies the operations in order, all or, with kInvalidArgument, none. A task whose status
  // becomes "pending" or "recurring" joins the working set.
  absl::Status Commit(absl::Span<const Operation> operations);

  // nullopt when there is none.
  absl::StatusOr<std::optional<TaskProperties>> GetTask(const Uuid& task_id);

  // All tasks, completed and deleted ones included, in the order of their arrival.
  absl::StatusOr<std::vector<Task>> GetTasks();

  // The working set: small numbers, from 1, for the tasks that are pending or recurring.
  absl::StatusOr<std::map<uint64_t, Uuid>> GetWorkingSet();

  // Removes what is no longer pending or recurring, and adds what is. With `renumber`, the numbers
  // are consecutive from 1, else the remaining tasks keep theirs and the new ones follow the last
  // number that there was.
  absl::Status RebuildWorkingSet(bool renumber);

  absl::StatusOr<ReplicaState> GetState();

  // The operations that no sync has sent, in order.
  absl::StatusOr<std::vector<Operation>> PendingOperations();

  // The operations of a task that the database has, sent, received and pending, in order. A sync
  // removes those of tasks that exist no more.
  absl::StatusOr<std::vector<Operation>> OperationsOf(const Uuid& task_id);

  // What Undo would revert: the pending operations from the last undo point on, or all of them.
  absl::StatusOr<std::vector<Operation>> UndoableOperations();

  // Reverts `operations`, as UndoableOperations() gave them, forgets them, and rebuilds the working
  // set. false, and no change, if they are not the last pending ones any more.
  absl::StatusOr<bool> Undo(absl::Span<const Operation> operations);

  // Receives the versions that the replica lacks, sends its pending operations, and rebuilds the
  // working set. After an error, whatever had been received and sent stays, and the next sync
  // continues there. RemoteServer::Cancel() ends it.
  //
  // An empty replica begins with the server's snapshot.
  std::variant<SyncReport, SyncError> Sync(RemoteServer& server, const SyncOptions& options);

  // Moves the replica to another history, with its tasks. `history` is a replica without pending
  // operations: an empty one, or one that has just received the history (SyncOptions::receive_only,
  // which keeps what a deletion leaves). Afterwards this replica has the history's tasks,
  // operations and base version, and what this replica alone had, or had later, as pending
  // operations with their own times. Of each property the later change wins. docs/replica.md has
  // the rules.
  //
  // One transaction: a change that another program makes meanwhile waits, and is not lost.
  absl::StatusOr<JoinReport> JoinHistory(Replica& history, const JoinOptions& options);

 private:
  class Implementation;

  explicit Replica(std::unique_ptr<Implementation> implementation);

  std::unique_ptr<Implementation> implementation_;
};

}  // namespace tcsync

#endif  // TCSYNC_REPLICA_H_
