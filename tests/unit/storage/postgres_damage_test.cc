// Damage and oddities in the database's rows, and statements that wait for others. If these fail, a
// replica gets wrong bytes, a check does not end or finds nothing, or one client's damage is all
// clients' trouble.
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/postgres_faults.h"
#include "tests/unit/storage/storage_changes.h"

namespace tcsync {
namespace {

class PostgresRowsTest : public PostgresTest {
 protected:
  void SetUpWithDatabase() override {
    storage_ = OpenPostgres(database_->url());
    ASSERT_NE(storage_, nullptr);
    session_ = std::make_unique<TestSession>(database_->url());
  }

  // Until as many of the storage's statements wait for a lock.
  void AwaitWaiting(int count) {
    TestSession(database_->url())
        .RunUntil(R"(
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
          AND application_name = 'tcsync' AND wait_event_type = 'Lock')",
                  absl::StrCat(count));
  }

  std::unique_ptr<Storage> storage_;
  std::unique_ptr<TestSession> session_;
};

struct Damage {
  const char* name;
  const char* statement;
  const char* problem;  // a part of VerifyChain's
  // The reads that must tell of the loss: of the version after this one, and of the snapshot.
  int lost_after = 0;
  bool snapshot_fails = false;
  bool moves_chain = false;  // other reads find nothing

  friend std::ostream& operator<<(std::ostream& out, const Damage& damage) {
    return out << damage.name;
  }
};

// Of a client with six versions, the third of which is in pieces, and a snapshot of the fifth.
const Damage kDamages[] = {
    {"MissingPiece", "DELETE FROM tcsync.pieces WHERE piece = 1", "has 2 of its 3 pieces", 2},
    {"ShortPiece", "UPDATE tcsync.pieces SET bytes = substr(bytes, 2) WHERE piece = 2",
     "bytes, and", 2},
    {"ShortSegment", "UPDATE tcsync.versions SET segment = substr(segment, 2) WHERE number = 4",
     "version 4 has", 3},
    {"MissingMiddle", "DELETE FROM tcsync.versions WHERE number = 3", "version 3 is missing", 2},
    {"MissingLatest", "DELETE FROM tcsync.versions WHERE number = 6", "versions 6 to 6 are missing",
     5},
    {"MissingAllButNewer",
     "DELETE FROM tcsync.versions WHERE number < 6; UPDATE tcsync.clients SET latest_number = 5",
     "versions 1 to 5 are missing", 2},
    {"MissingAll", "DELETE FROM tcsync.versions", "versions 1 to 6 are missing", 5},
    {"MissingSnapshot", "DELETE FROM tcsync.snapshots", "the snapshot's bytes are missing", 0,
     true},
    {"ShortSnapshot", "UPDATE tcsync.snapshots SET bytes = substr(bytes, 2)", "the snapshot has", 0,
     true},
    {"WrongParent",
     "UPDATE tcsync.versions SET parent_version_id = gen_random_uuid() WHERE number = 5",
     "the parent of version 5", 0, false, true},
    {"WrongLatest", "UPDATE tcsync.clients SET latest_version_id = gen_random_uuid()",
     "the latest version is not"},
    {"NegativeNumbers", "UPDATE tcsync.clients SET first_number = -5, latest_number = -3",
     "missing", 0, false, true},
};

class PostgresDamageTest : public PostgresRowsTest, public testing::WithParamInterface<Damage> {
 protected:
  // Reads the version and all of its pieces. kNotFound: the storage says that there is none.
  absl::Status ReadChildOf(const Uuid& client, const Uuid& parent) {
    const absl::StatusOr<ChildOutcome> child = TryGetChild(*storage_, client, parent);
    if (!child.ok()) return child.status();
    if (!std::holds_alternative<Version>(*child)) return absl::NotFoundError("no child");
    const auto& pieces = std::get<Version>(*child).pieces;
    if (pieces == nullptr) return absl::OkStatus();
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < pieces->pieces(); ++i) {
      const absl::StatusOr<std::string> piece = ReadPiece(*pieces);
      if (!piece.ok()) return piece.status();
      bytes += piece->size();
    }
    // Their sum is compared by the reader of the pieces, who knows it.
    return bytes == pieces->bytes() ? absl::OkStatus() : absl::DataLossError("too few bytes");
  }
};

INSTANTIATE_TEST_SUITE_P(Damages, PostgresDamageTest, testing::ValuesIn(kDamages),
                         [](const testing::TestParamInfo<Damage>& info) {
                           return info.param.name;
                         });

