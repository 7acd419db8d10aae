// What a replica reads: versions and snapshots of other computers, one of which may belong to an
// enemy who has the secret, and records of a database file. Each is refused with a problem, or
// keeps its meaning when it is written and read again. The rebase: whatever two computers change,
// and in whatever order they sync, each has the server's tasks with its own pending changes after
// them, and an undo of these restores the server's tasks. The join of two histories: each property
// is as one of the two had it, the later one if that is known.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "replica/commit.h"
#include "replica/instant.h"
#include "replica/operation_json.h"
#include "replica/rebase.h"
#include "replica/snapshot.h"
#include "replica/store.h"
#include "replica/task_changes.h"
#include "tests/fuzz/replica_join.h"
#include "tests/fuzz/replica_model.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

// More than an input holds, unless it is a bomb.
constexpr size_t kSnapshotJsonBytesMax = size_t{1} << 18;

void ExpectProblem(const absl::Status& refusal) {
  Expect(refusal.code() == absl::StatusCode::kInvalidArgument, "a refusal is of the input");
  Expect(absl::StartsWith(refusal.message(), "is ") || absl::StartsWith(refusal.message(), "has "),
         "a refusal completes the sentence about its input");
}

// `parse` reads what `format` writes.
template <typename Parse, typename Format>
void RoundTrip(absl::string_view text, Parse parse, Format format, absl::string_view promise) {
  const auto parsed = parse(text);
  if (!parsed.ok()) return ExpectProblem(parsed.status());
  const std::string written = format(*parsed);
  const auto again = parse(written);
  Expect(again.ok() && *again == *parsed, promise);
  Expect(format(*again) == written, promise);
}

std::string FormatSegment(const std::vector<Operation>& operations) {
  std::string segment(replica::kSegmentBegin);
  for (const Operation& operation : operations) {
    absl::StrAppend(&segment, segment.size() > replica::kSegmentBegin.size() ? "," : "",
                    replica::FormatSentOperation(operation));
  }
  return absl::StrCat(segment, replica::kSegmentEnd);
}

void ReadStoredOperation(absl::string_view text) {
  RoundTrip(text, replica::ParseStoredOperation, replica::FormatStoredOperation,
            "an operation of the database is the same after a round trip");
  const absl::StatusOr<Operation> operation = replica::ParseStoredOperation(text);
  if (!operation.ok() || operation->kind == Kind::kUndoPoint) return;
  const auto received = replica::ParseSegment(FormatSegment({*operation}));
  Expect(received.ok() && *received == std::vector{WithoutOldValues(*operation)},
         "an operation of the database can be sent");
}

void ReadTasks(absl::string_view text) {
  RoundTrip(text, replica::ParseTasks, replica::FormatTasks,
            "the tasks of a snapshot are the same after a round trip");
  const absl::StatusOr<std::vector<Task>> tasks = replica::ParseTasks(text);
  if (!tasks.ok()) return;
  const absl::StatusOr<std::string> snapshot = replica::EncodeSnapshot(*tasks);
  Expect(snapshot.ok(), "a snapshot can be made of all tasks");
  const auto decoded = replica::DecodeSnapshot(*snapshot, kSnapshotJsonBytesMax);
  Expect(decoded.ok() && *decoded == *tasks, "a snapshot has the tasks that it was made of");
  const size_t cut = text.size() % snapshot->size();
  Expect(!replica::DecodeSnapshot(absl::string_view(*snapshot).substr(0, cut)).ok(),
         "a snapshot that is cut off is refused");
}

void ReadSnapshot(absl::string_view bytes) {
  const auto tasks = replica::DecodeSnapshot(bytes, kSnapshotJsonBytesMax);
  if (!tasks.ok()) return ExpectProblem(tasks.status());
  Expect(replica::FormatTasks(*tasks).size() <= kSnapshotJsonBytesMax,
         "a snapshot is not larger than its bound");
}

void ReadInstant(absl::string_view text) {
  const std::optional<absl::Time> time = replica::ParseInstant(text);
  if (!time) return;
  const std::string written = replica::FormatInstant(*time);
  Expect(replica::ParseInstant(written) == time, "a time is the same after a round trip");
  Expect(replica::ToNanoseconds(*time) == *time, "a time that is read is in nanoseconds");
}

