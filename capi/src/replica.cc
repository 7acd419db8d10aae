// Replicas: opening, commits and sync. replica_lists.cc has the calls that read.
#include "capi/src/replica.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "capi/src/process.h"
#include "capi/src/remote.h"
#include "capi/src/sized_struct.h"
#include "capi/src/uuid.h"
#include "tcsync/uuid.h"

namespace tcsync::capi {
namespace {

// The structs in the first release.
constexpr size_t kReplicaOptionsBytesMin = offsetof(tcsync_replica_options, busy_timeout_ms) +
                                           sizeof(tcsync_replica_options::busy_timeout_ms);
constexpr size_t kOperationBytesMin =
    offsetof(tcsync_operation, old_property_count) + sizeof(tcsync_operation::old_property_count);
constexpr size_t kSyncOptionsBytesMin =
    offsetof(tcsync_sync_options, user_data) + sizeof(tcsync_sync_options::user_data);

constexpr int32_t kNanosecondsMax = 999'999'999;

// The caller's options; zero means the default.
Result ReadOptions(const tcsync_replica_options* given, bool is_in_memory,
                   ReplicaOptions& options) {
  if (given == nullptr) return {};
  tcsync_replica_options read;
  Result result =
      ReadStruct(*given, kReplicaOptionsBytesMin, {"options", "tcsync_replica_options"}, read);
  if (!result.ok()) return result;
  if (read.must_exist != 0 && is_in_memory) {
    return {TCSYNC_INVALID_ARGUMENT,
            "must_exist is set, but without a directory the replica is in memory, where none "
            "exists; pass the directory"};
  }
  if (read.copy != 0 && is_in_memory) {
    return {
        TCSYNC_INVALID_ARGUMENT,
        "copy is set, but without a directory there is no database to copy; pass the directory"};
  }
  if (read.busy_timeout_ms < 0 || read.busy_timeout_ms > base::kTimeoutMsMax) {
    return {TCSYNC_INVALID_OPTION_VALUE,
            absl::StrCat("busy_timeout_ms is ", read.busy_timeout_ms, "; it must be from 0 to ",
                         base::kTimeoutMsMax)};
  }
  options.create = read.must_exist == 0;
  options.copy = read.copy != 0;
  if (read.busy_timeout_ms != 0) options.busy_timeout_ms = read.busy_timeout_ms;
  return {};
}

// The caller's `data`, which is the field `field` of operation `index`, as text.
Result ReadText(const char* data, size_t size, size_t index, absl::string_view field,
                std::string& text) {
  Result result = CheckData(data, size, absl::StrCat("operations[", index, "].", field));
  if (result.ok()) text = std::string(View(data, size));
  return result;
}

Result ReadUpdate(const tcsync_operation& given, size_t index, absl::Time now,
                  Operation& operation) {
  Result result =
      ReadText(given.property, given.property_size, index, "property", operation.property);
  if (!result.ok()) return result;
  std::string value;
  result = ReadText(given.value, given.value_size, index, "value", value);
  if (!result.ok()) return result;
  if (given.value != nullptr) operation.value = std::move(value);
  if (given.nanoseconds < 0 || given.nanoseconds > kNanosecondsMax) {
    return {TCSYNC_INVALID_ARGUMENT,
            absl::StrCat("operations[", index, "].nanoseconds is ", given.nanoseconds,
                         "; it must be from 0 to ", kNanosecondsMax)};
  }
  operation.time = now;
  if (given.seconds != 0 || given.nanoseconds != 0) {
    operation.time =
        absl::FromUnixSeconds(given.seconds) + absl::Nanoseconds(int64_t{given.nanoseconds});
  }
  return {};
}

Result ReadOperation(const tcsync_operation& given, size_t index, absl::Time now,
                     Operation& operation) {
  switch (given.kind) {
    case TCSYNC_OPERATION_UNDO_POINT:
      operation.kind = Operation::Kind::kUndoPoint;
      return {};
    case TCSYNC_OPERATION_CREATE:
      operation.kind = Operation::Kind::kCreate;
      break;
    case TCSYNC_OPERATION_UPDATE:
      operation.kind = Operation::Kind::kUpdate;
      break;
    case TCSYNC_OPERATION_DELETE:
      operation.kind = Operation::Kind::kDelete;
      break;
    default:
      return {TCSYNC_INVALID_ARGUMENT, absl::StrCat("operations[", index, "].kind is ", given.kind,
                                                    ", which is none of TCSYNC_OPERATION_...")};
  }
  // The caller may have forgotten the NUL.
  const absl::string_view text(given.task_id.text,
                               strnlen(given.task_id.text, sizeof(given.task_id.text)));
  const std::optional<Uuid> task_id = Uuid::Parse(text);
  if (!task_id) return InvalidTaskId(absl::StrCat("operations[", index, "].task_id"), text);
  operation.task_id = *task_id;
  if (operation.kind != Operation::Kind::kUpdate) return {};
  return ReadUpdate(given, index, now, operation);
}

// The caller's array. Its elements have the size of the caller's release.
Result ReadOperations(const tcsync_operation* given, size_t count,
                      std::vector<Operation>& operations) {
  // Before any element can be read, the least that they can have.
  Result result = CheckData(given, count, "operations", kOperationBytesMin);
  if (!result.ok() || count == 0) return result;
  const size_t size = given->struct_size;
  constexpr absl::string_view kType = "tcsync_operation";
  result =
      CheckStructSize(size, kOperationBytesMin, sizeof(tcsync_operation), {"operations", kType});
  if (!result.ok()) return result;
  if (size % alignof(tcsync_operation) != 0) {
    return {
        TCSYNC_INVALID_ARGUMENT,
        absl::StrCat("operations->struct_size is ", size, ", which is not the size of a ", kType,
                     " of any release: it is no multiple of ", alignof(tcsync_operation))};
  }
  result = CheckData(given, count, "operations", size);
  if (!result.ok()) return result;
  operations.resize(count);
  const absl::Time now = absl::Now();
  for (size_t i = 0; i < count; ++i) {
    const auto& element =
        *reinterpret_cast<const tcsync_operation*>(reinterpret_cast<const char*>(given) + i * size);
    if (element.struct_size != size) {
      return {TCSYNC_INVALID_ARGUMENT,
              absl::StrCat("operations[", i, "].struct_size is ", element.struct_size,
                           ", and operations[0].struct_size is ", size,
                           "; all must be sizeof(tcsync_operation)")};
    }
    tcsync_operation read;
    result = ReadStruct(element, kOperationBytesMin,
                        {absl::StrCat("(operations + ", i, ")"), kType}, read);
    if (!result.ok()) return result;
    result = ReadOperation(read, i, now, operations[i]);
    if (!result.ok()) return result;
  }
  return {};
}

Result FromSync(SyncError&& error) {
  switch (error.fault) {
    case SyncFault::kRemote:
      return FromRemote({error.remote_fault.value_or(RemoteFault::kNetworkFailed),
                         std::move(error.message), error.unseal_fault, error.version_id});
    case SyncFault::kInvalidVersion:
      return {TCSYNC_SYNC_INVALID_VERSION, std::move(error.message)};
    case SyncFault::kInvalidSnapshot:
      return {TCSYNC_SYNC_INVALID_SNAPSHOT, std::move(error.message)};
    case SyncFault::kHistoryGone:
      return {TCSYNC_SYNC_HISTORY_GONE, std::move(error.message)};
    case SyncFault::kDiverged:
      return {TCSYNC_SYNC_DIVERGED, std::move(error.message)};
    case SyncFault::kDatabase: {
      // A status that is OK would be a fault of the replica's, and must not look like a success.
      Result result = FromStatus(error.status, kReplicaMeaning);
      if (result.ok()) result.code = TCSYNC_INTERNAL;
      result.message = std::move(error.message);
      return result;
    }
  }
  return {TCSYNC_SYNC_FAILED, std::move(error.message)};
}

tcsync_sync_report ToReport(const SyncReport& report) {
  tcsync_sync_report filled{};
  filled.received_versions = static_cast<int64_t>(report.total.received_versions);
  filled.received_operations = static_cast<int64_t>(report.total.received_operations);
  filled.sent_versions = static_cast<int64_t>(report.total.sent_versions);
  filled.sent_operations = static_cast<int64_t>(report.total.sent_operations);
  filled.has_applied_snapshot = report.has_applied_snapshot ? 1 : 0;
  filled.has_sent_snapshot = report.has_sent_snapshot ? 1 : 0;
  return filled;
}

tcsync_sync_progress ToProgress(const SyncProgress& progress) {
  tcsync_sync_progress filled{};
  filled.struct_size = sizeof(filled);
  filled.received_versions = static_cast<int64_t>(progress.received_versions);
  filled.received_operations = static_cast<int64_t>(progress.received_operations);
  filled.sent_versions = static_cast<int64_t>(progress.sent_versions);
  filled.sent_operations = static_cast<int64_t>(progress.sent_operations);
  filled.operations_to_send = static_cast<int64_t>(progress.operations_to_send);
  return filled;
}

// The host's progress function. When it ends the sync, the server is cancelled until the end of
// this object, and afterwards again only if the host has cancelled it.
class HostProgress {
 public:
  HostProgress(const tcsync_sync_options& options, tcsync_remote& remote)
      : function_(options.progress), user_data_(options.user_data), remote_(remote) {}
  HostProgress(const HostProgress&) = delete;
  HostProgress& operator=(const HostProgress&) = delete;
  ~HostProgress() {
    if (!has_ended_) return;
    remote_.server->Resume();
    // A cancel before this line is repeated, and a later one needs no help.
    if (remote_.is_cancelled) remote_.server->Cancel();
  }