TEST_P(PostgresDamageTest, IsNamedAndNotServed) {
  const Uuid client = Uuid::Random();
  std::vector<Uuid> version_ids = AppendChain(*storage_, client, kNil, 2);
  const absl::StatusOr<AppendOutcome> uploaded =
      TryAppend(*storage_, UploadedAppendFor(*storage_, client, version_ids[1], Noise(2500), 1000));
  ASSERT_TRUE(uploaded.ok()) << uploaded.status();
  version_ids.push_back(std::get<Appended>(*uploaded).version_id);
  const std::vector<Uuid> rest = AppendChain(*storage_, client, version_ids[2], 3);
  version_ids.insert(version_ids.end(), rest.begin(), rest.end());
  StoreSnapshot(*storage_, client, version_ids[4]);
  ASSERT_TRUE(Verify(*storage_, client).problems.empty());

  session_->Run(GetParam().statement);
  const std::string problems = absl::StrJoin(Verify(*storage_, client).problems, "\n");
  EXPECT_TRUE(absl::StrContains(problems, GetParam().problem)) << problems;
  EXPECT_LE(Verify(*storage_, client).problems.size(), 20u);

  for (int after = 1; after <= 5; ++after) {
    SCOPED_TRACE(absl::StrCat("the version after ", after));
    const absl::Status read = ReadChildOf(client, version_ids[after - 1]);
    if (after == GetParam().lost_after) {
      EXPECT_TRUE(absl::IsDataLoss(read)) << read;
    } else if (GetParam().lost_after == 0 && !GetParam().moves_chain) {
      EXPECT_TRUE(read.ok()) << read;
    }
  }
  const absl::StatusOr<std::optional<Snapshot>> snapshot = TryGetSnapshot(*storage_, client);
  EXPECT_EQ(snapshot.status().code(),
            GetParam().snapshot_fails ? absl::StatusCode::kDataLoss : absl::StatusCode::kOk);
  // No other client notices, and the client itself can be deleted and begin anew.
  MustAppend(*storage_, Uuid::Random(), kNil);
  EXPECT_TRUE(Delete(*storage_, client));
  MustAppend(*storage_, client, kNil);
  EXPECT_TRUE(Verify(*storage_, client).problems.empty());
}

// A batch has appends of several clients.
TEST_F(PostgresRowsTest, DamageOfOneClientFailsNoOthersAppend) {
  const Uuid damaged = Uuid::Random();
  const Uuid healthy = Uuid::Random();
  const Uuid blocking[] = {Uuid::Random(), Uuid::Random()};
  const std::vector<Uuid> version_ids = AppendChain(*storage_, damaged, kNil, 2);
  const Uuid first = MustAppend(*storage_, healthy, kNil).version_id;
  std::vector<Uuid> latest;
  for (const Uuid& client : blocking) {
    latest.push_back(MustAppend(*storage_, client, kNil).version_id);
  }
  // A version is there that the record does not know of.
  session_->Run(absl::StrCat("UPDATE tcsync.clients SET latest_number = 1, latest_version_id = '",
                             version_ids[0].ToString(), "' WHERE client_id = '", damaged.ToString(),
                             "'"));
  // Both writers wait, so that the next appends come into one batch.
  session_->Run(absl::StrCat("BEGIN; SELECT 1 FROM tcsync.clients WHERE client_id IN ('",
                             blocking[0].ToString(), "', '", blocking[1].ToString(),
                             "') FOR UPDATE"));
  std::vector<Waiter<absl::StatusOr<AppendOutcome>>> waiting(2);
  for (size_t i = 0; i < 2; ++i) {
    storage_->Append(AppendRequestFor(blocking[i], latest[i]), waiting[i].Callback());
    AwaitWaiting(static_cast<int>(i) + 1);
  }
  Waiter<absl::StatusOr<AppendOutcome>> of_damaged;
  Waiter<absl::StatusOr<AppendOutcome>> of_healthy;
  storage_->Append(AppendRequestFor(damaged, version_ids[0]), of_damaged.Callback());
  storage_->Append(AppendRequestFor(healthy, first), of_healthy.Callback());
  session_->Run("COMMIT");
  for (auto& waiter : waiting) EXPECT_TRUE(waiter.Wait().ok());
  EXPECT_FALSE(of_damaged.Wait().ok());
  const absl::StatusOr<AppendOutcome> outcome = of_healthy.Wait();
  EXPECT_TRUE(outcome.ok()) << outcome.status();
}