Operation UpdateOf(const Uuid& task_id, uint8_t details) {
  static const char* const kProperties[] = {"status", "description", "due", ""};
  static const std::optional<std::string> kValues[] = {std::nullopt, "pending", "recurring", ""};
  return Operation::Update(task_id, kProperties[details & 3], kValues[details >> 2 & 3],
                           absl::FromUnixSeconds(1'795'986'889) + absl::Nanoseconds(details >> 4));
}

Operation ValidOperation(const Tasks& tasks, int details, Input& input) {
  const Uuid task_id = TaskOf(details);
  if (!tasks.contains(task_id)) return Operation::Create(task_id);
  if (details >> 1 == 0) return Operation::Delete(task_id);
  return UpdateOf(task_id, input.TakeByte());
}

// Valid or not.
Operation AnyOperation(int details, Input& input) {
  const Uuid task_id = TaskOf(details);
  switch (details >> 1 & 3) {
    case 0:
      return Operation::Create(task_id);
    case 1:
      return Operation::Delete(task_id);
    default:
      return UpdateOf(task_id, input.TakeByte());
  }
}

// The rebase alone: the operations of one computer, onto those of another one that has synced.
void RebaseOperations(Input input) {
  Tasks server;
  Tasks here;
  std::vector<Operation> received;
  std::vector<PendingOperation> pending;
  for (int steps = 0; steps < kStepsMax && !input.empty(); ++steps) {
    const uint8_t step = input.TakeByte();
    const int details = step >> 2;
    if (step % 4 < 2) {
      Operation operation = ValidOperation(here, details, input);
      FillIn(here, operation);
      Apply(operation, here);
      // At first, both have the same tasks.
      if (step % 4 == 0 && received.empty() && pending.empty()) {
        server = here;
      } else {
        pending.push_back({steps, std::move(operation)});
      }
    } else {
      received.push_back(ValidOperation(server, details, input));
      Apply(received.back(), server);
    }
  }
  replica::Rebase rebase(std::move(pending));
  for (const Operation& operation : received) {
    if (!rebase.Receive(operation)) continue;
    Expect(Apply(operation, here), "a received operation that is kept is valid");
  }
  std::vector<Operation> to_send;
  for (const PendingOperation* const operation : rebase.ToSend()) {
    to_send.push_back(operation->operation);
  }
  ExpectPendingAfter(server, to_send, here);
}

// A computer, with its database, that changes, undoes and syncs tasks which others change as well.
class Schedule {
 public:
  Schedule() : store_(EmptyStore()) {}

  void Run(Input input) {
    for (int steps = 0; steps < kStepsMax && !input.empty(); ++steps) {
      Step(input.TakeByte(), input);
    }
    Receive(history_.size(), /*reads_again=*/false);
    // From the last pending operation to the first, undo points included.
    Undo(PendingIn(store_));
  }

 private:
  // The low three bits are the kind of step, the others its details.
  void Step(uint8_t step, Input& input) {
    const int details = step >> 3;
    switch (step & 7) {
      case 0:
      case 1:
        Commit(ValidOperation(TasksIn(store_), details, input));
        break;
      case 2:
      case 3: {
        const Operation operation = ValidOperation(latest_, details, input);
        Apply(operation, latest_);
        history_.push_back(operation);
        break;
      }
      case 4: {  // of an enemy, or of a program with laxer rules
        const Operation operation = AnyOperation(details, input);
        Apply(operation, latest_);
        history_.push_back(operation);
        break;
      }
      case 5:
        if (details % 2 == 0) {
          Commit(Operation::UndoPoint());
        } else {
          Undo(Expected(replica::FindUndoableOperations(store_)));
        }
        break;
      case 6:
        Receive(details % 8, /*reads_again=*/details >= 8);
        break;
      default:
        Receive(history_.size(), /*reads_again=*/details % 2 == 0);
        Send(details / 2);
        break;
    }
  }

  void Commit(const Operation& operation) {
    ExpectOk(replica::CommitOperations(store_, {operation}));
  }

  // `operations` are the last pending ones.
  void Undo(const std::vector<Operation>& operations) {
    std::vector<Operation> expected = PendingIn(store_);
    expected.resize(expected.size() - operations.size());
    Expect(Expected(replica::UndoOperations(store_, operations)) == !operations.empty(),
           "the last operations can be undone");
    Expect(PendingIn(store_) == expected, "operations that are undone are forgotten");
    Check();
  }

  // Receives up to so many operations, as Synchronization does. With `reads_again`, the rebase is
  // written and read again after each of them.
  void Receive(size_t operations_max, bool reads_again) {
    const size_t count = std::min(operations_max, history_.size() - received_);
    const std::vector<Operation> sent(history_.begin() + static_cast<ptrdiff_t>(received_),
                                      history_.begin() + static_cast<ptrdiff_t>(received_ + count));
    std::vector<Operation> version = Expected(replica::ParseSegment(FormatSegment(sent)));
    Expect(version == sent, "operations arrive as they were sent");
    replica::Transaction transaction =
        Expected(replica::Transaction::BeginWrite(store_.connection()));
    replica::TaskChanges changes(store_);
    std::optional<replica::Rebase> rebase;
    for (Operation& operation : version) {
      if (!rebase || reads_again) rebase.emplace(Expected(store_.GetPendingOperations()));
      const bool is_pending = rebase->operations_to_send() > 0;
      // An operation that is invalid on the server may be valid beside one that is pending here,
      // and nothing is promised then.
      if (!Apply(operation, base_) && is_pending) is_exact_ = false;
      if (rebase->Receive(operation)) {
        Expected(changes.Apply(operation));
        ExpectOk(store_.AddOperation(WithoutOldValues(operation), /*is_synced=*/true));
      }
      if (reads_again) ExpectOk(rebase->Write(store_));
    }
    ExpectOk(changes.Write());
    if (rebase) {
      ExpectOk(rebase->Write(store_));
      std::vector<Operation> to_send;
      for (const PendingOperation* const pending : rebase->ToSend()) {
        to_send.push_back(pending->operation);
      }
      std::vector<Operation> pending = PendingIn(store_);
      std::erase(pending, Operation::UndoPoint());
      Expect(pending == to_send, "what is pending in the database is sent");
      Expect(to_send.size() == rebase->operations_to_send(), "what is sent is counted");
    }
    ExpectOk(transaction.Commit());
    received_ += count;
    Check();
  }

  // Sends the first pending operations after a Receive() of everything.
  void Send(size_t operations_max) {
    for (const PendingOperation& pending : Expected(store_.GetPendingOperations())) {
      if (pending.operation.kind == Kind::kUndoPoint) continue;
      if (operations_max-- == 0) break;
      const Operation operation = WithoutOldValues(pending.operation);
      const bool is_valid = Apply(operation, base_);
      Expect(is_valid || !is_exact_, "an operation that is sent is valid on the server");
      Apply(operation, latest_);
      history_.push_back(operation);
      ++received_;
      Expect(Expected(store_.MarkSynced(pending.id)), "a pending operation becomes a synced one");
      ExpectOk(store_.MarkUndoPointsSyncedUpTo(pending.id));
    }
    Check();
  }

  void Check() {
    const Tasks tasks = TasksIn(store_);
    if (is_exact_) ExpectPendingAfter(base_, PendingIn(store_), tasks);
  }

  replica::Store& store_;
  std::vector<Operation> history_;  // the server's
  Tasks latest_;                    // after all of it
  size_t received_ = 0;             // how much of it the computer has
  Tasks base_;                      // after that much
  // Whether the computer's tasks follow from these.
  bool is_exact_ = true;
};

}  // namespace
}  // namespace tcsync::fuzz

// The kind of input, and the input: a text, bytes, or the steps of a schedule or
// of two histories.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  fuzz::Input input(data, size);
  const uint8_t kind = input.TakeByte();
  switch (kind % 16) {
    case 0:
      fuzz::RoundTrip(input.rest(), replica::ParseSegment, fuzz::FormatSegment,
                      "a version is the same after a round trip");
      break;
    case 1:
      fuzz::ReadSnapshot(input.rest());
      break;
    case 2:
      fuzz::ReadStoredOperation(input.rest());
      break;
    case 3:
      fuzz::ReadTasks(input.rest());
      break;
    case 4:
      fuzz::RoundTrip(input.rest(), replica::ParseProperties, replica::FormatProperties,
                      "a task of the database is the same after a round trip");
      break;
    case 5:
      fuzz::ReadInstant(input.rest());
      break;
    case 6:
      fuzz::Schedule().Run(input);
      break;
    case 7:
      fuzz::RebaseOperations(input);
      break;
    default:
      fuzz::Join().Run(input);
      break;
  }
  return 0;
}