  void Show(const SyncProgress& progress) {
    if (function_ == nullptr || has_ended_) return;
    const tcsync_sync_progress shown = ToProgress(progress);
    if (function_(user_data_, &shown) == 0) return;
    has_ended_ = true;
    remote_.server->Cancel();
  }

  bool has_ended() const { return has_ended_; }

 private:
  const tcsync_progress_function function_;
  void* const user_data_;
  tcsync_remote& remote_;
  bool has_ended_ = false;
};

Result SyncReplica(tcsync_replica& replica, tcsync_remote& remote,
                   const tcsync_sync_options& options, tcsync_sync_report* report) {
  HostProgress progress(options, remote);
  SyncOptions sync_options;
  sync_options.receive_only = options.receive_only != 0;
  sync_options.versions_first = options.versions_first != 0;
  if (options.last_version_id != nullptr) {
    const std::optional<Uuid> last = Uuid::Parse(options.last_version_id);
    if (!last || last->IsNil()) {
      return {TCSYNC_INVALID_UUID,
              absl::StrCat("options->last_version_id is '", options.last_version_id,
                           "', which is not the ID of a version; pass NULL to receive all")};
    }
    sync_options.last_version_id = *last;
  }
  sync_options.avoid_snapshots = options.avoid_snapshots != 0;
  sync_options.progress = [&progress](const SyncProgress& step) { progress.Show(step); };
  auto outcome = replica.replica->Sync(*remote.server, sync_options);
  if (const auto* const done = std::get_if<SyncReport>(&outcome)) {
    WriteStruct(ToReport(*done), report);
    return {};
  }
  auto& error = std::get<SyncError>(outcome);
  tcsync_sync_report filled = ToReport(error.report);
  if (!error.version_id.IsNil()) SetText(&filled.version_id, error.version_id.ToString());
  WriteStruct(filled, report);
  Result result = FromSync(std::move(error));
  if (progress.has_ended() && result.code == TCSYNC_CANCELLED) {
    result.message = "the progress function ended the sync; the next one continues where it was";
  }
  return result;
}

// The open databases of the process that the mark is of, which is never freed.
std::atomic<int> open_databases{0};
std::atomic<const base::ProcessMark*> counted_process{nullptr};

}  // namespace

OpenDatabase::OpenDatabase() { ++open_databases; }

OpenDatabase::~OpenDatabase() { --open_databases; }

Result OpenDatabase::Check() {
  const base::ProcessMark* counted = counted_process.load();
  if (counted != nullptr && !counted->IsOfAnotherProcess()) return {};
  if (counted != nullptr && open_databases > 0) {
    return {TCSYNC_FORKED,
            "this process was forked while its parent had a replica open, and could lose changes "
            "in one of its own; fork before the replica is opened, or start this process anew "
            "(exec)"};
  }
  auto mark = std::make_unique<const base::ProcessMark>(base::ProcessMark::Current());
  // Otherwise another thread has set it to the same.
  if (counted_process.compare_exchange_strong(counted, mark.get())) mark.release();
  return {};
}

ReplicaUse::~ReplicaUse() {
  if (replica_ != nullptr) replica_->is_in_use = false;
}

Result ReplicaUse::Begin(tcsync_replica* replica) {
  if (Result result = Needed(replica, "replica"); !result.ok()) return result;
  if (Result result = CheckProcess(replica->opener, "replica"); !result.ok()) return result;
  if (replica->is_in_use.exchange(true)) {
    return {TCSYNC_INVALID_ARGUMENT,
            "the replica is in another call, on another thread or in the progress function of a "
            "sync; call it on one thread at a time"};
  }
  replica_ = replica;
  return {};
}

}  // namespace tcsync::capi