// Two computers of a new user make their first sync with the same invite at once.
TEST_F(PostgresRowsTest, LoserOfARaceForTheLastUseOfAnInviteGetsAConflict) {
  const Uuid client = Uuid::Random();
  Change(*storage_, Invite{.digest = DigestOf('i'), .label = "", .uses_max = 1});
  const std::unique_ptr<Storage> other = OpenPostgres(database_->url());
  ASSERT_NE(other, nullptr);
  AppendRequest request = AppendRequestFor(client, kNil);
  request.invite = DigestOf('i');
  // Both have read that there is no client before one of them creates it.
  session_->Run(
      absl::StrCat("BEGIN; INSERT INTO tcsync.clients SELECT '", client.ToString(),
                   "', 1, 0, 1, 0, gen_random_uuid(), 0, 0, false, NULL, 0, 0, 0, NULL, 0"));
  Waiter<absl::StatusOr<AppendOutcome>> first;
  Waiter<absl::StatusOr<AppendOutcome>> second;
  storage_->Append(request, first.Callback());
  AwaitWaiting(1);
  other->Append(request, second.Callback());
  AwaitWaiting(2);
  session_->Run("ROLLBACK");
  const absl::StatusOr<AppendOutcome> outcomes[] = {first.Wait(), second.Wait()};
  ASSERT_TRUE(outcomes[0].ok() && outcomes[1].ok());
  const bool first_wins = std::holds_alternative<Appended>(*outcomes[0]);
  const AppendOutcome& winner = *outcomes[first_wins ? 0 : 1];
  const AppendOutcome& loser = *outcomes[first_wins ? 1 : 0];
  ASSERT_TRUE(std::holds_alternative<Appended>(winner)) << winner.index();
  EXPECT_EQ(ConflictOf(loser), std::get<Appended>(winner).version_id) << loser.index();
}

// The deletion of a client that does not exist meets the upload that creates it.
TEST_F(PostgresRowsTest, DeletionKeepsThePiecesOfAnUploadThatIsStoredMeanwhile) {
  const Uuid client = Uuid::Random();
  AppendRequest request = UploadedAppendFor(*storage_, client, kNil, Noise(2000), 1000);
  session_->Run("BEGIN; SELECT 1 FROM tcsync.uploads FOR UPDATE");
  Waiter<absl::StatusOr<AppendOutcome>> append;
  storage_->Append(std::move(request), append.Callback());
  AwaitWaiting(1);
  std::thread deletion([&] { Delete(*storage_, client); });
  AwaitWaiting(2);
  session_->Run("COMMIT");
  deletion.join();
  const absl::StatusOr<AppendOutcome> outcome = append.Wait();
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(Verify(*storage_, client).problems.empty());
}

struct Oddity {
  const char* name;
  const char* statement;
  absl::StatusCode code;
  const char* remedy;  // a part of the message

  friend std::ostream& operator<<(std::ostream& out, const Oddity& oddity) {
    return out << oddity.name;
  }
};
const Oddity kOddities[] = {
    {"NoSchema", "DROP SCHEMA tcsync CASCADE", absl::StatusCode::kFailedPrecondition,
     "storage upgrade"},
    {"NoSettings", "DROP TABLE tcsync.settings", absl::StatusCode::kFailedPrecondition,
     "storage upgrade"},
    {"Newer", "UPDATE tcsync.settings SET value = '7' WHERE name = 'schema_version'",
     absl::StatusCode::kFailedPrecondition, "later"},
    {"Older", "UPDATE tcsync.settings SET value = '1' WHERE name = 'schema_version'",
     absl::StatusCode::kFailedPrecondition, "storage upgrade"},
    {"Foreign", "UPDATE tcsync.settings SET value = 'x' WHERE name = 'schema_version'",
     absl::StatusCode::kFailedPrecondition, "did not make"},
    {"NoUsage", "DROP TABLE tcsync.usage", absl::StatusCode::kFailedPrecondition,
     "storage upgrade"},
};
class PostgresOddityTest : public PostgresRowsTest, public testing::WithParamInterface<Oddity> {};

INSTANTIATE_TEST_SUITE_P(Oddities, PostgresOddityTest, testing::ValuesIn(kOddities),
                         [](const testing::TestParamInfo<Oddity>& info) {
                           return info.param.name;
                         });

TEST_P(PostgresOddityTest, IsRefusedWithTheRemedy) {
  storage_.reset();
  session_->Run(GetParam().statement);
  postgres_storage::PostgresStorageOptions options;
  options.url = database_->url();
  const auto opened = postgres_storage::OpenPostgresStorage(options, base::Logger());
  EXPECT_EQ(opened.status().code(), GetParam().code) << opened.status();
  EXPECT_TRUE(absl::StrContains(opened.status().message(), GetParam().remedy)) << opened.status();
}

TEST_F(PostgresRowsTest, RoleWithoutRightsIsNamed) {
  const std::string role = absl::StrCat("\"r", Uuid::Random().ToString(), "\"");
  session_->Run(absl::StrCat("CREATE ROLE ", role, " LOGIN"));
  postgres_storage::PostgresStorageOptions options;
  options.url = absl::StrCat(database_->url(), " user=", role.substr(1, role.size() - 2));
  const auto opened = postgres_storage::OpenPostgresStorage(options, base::Logger());
  EXPECT_TRUE(absl::IsPermissionDenied(opened.status())) << opened.status();
  session_->Run(absl::StrCat("DROP ROLE ", role));
}

}  // namespace
}  // namespace tcsync
