// A replica's sync with a real server, in its odd moments. If these fail, two computers do not end
// up with the same tasks, or a person loses an edit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tcsync/replica.h"
#include "tests/unit/noise.h"
#include "tests/unit/remote/remote_calls.h"
#include "tests/unit/replica/gateway.h"
#include "tests/unit/replica/replica_calls.h"
#include "tests/unit/replica/sync_server.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::Time kNoon = absl::FromUnixSeconds(1'700'000'000);

// A replica with a connection of its own.
struct Computer {
  explicit Computer(const SyncServer& sync_server)
      : replica(MustOpenInMemory()), server(sync_server.Connect()) {}
  Computer(const SyncServer& sync_server, const std::string& directory)
      : replica(MustOpen(directory)), server(sync_server.Connect()) {}

  void Commit(const std::vector<Operation>& operations) { MustCommit(*replica, operations); }
  SyncReport Sync(const SyncOptions& options = {}) { return MustSync(*replica, *server, options); }
  SyncError FailToSync() { return MustFailToSync(*replica, *server); }
  TasksById tasks() { return TasksOf(*replica); }

  std::unique_ptr<Replica> replica;
  std::unique_ptr<RemoteServer> server;
};

class SyncTest : public testing::Test {
 protected:
  Uuid Add(Computer& computer, const std::string& description) {
    const Uuid task = Uuid::Random();
    computer.Commit({Operation::UndoPoint(), Operation::Create(task),
                     Operation::Update(task, "description", description, kNoon),
                     Operation::Update(task, "status", "pending", kNoon)});
    return task;
  }

  SyncServer sync_server_;
  Computer desk_{sync_server_};
  Computer lap_{sync_server_};
};

TEST_F(SyncTest, BringsTasksToAnotherComputer) {
  const Uuid task = Add(desk_, "Buy milk");
  const SyncReport sent = desk_.Sync();
  EXPECT_EQ(sent.total.sent_versions, 1u);
  EXPECT_EQ(sent.total.sent_operations, 3u);
  const SyncReport received = lap_.Sync();
  EXPECT_EQ(received.total.received_versions, 1u);
  EXPECT_EQ(received.total.received_operations, 3u);
  const TasksById expected{{task, {{"description", "Buy milk"}, {"status", "pending"}}}};
  EXPECT_EQ(lap_.tasks(), expected);
  EXPECT_EQ(StateOf(*lap_.replica).base_version_id, StateOf(*desk_.replica).base_version_id);
  EXPECT_EQ(StateOf(*desk_.replica).pending_operations, 0u);
  EXPECT_EQ(StateOf(*desk_.replica).pending_undo_points, 0u);
  // The tasks that came are in the working set.
  const auto working_set = lap_.replica->GetWorkingSet();
  ASSERT_TRUE(working_set.ok());
  EXPECT_EQ(*working_set, (std::map<uint64_t, Uuid>{{1, task}}));
  // A second sync has nothing to do.
  EXPECT_EQ(desk_.Sync().total.sent_versions, 0u);
}

TEST_F(SyncTest, KeepsTheLaterOfTwoUpdatesOfAProperty) {
  const Uuid task = Add(desk_, "Buy milk");
  desk_.Sync();
  lap_.Sync();
  // The later change is synced first, and then last.
  for (const bool later_is_first : {true, false}) {
    desk_.Commit({Operation::Update(task, "description", absl::StrCat("later ", later_is_first),
                                    kNoon + absl::Nanoseconds(2))});
    lap_.Commit({Operation::Update(task, "description", "earlier", kNoon + absl::Nanoseconds(1)),
                 Operation::Update(task, "project", absl::StrCat("home ", later_is_first), kNoon)});
    Computer& first = later_is_first ? desk_ : lap_;
    Computer& second = later_is_first ? lap_ : desk_;
    first.Sync();
    second.Sync();
    first.Sync();
    EXPECT_EQ(desk_.tasks(), lap_.tasks());
    EXPECT_EQ(lap_.tasks()[task]["description"], absl::StrCat("later ", later_is_first));
    EXPECT_EQ(desk_.tasks()[task]["project"], absl::StrCat("home ", later_is_first));
  }
}