using tcsync::capi::ClearOutput;
using tcsync::capi::ClearOutputStruct;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::kReplicaMeaning;
using tcsync::capi::NullArgument;
using tcsync::capi::ReplicaUse;
using tcsync::capi::Result;

tcsync_code tcsync_replica_open(const char* directory, const tcsync_replica_options* options,
                                tcsync_replica** replica, tcsync_error** error) {
  ClearOutput(replica);
  return Guard(error, [&]() -> Result {
    if (replica == nullptr) return NullArgument("replica");
    if (directory != nullptr && *directory == '\0') {
      return {TCSYNC_INVALID_ARGUMENT,
              "the directory is empty; name it, or pass NULL for a replica in memory"};
    }
    tcsync::ReplicaOptions read_options;
    Result result = tcsync::capi::ReadOptions(options, directory == nullptr, read_options);
    if (!result.ok()) return result;
    auto made = std::make_unique<tcsync_replica>();
    if (directory != nullptr) {
      result = tcsync::capi::OpenDatabase::Check();
      if (!result.ok()) return result;
      made->database.emplace();
    }
    absl::StatusOr<std::unique_ptr<tcsync::Replica>> opened =
        directory == nullptr ? tcsync::Replica::OpenInMemory()
                             : tcsync::Replica::Open(directory, read_options);
    if (!opened.ok()) {
      tcsync::capi::StatusMeaning meaning = kReplicaMeaning;
      meaning.not_found = TCSYNC_REPLICA_MISSING;
      return FromStatus(opened.status(), meaning);
    }
    made->replica = *std::move(opened);
    // A copy has no file open.
    if (read_options.copy) made->database.reset();
    *replica = made.release();
    return {};
  });
}

