// Random schedules of several replicas of one history: changes, undo, syncs whose requests and
// answers are lost, replicas that are closed and opened again, and a second program on the same
// database that syncs or changes something during the other's requests. If this fails, there is an
// order of events after which two computers show different tasks.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tcsync/replica.h"
#include "tests/unit/replica/gateway.h"
#include "tests/unit/replica/replica_calls.h"
#include "tests/unit/replica/sync_server.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {
namespace {

// The tests of every run; the environment variable TCSYNC_SCHEDULES asks for another number.
constexpr int kSchedules = 25;

class Schedule {
 public:
  explicit Schedule(uint32_t seed) : random_(seed) {
    const int count = Number(2, 4);
    for (int i = 0; i < count; ++i) {
      auto computer = std::make_unique<Computer>();
      computer->path = absl::StrCat(directory_.path(), "/", i);
      computer->replica = MustOpen(computer->path);
      computer->beside = MustOpen(computer->path);
      computer->server = server_.Connect();
      computer->server_beside = server_.Connect();
      computers_.push_back(std::move(computer));
    }
    for (int i = 0; i < 5; ++i) tasks_.push_back(Uuid::Random());
  }

  void Run() {
    const int steps = Number(10, 50);
    for (int i = 0; i < steps; ++i) Step();
    server_.set_before(nullptr);
    server_.set_after(nullptr);
    // After two rounds every replica has all changes of all.
    for (int round = 0; round < 2; ++round) {
      for (const auto& computer : computers_) MustSync(*computer->replica, *computer->server);
    }
    const TasksById expected = TasksOf(*computers_.front()->replica);
    for (const auto& computer : computers_) {
      EXPECT_EQ(TasksOf(*computer->replica), expected);
      const ReplicaState state = StateOf(*computer->replica);
      EXPECT_EQ(state.pending_operations, 0u);
      EXPECT_EQ(state.pending_undo_points, 0u);
    }
    // A new replica, from the versions alone and from the snapshot.
    for (const bool gives_snapshots : {false, true}) {
      server_.set_gives_snapshots(gives_snapshots);
      const auto fresh = MustOpenInMemory();
      const auto server = server_.Connect();
      MustSync(*fresh, *server);
      EXPECT_EQ(TasksOf(*fresh), expected) << "with snapshots: " << gives_snapshots;
    }
  }

 private:
  struct Computer {
    std::string path;
    // Two programs with the same database.
    std::unique_ptr<Replica> replica;
    std::unique_ptr<Replica> beside;
    std::unique_ptr<RemoteServer> server;
    std::unique_ptr<RemoteServer> server_beside;
  };

  int Number(int least, int most) {
    return std::uniform_int_distribution<int>(least, most)(random_);
  }

  // Operations that are valid where they are made.
  void Change(Replica& replica) {
    TasksById tasks = TasksOf(replica);
    std::vector<Operation> operations;
    if (Number(0, 2) == 0) operations.push_back(Operation::UndoPoint());
    const int count = Number(1, 4);
    for (int i = 0; i < count; ++i) {
      const Uuid task = tasks_[static_cast<size_t>(Number(0, 4))];
      if (!tasks.contains(task)) {
        operations.push_back(Operation::Create(task));
        tasks[task] = {};
      } else if (Number(0, 7) == 0) {
        operations.push_back(Operation::Delete(task));
        tasks.erase(task);
      } else {
        // Few properties, values and times, so that all ties occur.
        const std::string property = absl::StrCat("p", Number(0, 2));
        const absl::Time time =
            absl::FromUnixSeconds(1'700'000'000) + absl::Nanoseconds(Number(0, 3));
        operations.push_back(
            Number(0, 4) == 0
                ? Operation::Update(task, property, std::nullopt, time)
                : Operation::Update(task, property, absl::StrCat("v", Number(0, 3)), time));
      }
    }
    MustCommit(replica, operations);
  }

  void Undo(Replica& replica) {
    const auto undoable = replica.UndoableOperations();
    ASSERT_TRUE(undoable.ok()) << undoable.status();
    const auto undone = replica.Undo(*undoable);
    ASSERT_TRUE(undone.ok()) << undone.status();
    EXPECT_EQ(*undone, !undoable->empty());
  }

  // What another program does on the computer during one of its requests.
  void ActBeside(Computer& computer) {
    switch (Number(0, 2)) {
      case 0:
        Change(*computer.beside);
        break;
      case 1:
        Undo(*computer.beside);
        break;
      default:
        static_cast<void>(computer.beside->Sync(*computer.server_beside, {}));
    }
  }

  void Sync(Computer& computer) {
    // The request that something happens at, if there are so many.
    server_.gateway().passes_accept = Number(0, 1) == 0;
    server_.gateway().cuts = Number(0, 1);
    server_.gateway().cut_place = Number(0, 100) / 100.0;
    int requests = Number(0, 4);
    const int fate = Number(0, 5);
    bool is_beside = false;
    server_.set_before([&](absl::string_view, absl::string_view) {
      if (is_beside || requests-- != 0) return 0;
      if (fate == 0) return 503;
      if (fate == 1) {
        is_beside = true;
        ActBeside(computer);
        is_beside = false;
      }
      return 0;
    });
    server_.set_after([&](absl::string_view, absl::string_view) {
      return fate == 2 && requests == -1 ? 502 : 0;
    });
    const auto synced = computer.replica->Sync(*computer.server, {});
    if (const auto* const error = std::get_if<SyncError>(&synced)) {
      EXPECT_EQ(error->fault, SyncFault::kRemote) << error->message;
      const bool is_cut = error->remote_fault == RemoteFault::kNetworkFailed;
      EXPECT_TRUE(fate == 0 || fate == 2 || is_cut) << error->message;
    }
    server_.set_before(nullptr);
    server_.set_after(nullptr);
    server_.gateway().cuts = 0;
  }

  void Step() {
    Computer& computer =
        *computers_[static_cast<size_t>(Number(0, static_cast<int>(std::size(computers_)) - 1))];
    switch (Number(0, 9)) {
      case 0:
        computer.replica.reset();
        computer.replica = MustOpen(computer.path);
        break;
      case 1:
        Undo(*computer.replica);
        break;
      case 2:
      case 3:
      case 4:
        Sync(computer);
        break;
      default:
        Change(*computer.replica);
    }
  }

  std::mt19937 random_;
  const TemporaryDirectory directory_;
  SyncServer server_;
  std::vector<std::unique_ptr<Computer>> computers_;
  std::vector<Uuid> tasks_;
};

TEST(RandomSchedulesTest, AllReplicasEndWithTheSameTasks) {
  const char* const asked = getenv("TCSYNC_SCHEDULES");
  const int count = asked != nullptr ? atoi(asked) : kSchedules;
  const char* const first = getenv("TCSYNC_SCHEDULES_FIRST");
  const int begin = first != nullptr ? atoi(first) : 1;
  for (int seed = begin; seed < begin + count; ++seed) {
    SCOPED_TRACE(absl::StrCat("TCSYNC_SCHEDULES_FIRST=", seed));
    Schedule(static_cast<uint32_t>(seed)).Run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tcsync