TEST_F(SyncTest, DeletionWinsOverAnUpdate) {
  const Uuid task = Add(desk_, "Buy milk");
  desk_.Sync();
  lap_.Sync();
  desk_.Commit({Operation::Update(task, "description", "Buy oat milk")});
  lap_.Commit({Operation::Delete(task)});
  desk_.Sync();
  lap_.Sync();
  desk_.Sync();
  EXPECT_THAT(desk_.tasks(), IsEmpty());
  EXPECT_THAT(lap_.tasks(), IsEmpty());
  // Nothing of a deleted task stays behind.
  for (Computer* computer : {&desk_, &lap_}) {
    const auto operations = computer->replica->OperationsOf(task);
    ASSERT_TRUE(operations.ok());
    EXPECT_THAT(*operations, IsEmpty());
  }
}

// TaskChampion rebases only the first batch of a conflict, and its replicas stay different
// (TaskChampion issue 686).
TEST_F(SyncTest, RebasesMoreThanABatch) {
  constexpr int kTasks = 60;
  const std::string text(50'000, 'x');
  std::vector<Uuid> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back(Add(desk_, absl::StrCat("task ", i)));
  desk_.Sync();
  lap_.Sync();
  for (const Uuid& task : tasks) {
    lap_.Commit({Operation::Update(task, "description", "lap " + text, kNoon + absl::Seconds(1))});
    desk_.Commit({Operation::Update(task, "description", "desk", kNoon + absl::Seconds(2)),
                  Operation::Update(task, "lost", "desk", kNoon)});
    lap_.Commit({Operation::Update(task, "lost", "lap " + text, kNoon + absl::Seconds(1))});
  }
  desk_.Sync();
  const SyncReport report = lap_.Sync();
  EXPECT_EQ(report.total.sent_operations, kTasks);
  EXPECT_GE(report.total.sent_versions, 3u);
  desk_.Sync();
  TasksById on_desk = desk_.tasks();
  EXPECT_EQ(on_desk, lap_.tasks());
  for (const Uuid& task : tasks) {
    EXPECT_EQ(on_desk[task]["description"], "desk");
    EXPECT_EQ(on_desk[task]["lost"], "lap " + text);
  }
}

TEST_F(SyncTest, SendsAnOperationThatIsLongerThanABatch) {
  const Uuid task = Add(desk_, std::string(3'000'000, 'x'));
  desk_.Commit({Operation::Update(task, "project", "home", kNoon)});
  EXPECT_EQ(desk_.Sync().total.sent_versions, 3u);
  lap_.Sync();
  EXPECT_EQ(desk_.tasks(), lap_.tasks());
}

// What the server stored and did not confirm comes back as a version of another replica.
TEST_F(SyncTest, GoesOnAfterALostAnswer) {
  Add(desk_, "Buy milk");
  bool is_lost = false;
  sync_server_.set_after([&](absl::string_view method, absl::string_view path) {
    const bool loses = method == "POST" && absl::StrContains(path, "add-version") && !is_lost;
    is_lost = is_lost || loses;
    return loses ? 502 : 0;
  });
  const SyncError error = desk_.FailToSync();
  EXPECT_EQ(error.fault, SyncFault::kRemote);
  EXPECT_EQ(error.remote_fault, RemoteFault::kServerUnavailable);
  EXPECT_EQ(StateOf(*desk_.replica).pending_operations, 3u);
  const Uuid second = Add(desk_, "Buy bread");
  const SyncReport report = desk_.Sync();
  EXPECT_EQ(report.total.received_versions, 1u);
  EXPECT_EQ(report.total.sent_operations, 3u);
  lap_.Sync();
  EXPECT_THAT(lap_.tasks(), SizeIs(2));
  EXPECT_EQ(lap_.tasks(), desk_.tasks());
  EXPECT_EQ(lap_.tasks()[second]["description"], "Buy bread");
}

TEST_F(SyncTest, KeepsWhatItHadReceivedWhenTheServerFails) {
  sync_server_.gateway().passes_accept = false;  // a version a request
  for (int i = 0; i < 5; ++i) {
    Add(desk_, absl::StrCat("task ", i));
    desk_.Sync();
  }
  std::atomic<int> requests = 0;
  sync_server_.set_before([&](absl::string_view, absl::string_view path) {
    return absl::StrContains(path, "get-child-version") && ++requests > 3 ? 503 : 0;
  });
  const SyncError error = lap_.FailToSync();
  EXPECT_EQ(error.fault, SyncFault::kRemote);
  EXPECT_EQ(error.report.total.received_versions, 3u);
  EXPECT_THAT(lap_.tasks(), SizeIs(3));
  sync_server_.set_before(nullptr);
  EXPECT_EQ(lap_.Sync().total.received_versions, 2u);
  EXPECT_EQ(lap_.tasks(), desk_.tasks());
}

TEST_F(SyncTest, EndsWhenItIsCancelledByItsProgress) {
  const Uuid task = Add(desk_, std::string(900'000, 'x'));
  for (int i = 0; i < 4; ++i) {
    desk_.Commit({Operation::Update(task, absl::StrCat("p", i), std::string(900'000, 'x'))});
  }
  SyncOptions options;
  options.progress = [this](const SyncProgress& progress) {
    if (progress.sent_versions == 2) desk_.server->Cancel();
  };
  const SyncError error = MustFailToSync(*desk_.replica, *desk_.server, options);
  EXPECT_EQ(error.fault, SyncFault::kRemote);
  EXPECT_EQ(error.remote_fault, RemoteFault::kCancelled);
  EXPECT_EQ(error.report.total.sent_versions, 2u);
  EXPECT_GT(error.report.total.operations_to_send, 0u);
  desk_.server->Resume();
  desk_.Sync();
  lap_.Sync();
  EXPECT_EQ(lap_.tasks(), desk_.tasks());
}

TEST_F(SyncTest, NamesAVersionThatIsNoVersion) {
  struct Case {
    std::string plaintext;
    std::string message;
  };
  const Case cases[] = {
      {"not JSON at all", "is not JSON"},
      {"{\"operations\":[", "is not JSON"},
      {"{}", "has no list of operations"},
      {"{\"operations\":[{\"Rename\":{\"uuid\":\"e3ed1e5f-2a39-4e6a-9d0a-1a9d1e3c2f11\"}}]}",
       "has an operation of an unknown kind"},
      {"{\"operations\":[{\"Create\":{\"uuid\":\"7\"}}]}",
       "has an operation with a malformed uuid"},
  };
  for (const Case& test : cases) {
    const SealingKey key = SealingKey::Derive(Uuid::Random(), "a secret of the tests").value();
    const Uuid client = Uuid::Random();
    const auto server = sync_server_.Connect(client, key);
    auto added = server->AddVersion(Uuid(), test.plaintext);
    ASSERT_TRUE(std::holds_alternative<AddedVersion>(added)) << test.plaintext;
    const Uuid version = std::get<AddedVersion>(added).version_id;
    const auto replica = MustOpenInMemory();
    const SyncError error = MustFailToSync(*replica, *server);
    EXPECT_EQ(error.fault, SyncFault::kInvalidVersion) << test.plaintext;
    EXPECT_EQ(error.version_id, version);
    EXPECT_THAT(error.message, AllOf(HasSubstr(version.ToString()), HasSubstr(test.message)));
  }
}

TEST_F(SyncTest, NamesAVersionThatDoesNotUnseal) {
  const SealingKey other = SealingKey::Derive(TestClientId(), "another secret").value();
  const auto stranger = sync_server_.Connect(TestClientId(), other);
  const auto added = stranger->AddVersion(Uuid(), "{\"operations\":[]}");
  ASSERT_TRUE(std::holds_alternative<AddedVersion>(added));
  const Uuid version = std::get<AddedVersion>(added).version_id;
  Add(desk_, "Buy milk");
  const SyncError error = desk_.FailToSync();
  EXPECT_EQ(error.remote_fault, RemoteFault::kUnsealFailed);
  EXPECT_EQ(error.version_id, version);
  EXPECT_EQ(StateOf(*desk_.replica).pending_operations, 3u);
}

// Operations that are invalid where they arrive change nothing, as in TaskChampion.
TEST_F(SyncTest, IgnoresReceivedOperationsThatAreInvalid) {
  const Uuid task = Add(desk_, "Buy milk");
  desk_.Sync();
  const Uuid other = Uuid::Random();
  const std::string id = task.ToString();
  const std::string segment = absl::StrCat(
      "{\"operations\":[{\"Create\":{\"uuid\":\"", id, "\"}},{\"Delete\":{\"uuid\":\"",
      other.ToString(), "\"}},{\"Update\":{\"uuid\":\"", other.ToString(),
      "\",\"property\":\"p\",\"value\":\"v\",\"timestamp\":\"2023-11-14T22:13:20Z\"}},",
      "{\"Update\":{\"uuid\":\"", id,
      "\",\"property\":\"p\",\"value\":\"v\",\"timestamp\":\"2023-11-14T22:13:20.1234567Z\"}}]}");
  const auto added = desk_.server->AddVersion(StateOf(*desk_.replica).base_version_id, segment);
  ASSERT_FALSE(std::get<AddedVersion>(added).is_conflict);
  desk_.Sync();
  const TasksById expected{
      {task, {{"description", "Buy milk"}, {"status", "pending"}, {"p", "v"}}}};
  EXPECT_EQ(desk_.tasks(), expected);
}

TEST_F(SyncTest, SaysThatTheHistoryIsGone) {
  Add(desk_, "Buy milk");
  desk_.Sync();
  SyncServer other_server;
  const auto other = other_server.Connect();
  const auto replica = MustOpenInMemory();
  MustCommit(*replica, {Operation::Create(Uuid::Random())});
  MustSync(*replica, *other);
  // A replica of another history, at a server with one.
  const SyncError error = MustFailToSync(*desk_.replica, *other);
  EXPECT_EQ(error.fault, SyncFault::kHistoryGone);
  EXPECT_EQ(error.version_id, StateOf(*desk_.replica).base_version_id);
}

// A server that repeats one latest version and never gives it would keep a replica busy for ever.
TEST_F(SyncTest, SaysThatTheHistoriesHaveDiverged) {
  Add(desk_, "Buy milk");
  desk_.Sync();
  const Uuid latest = StateOf(*desk_.replica).base_version_id;
  Add(lap_, "Buy bread");
  std::atomic<int> sent = 0;
  sync_server_.set_before([&](absl::string_view method, absl::string_view) {
    if (method == "POST") ++sent;
    return method == "GET" ? 404 : 0;
  });
  const SyncError error = lap_.FailToSync();
  EXPECT_EQ(error.fault, SyncFault::kDiverged);
  EXPECT_EQ(error.version_id, latest);
  EXPECT_EQ(sent, 2);
  sync_server_.set_before(nullptr);
  lap_.Sync();
  EXPECT_THAT(lap_.tasks(), SizeIs(2));
}

TEST_F(SyncTest, BeginsWithASnapshot) {
  Options options = SyncServer::DefaultOptions();
  options.snapshot_versions = 3;
  SyncServer server(options);
  server.set_gives_snapshots(true);
  Computer desk(server);
  std::vector<Uuid> tasks;
  bool has_sent_snapshot = false;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(Add(desk, absl::StrCat("task ", i)));
    has_sent_snapshot = desk.Sync().has_sent_snapshot || has_sent_snapshot;
  }
  EXPECT_TRUE(has_sent_snapshot);
  Computer lap(server);
  const SyncReport report = lap.Sync();
  EXPECT_TRUE(report.has_applied_snapshot);
  EXPECT_LT(report.total.received_versions, 8u);
  EXPECT_EQ(lap.tasks(), desk.tasks());
  // A replica with a task of its own takes the versions.
  Computer phone(server);
  Add(phone, "Buy bread");
  EXPECT_FALSE(phone.Sync().has_applied_snapshot);
  lap.Sync();
  EXPECT_EQ(lap.tasks(), phone.tasks());
}

TEST_F(SyncTest, NamesASnapshotThatIsNone) {
  sync_server_.set_gives_snapshots(true);
  const auto version = desk_.server->AddVersion(Uuid(), "{\"operations\":[]}");
  ASSERT_TRUE(std::holds_alternative<AddedVersion>(version));
  const Uuid base = std::get<AddedVersion>(version).version_id;
  const auto added = desk_.server->AddSnapshot(base, "no zlib");
  ASSERT_TRUE(std::holds_alternative<std::monostate>(added));
  const SyncError error = lap_.FailToSync();
  EXPECT_EQ(error.fault, SyncFault::kInvalidSnapshot);
  EXPECT_EQ(error.version_id, base);
  EXPECT_THAT(error.message, HasSubstr("is not compressed with zlib"));
  EXPECT_THAT(lap_.tasks(), IsEmpty());
}

// The other program is `task sync`, or a second one of ours, on the same computer.
class SharedDatabaseTest : public SyncTest {
 protected:
  // Runs `action` once, before the request whose path has `part`.
  void Before(absl::string_view part, std::function<void()> action) {
    sync_server_.set_before(
        [this, part = std::string(part), action](absl::string_view, absl::string_view path) {
          if (!absl::StrContains(path, part) || has_acted_.exchange(true)) return 0;
          action();
          return 0;
        });
  }

  const TemporaryDirectory directory_;
  Computer here_{sync_server_, directory_.path()};
  Computer beside_{sync_server_, directory_.path()};
  std::atomic<bool> has_acted_ = false;
};

TEST_F(SharedDatabaseTest, AnotherProgramSyncsDuringARequest) {
  for (const char* part : {"get-child-version", "add-version"}) {
    has_acted_ = false;
    Add(desk_, absl::StrCat("from the desk, ", part));
    desk_.Sync();
    Add(here_, absl::StrCat("from here, ", part));
    Before(part, [this] { beside_.Sync(); });
    here_.Sync();
    EXPECT_TRUE(has_acted_);
    desk_.Sync();
    EXPECT_EQ(here_.tasks(), desk_.tasks()) << part;
    EXPECT_EQ(StateOf(*here_.replica).pending_operations, 0u);
  }
  EXPECT_THAT(desk_.tasks(), SizeIs(4));
}

TEST_F(SharedDatabaseTest, AnotherProgramAddsATaskDuringARequest) {
  Add(here_, "first");
  Before("add-version", [this] { Add(beside_, "second"); });
  here_.Sync();
  here_.Sync();
  desk_.Sync();
  EXPECT_THAT(desk_.tasks(), SizeIs(2));
  EXPECT_EQ(here_.tasks(), desk_.tasks());
}

// Too late to undo: the server has the operations.
TEST_F(SharedDatabaseTest, AnotherProgramUndoesWhatIsBeingSent) {
  const Uuid first = Add(here_, "first");
  Add(here_, "second");
  Before("add-version", [this] {
    const auto undoable = beside_.replica->UndoableOperations();
    ASSERT_TRUE(undoable.ok());
    const auto undone = beside_.replica->Undo(*undoable);
    ASSERT_TRUE(undone.ok()) << undone.status();
    EXPECT_TRUE(*undone);
    EXPECT_THAT(beside_.tasks(), SizeIs(1));
  });
  here_.Sync();
  EXPECT_THAT(here_.tasks(), SizeIs(2));
  desk_.Sync();
  EXPECT_EQ(here_.tasks(), desk_.tasks());
  EXPECT_TRUE(desk_.tasks().contains(first));
}

// If this fails, a sync beside another one ends with a divergence that there is not.
TEST_F(SharedDatabaseTest, AnotherProgramReceivesAPartAfterAConflict) {
  sync_server_.gateway().passes_accept = false;  // a version a request
  Add(desk_, "first");
  desk_.Sync();
  here_.Sync();
  Add(here_, "from here");
  std::atomic<int> step = 0;
  sync_server_.set_before([this, &step](absl::string_view, absl::string_view path) {
    switch (step) {
      case 0:  // until the request that shall meet a conflict with the second of two versions
        if (!absl::StrContains(path, "add-version")) return 0;
        step = 1;
        for (const char* description : {"second", "third"}) {
          Add(desk_, description);
          desk_.Sync();
        }
        step = 2;
        return 0;
      case 2:  // the first request after it
        step = 3;
        beside_.FailToSync();
        step = 5;
        return 0;
      case 3:  // the first request of the program beside
        step = 4;
        return 0;
      case 4:  // its second one
        return 503;
      default:
        return 0;
    }
  });
  here_.Sync();
  EXPECT_EQ(step, 5);
  desk_.Sync();
  EXPECT_THAT(desk_.tasks(), SizeIs(4));
  EXPECT_EQ(here_.tasks(), desk_.tasks());
}

// If this fails, a number names a task that an undo has removed, or a task that has come back has
// no number.
TEST_F(SyncTest, UndoRebuildsTheWorkingSet) {
  const auto undo = [this] {
    EXPECT_TRUE(desk_.replica->Undo(desk_.replica->UndoableOperations().value()).value());
  };
  Add(desk_, "first");
  undo();
  EXPECT_THAT(desk_.replica->GetWorkingSet().value(), IsEmpty());
  const Uuid task = Add(desk_, "second");
  desk_.Commit({Operation::UndoPoint(), Operation::Update(task, "status", "completed", kNoon)});
  ASSERT_TRUE(desk_.replica->RebuildWorkingSet(/*renumber=*/false).ok());
  undo();
  EXPECT_THAT(desk_.replica->GetWorkingSet().value(), SizeIs(1));
}

// An undo after a rebase must lead to the state that the others have.
TEST_F(SyncTest, UndoAfterARebaseLeadsToTheServersState) {
  const Uuid task = Add(desk_, "Buy milk");
  desk_.Sync();
  lap_.Sync();
  desk_.Commit({Operation::Update(task, "description", "desk", kNoon + absl::Seconds(1))});
  desk_.Sync();
  lap_.Commit({Operation::UndoPoint(),
               Operation::Update(task, "description", "lap", kNoon + absl::Seconds(2))});
  // The laptop receives, and cannot send.
  sync_server_.set_before(
      [](absl::string_view method, absl::string_view) { return method == "POST" ? 503 : 0; });
  EXPECT_EQ(lap_.FailToSync().report.total.received_versions, 1u);
  EXPECT_EQ(lap_.tasks()[task]["description"], "lap");
  const auto undoable = lap_.replica->UndoableOperations();
  ASSERT_TRUE(undoable.ok());
  EXPECT_THAT(*undoable, SizeIs(2));
  EXPECT_EQ(undoable->back().old_value, "desk");
  EXPECT_TRUE(lap_.replica->Undo(*undoable).value());
  EXPECT_EQ(lap_.tasks(), desk_.tasks());
}

}  // namespace
}  // namespace tcsync