void tcsync_replica_free(tcsync_replica* replica) {
  if (tcsync::capi::Checked(replica) != nullptr && replica->opener.IsOfAnotherProcess()) return;
  const std::unique_ptr<tcsync_replica> owned(replica);
}

tcsync_code tcsync_replica_commit(tcsync_replica* replica, const tcsync_operation* operations,
                                  size_t operation_count, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    std::vector<tcsync::Operation> read;
    Result result = tcsync::capi::ReadOperations(operations, operation_count, read);
    if (!result.ok()) return result;
    tcsync::capi::StatusMeaning meaning = kReplicaMeaning;
    meaning.invalid_argument = TCSYNC_INVALID_OPERATION;
    return FromStatus(replica->replica->Commit(read), meaning);
  });
}

tcsync_code tcsync_replica_rebuild_working_set(tcsync_replica* replica, int32_t renumber,
                                               tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    return FromStatus(replica->replica->RebuildWorkingSet(renumber != 0), kReplicaMeaning);
  });
}

tcsync_code tcsync_replica_get_state(tcsync_replica* replica, tcsync_replica_state* state,
                                     tcsync_error** error) {
  ClearOutputStruct(state);
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    Result result = tcsync::capi::CheckOutputStruct(state, {"state", "tcsync_replica_state"});
    if (!result.ok()) return result;
    const absl::StatusOr<tcsync::ReplicaState> found = replica->replica->GetState();
    if (!found.ok()) return FromStatus(found.status(), kReplicaMeaning);
    tcsync_replica_state filled{};
    tcsync::capi::SetText(&filled.base_version_id, found->base_version_id.ToString());
    filled.tasks = static_cast<int64_t>(found->tasks);
    filled.pending_operations = static_cast<int64_t>(found->pending_operations);
    filled.pending_undo_points = static_cast<int64_t>(found->pending_undo_points);
    tcsync::capi::WriteStruct(filled, state);
    return {};
  });
}

tcsync_code tcsync_replica_sync(tcsync_replica* replica, tcsync_remote* remote,
                                const tcsync_sync_options* options, tcsync_sync_report* report,
                                tcsync_error** error) {
  ClearOutputStruct(report);
  return Guard(error, [&]() -> Result {
    ReplicaUse use;
    if (Result result = use.Begin(replica); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckRemote(remote); !result.ok()) return result;
    Result result = tcsync::capi::CheckOutputStruct(report, {"report", "tcsync_sync_report"});
    if (!result.ok()) return result;
    tcsync_sync_options read{};
    if (options != nullptr) {
      result = tcsync::capi::ReadStruct(*options, tcsync::capi::kSyncOptionsBytesMin,
                                        {"options", "tcsync_sync_options"}, read);
      if (!result.ok()) return result;
    }
    return tcsync::capi::SyncReplica(*replica, *remote, read, report);
  });
}
