// The rebase of pending operations. If these fail, a change is sent that the history has
// overridden, or an undo leads to a state that no other replica has.
#include "replica/rebase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "replica/schema.h"
#include "replica/sqlite.h"
#include "tests/unit/replica/raw_database.h"

namespace tcsync::replica {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// At the given second.
Operation Set(const char* property, std::optional<std::string> value, int second, int task = 1) {
  return Operation::Update(TaskId(task), property, std::move(value),
                           absl::FromUnixSeconds(1'795'986'889 + second));
}

Operation WithOldValue(Operation operation, std::optional<std::string> old_value) {
  operation.old_value = std::move(old_value);
  return operation;
}

Operation DeleteOf(TaskProperties properties, int task = 1) {
  Operation operation = Operation::Delete(TaskId(task));
  operation.old_properties = std::move(properties);
  return operation;
}

class RebaseTest : public testing::Test {
 protected:
  void SetUp() override {
    auto connection = Connection::Open(":memory:", OpenMode::kCreateIfMissing, 0);
    ASSERT_TRUE(connection.ok()) << connection.status();
    ASSERT_TRUE(UpgradeSchema(**connection).ok());
    store_ = std::make_unique<Store>(*std::move(connection));
  }

  Rebase RebaseOf(const std::vector<Operation>& operations) {
    for (const Operation& operation : operations) {
      EXPECT_TRUE(store_->AddOperation(operation, /*is_synced=*/false).ok());
    }
    return Rebase(store_->GetPendingOperations().value());
  }

  std::vector<Operation> Pending() {
    std::vector<Operation> operations;
    const std::vector<PendingOperation> all = store_->GetPendingOperations().value();
    for (const PendingOperation& pending : all) {
      operations.push_back(pending.operation);
    }
    return operations;
  }

  std::unique_ptr<Store> store_;
};

std::vector<Operation> ToSend(const Rebase& rebase) {
  std::vector<Operation> operations;
  for (const PendingOperation* pending : rebase.ToSend()) {
    operations.push_back(pending->operation);
  }
  EXPECT_EQ(operations.size(), rebase.operations_to_send());
  return operations;
}

struct Case {
  const char* name;
  std::vector<Operation> pending;
  std::vector<Operation> received;
  std::vector<bool> applied;
  std::vector<Operation> to_send;  // also what remains pending, but for undo points
};

std::vector<Case> Cases() {
  const Operation create = Operation::Create(TaskId(1));
  const Operation x = WithOldValue(Set("a", "x", 10), "w");
  return {
      {"nothing received", {create, x}, {}, {}, {create, x}},
      {"nothing pending", {}, {create, Set("a", "y", 0), DeleteOf({})}, {true, true, true}, {}},
      {"undo points are never sent", {Operation::UndoPoint(), x}, {}, {}, {x}},
      {"another task", {x}, {Set("a", "y", 20, 2), DeleteOf({}, 3)}, {true, true}, {x}},
      {"another property", {x}, {Set("b", "y", 20)}, {true}, {x}},
      {"the later one wins: received", {x}, {Set("a", "y", 11)}, {true}, {}},
      {"at one time the received one wins", {x}, {Set("a", "y", 10)}, {true}, {}},
      {"the later one wins: pending, over what was received",
       {x},
       {Set("a", "y", 9)},
       {false},
       {WithOldValue(x, "y")}},
      {"over a removal",
       {x},
       {Set("a", std::nullopt, 9)},
       {false},
       {WithOldValue(x, std::nullopt)}},
      {"over two of one property",
       {x},
       {Set("a", "y", 8), Set("a", "z", 9)},
       {false, false},
       {WithOldValue(x, "z")}},
      {"won first and lost then", {x}, {Set("a", "y", 9), Set("a", "z", 11)}, {false, true}, {}},
      {"settled once, it decides nothing more",
       {x},
       {Set("a", "y", 11), Set("a", "z", 5)},
       {true, true},
       {}},
      {"equal values settle, whichever is later", {x}, {Set("a", "x", 20)}, {false}, {}},
      {"two equal removals",
       {WithOldValue(Set("a", std::nullopt, 10), "w")},
       {Set("a", std::nullopt, 5)},
       {false},
       {}},
      // A received operation passes the pending ones in turn.
      {"it settles the first of two and loses against the second",
       {x, WithOldValue(Set("a", "v", 30), "x")},
       {Set("a", "y", 20)},
       {false},
       {WithOldValue(Set("a", "v", 30), "y")}},
      {"it loses against the first, and the second never sees it",
       {x, WithOldValue(Set("a", "v", 30), "x")},
       {Set("a", "y", 5)},
       {false},
       {WithOldValue(x, "y"), WithOldValue(Set("a", "v", 30), "x")}},
      {"it settles the first as an equal, and ends",
       {x, WithOldValue(Set("a", "v", 30), "x")},
       {Set("a", "x", 40)},
       {false},
       {WithOldValue(Set("a", "v", 30), "x")}},
      // Creations and deletions.
      {"both created it", {create, x}, {create}, {false}, {x}},
      {"both created and changed it",
       {create, x},
       {create, Set("a", "y", 5)},
       {false, false},
       {WithOldValue(x, "y")}},
      {"deleted there, changed here", {x, Set("b", "v", 10)}, {DeleteOf({})}, {true}, {}},
      {"deleted on both", {DeleteOf({{"a", "w"}})}, {DeleteOf({})}, {false}, {}},
      {"changed there, deleted here",
       {DeleteOf({{"a", "w"}, {"c", "u"}})},
       {Set("a", "y", 5), Set("b", "z", 5), Set("c", std::nullopt, 5), Set("d", std::nullopt, 5)},
       {false, false, false, false},
       {DeleteOf({{"a", "y"}, {"b", "z"}})}},
      {"changed here and deleted, changed there later",
       {x, DeleteOf({{"a", "x"}})},
       {Set("a", "y", 20)},
       {false},
       {DeleteOf({{"a", "y"}})}},
      {"changed here and deleted, changed there earlier",
       {x, DeleteOf({{"a", "x"}})},
       {Set("a", "y", 5)},
       {false},
       {WithOldValue(x, "y"), DeleteOf({{"a", "x"}})}},
      {"deleted there, and created again here",
       {DeleteOf({{"a", "w"}}), create},
       {DeleteOf({})},
       {false},
       {create}},
      {"the tasks are apart",
       {x, WithOldValue(Set("a", "x", 10, 2), "w")},
       {Set("a", "y", 11)},
       {true},
       {WithOldValue(Set("a", "x", 10, 2), "w")}},
  };
}

// If this fails, a change is lost or sent twice, or an undo restores a value that is out of date.
TEST_F(RebaseTest, EachConflictHasItsOutcome) {
  for (const Case& conflict : Cases()) {
    SCOPED_TRACE(conflict.name);
    SetUp();
    Rebase rebase = RebaseOf(conflict.pending);
    for (size_t i = 0; i < conflict.received.size(); ++i) {
      EXPECT_EQ(rebase.Receive(conflict.received[i]), conflict.applied[i]) << "received " << i;
    }
    EXPECT_EQ(ToSend(rebase), conflict.to_send);
    ASSERT_TRUE(rebase.Write(*store_).ok());
    std::vector<Operation> pending = Pending();
    std::erase(pending, Operation::UndoPoint());
    EXPECT_EQ(pending, conflict.to_send);
    // A sync that continues reads them again.
    EXPECT_EQ(ToSend(Rebase(store_->GetPendingOperations().value())), conflict.to_send);
  }
}

// If this fails, a settled operation is forgotten instead of kept as a part of the task's story.
TEST_F(RebaseTest, SettledOperationsCountAsSynced) {
  const Operation first = WithOldValue(Set("a", "x", 10), "w");
  const Operation second = Set("b", "x", 10);
  Rebase rebase = RebaseOf({first, second});
  EXPECT_TRUE(rebase.Receive(Set("a", "y", 11)));
  ASSERT_TRUE(rebase.Write(*store_).ok());
  EXPECT_THAT(Pending(), ElementsAre(second));
  EXPECT_THAT(store_->GetOperationsOf(TaskId(1)).value(), ElementsAre(first, second));
}

// If this fails, what a second group of versions settles is written with the first, or never.
TEST_F(RebaseTest, EachWriteHasWhatIsNewSinceTheLast) {
  const Operation first = WithOldValue(Set("a", "x", 10), "w");
  const Operation second = WithOldValue(Set("b", "x", 10), "w");
  Rebase rebase = RebaseOf({first, second});
  EXPECT_FALSE(rebase.Receive(Set("a", "y", 9)));
  EXPECT_THAT(Pending(), ElementsAre(first, second)) << "written before Write()";
  ASSERT_TRUE(rebase.Write(*store_).ok());
  EXPECT_THAT(Pending(), ElementsAre(WithOldValue(first, "y"), second));
  EXPECT_TRUE(rebase.Receive(Set("b", "y", 11)));
  ASSERT_TRUE(rebase.Write(*store_).ok());
  EXPECT_THAT(Pending(), ElementsAre(WithOldValue(first, "y")));
  // Another program's write in between stays.
  const int64_t id = store_->GetPendingOperations()->front().id;
  ASSERT_TRUE(store_->ReplaceOperation(id, first).ok());
  ASSERT_TRUE(rebase.Write(*store_).ok());
  EXPECT_THAT(Pending(), ElementsAre(first));
}

// If this fails, an operation that wins and is then settled has an old value out of nothing.
TEST_F(RebaseTest, AnOperationMayBeRewrittenAndSettledInOneWrite) {
  const Operation pending = WithOldValue(Set("a", "x", 10), "w");
  Rebase rebase = RebaseOf({pending});
  EXPECT_FALSE(rebase.Receive(Set("a", "y", 9)));
  EXPECT_TRUE(rebase.Receive(Set("a", "z", 11)));
  ASSERT_TRUE(rebase.Write(*store_).ok());
  EXPECT_THAT(Pending(), IsEmpty());
  EXPECT_THAT(store_->GetOperationsOf(TaskId(1)).value(), ElementsAre(WithOldValue(pending, "y")));
}

// If this fails, a replica with a year of unsent changes cannot sync in a reasonable time.
TEST_F(RebaseTest, ManyTasksAreIndependent) {
  constexpr int kTasks = 20'000;
  std::vector<PendingOperation> pending;
  for (int i = 0; i < kTasks; ++i) pending.push_back({i + 1, Set("a", "x", 10, i)});
  Rebase rebase(std::move(pending));
  for (int i = 0; i < kTasks; i += 2) EXPECT_TRUE(rebase.Receive(Set("a", "y", 20, i)));
  EXPECT_EQ(rebase.operations_to_send(), size_t{kTasks / 2});
  EXPECT_EQ(rebase.ToSend().front()->id, 2);
  EXPECT_EQ(rebase.ToSend().back()->id, kTasks);
}

// If this fails, a batch is sent twice, or a received update is dropped for one that was sent.
TEST_F(RebaseTest, WhatWasSentIsSettled) {
  Rebase rebase = RebaseOf({Set("a", "1", 5), Set("b", "2", 5, /*task=*/2), Set("c", "3", 5)});
  rebase.SettleSent(2);
  EXPECT_EQ(rebase.operations_to_send(), 1u);
  ASSERT_EQ(rebase.ToSend().size(), 1u);
  EXPECT_EQ(rebase.ToSend().front()->operation.property, "c");
  // Earlier ones, which the operations that were sent would have overridden.
  EXPECT_TRUE(rebase.Receive(Set("a", "other", 1)));
  EXPECT_TRUE(rebase.Receive(Set("b", "other", 1, /*task=*/2)));
  EXPECT_FALSE(rebase.Receive(Set("c", "other", 1)));
}

}  // namespace
}  // namespace tcsync::replica
