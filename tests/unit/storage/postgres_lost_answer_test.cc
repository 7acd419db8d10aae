// The connection is cut somewhere in a write's requests or answers. If these fail, a replica is
// told of a version that is not there, or loses or doubles one that is.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tcsync/other_servers.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"
#include "tests/unit/storage/postgres_faults.h"
#include "tests/unit/storage/storage_changes.h"

namespace tcsync {
namespace {

using Direction = PostgresProxy::Direction;

// A write that is about to be made, and the way to find out whether it was.
struct Attempt {
  // Makes the write, and expects that its outcome, if it has one, is the only right one.
  std::function<absl::Status(Storage& storage)> write;
  // Whether it was made; fails the test if it was made by half or twice.
  std::function<bool(Storage& storage)> was_made;
};
struct Write {
  const char* name;
  std::function<Attempt(Storage& storage)> prepare;

  friend std::ostream& operator<<(std::ostream& out, const Write& write) {
    return out << write.name;
  }
};

// The answer of an append, which must be Appended.
absl::Status CheckAppended(const absl::StatusOr<AppendOutcome>& outcome, Uuid& version_id,
                           bool creates = false) {
  if (!outcome.ok()) return outcome.status();
  const auto* appended = std::get_if<Appended>(&*outcome);
  EXPECT_NE(appended, nullptr) << "outcome " << outcome->index();
  if (appended == nullptr) return absl::OkStatus();
  EXPECT_EQ(appended->created_client, creates);
  version_id = appended->version_id;
  return absl::OkStatus();
}

// Whether the chain has grown from `before` to exactly one more.
bool HasGrown(Storage& storage, const Uuid& client, size_t before, const std::string& segment,
              const Uuid& reported) {
  const std::vector<Version> chain = ReadChain(storage, client, kNil);
  EXPECT_LE(chain.size(), before + 1) << "it was appended twice";
  if (chain.size() <= before) {
    EXPECT_TRUE(reported.IsNil()) << "a version was acknowledged that is not there";
    return false;
  }
  EXPECT_EQ(chain.back().segment, segment);
  if (!reported.IsNil()) {
    EXPECT_EQ(chain.back().version_id, reported);
  }
  return true;
}

struct Chain {
  Uuid client = Uuid::Random();
  std::vector<Uuid> version_ids;
};
Chain MakeChain(Storage& storage, int count) {
  Chain chain;
  chain.version_ids = AppendChain(storage, chain.client, kNil, count);
  return chain;
}

const std::string& LargeBytes() {
  static const std::string bytes = std::string(500, 'a') + std::string(100, 'b');
  return bytes;
}

// The same as UploadedAppendFor, of which each step may fail.
absl::Status Upload2(Storage& storage, UploadRequest request, std::shared_ptr<Upload>& upload) {
  absl::StatusOr<UploadOutcome> begun = TryBeginUpload(storage, std::move(request));
  if (!begun.ok()) return begun.status();
  auto* const taken = std::get_if<std::unique_ptr<Upload>>(&*begun);
  EXPECT_NE(taken, nullptr) << "the upload was refused as " << begun->index();
  if (taken == nullptr) return absl::OkStatus();
  upload = std::move(*taken);
  absl::Status added = TryAdd(*upload, LargeBytes().substr(0, 500));
  if (added.ok()) added = TryAdd(*upload, LargeBytes().substr(500));
  return added;
}

Attempt PrepareAppend(Storage& storage) {
  const Chain chain = MakeChain(storage, 1);
  auto reported = std::make_shared<Uuid>();
  return {[=](Storage& through) {
            AppendRequest request = AppendRequestFor(chain.client, chain.version_ids[0], "cut");
            request.create_client = false;
            return CheckAppended(TryAppend(through, std::move(request)), *reported);
          },
          [=](Storage& direct) { return HasGrown(direct, chain.client, 1, "cut", *reported); }};
}

Attempt PrepareCreation(Storage&) {
  const Uuid client = Uuid::Random();
  auto reported = std::make_shared<Uuid>();
  return {[=](Storage& through) {
            return CheckAppended(TryAppend(through, AppendRequestFor(client, kNil, "cut")),
                                 *reported, true);
          },
          [=](Storage& direct) { return HasGrown(direct, client, 0, "cut", *reported); }};
}

Attempt PrepareInvited(Storage& storage) {
  const Uuid client = Uuid::Random();
  TokenDigest digest{};
  std::copy_n(client.AsStringView().begin(), Uuid::kBytes, digest.begin());
  Change(storage, Invite{.digest = digest, .label = "", .uses_max = 1});
  auto reported = std::make_shared<Uuid>();
  return {[=](Storage& through) {
            AppendRequest request = AppendRequestFor(client, kNil, "cut");
            request.invite = digest;
            return CheckAppended(TryAppend(through, std::move(request)), *reported, true);
          },
          [=](Storage& direct) {
            const bool has_grown = HasGrown(direct, client, 0, "cut", *reported);
            for (const Invite& invite : Access(direct).invites) {
              if (invite.digest == digest) {
                EXPECT_EQ(invite.uses, has_grown ? 1u : 0u);
              }
            }
            return has_grown;
          }};
}

Attempt PrepareDiverged(Storage& storage) {
  const Chain chain = MakeChain(storage, 2);
  const Uuid parent = Uuid::Random();
  AcceptDiverged(storage, chain.client);
  auto reported = std::make_shared<Uuid>();
  return {[=](Storage& through) {
            return CheckAppended(TryAppend(through, AppendRequestFor(chain.client, parent, "cut")),
                                 *reported);
          },
          [=](Storage& direct) {
            const std::vector<Version> now = ReadChain(direct, chain.client, parent);
            EXPECT_EQ(Find(direct, chain.client).version_count(), now.empty() ? 2u : 1u);
            EXPECT_EQ(ReadChain(direct, chain.client, kNil).size(), now.empty() ? 2u : 0u);
            if (!reported->IsNil()) {
              EXPECT_EQ(VersionIdsOf(now), std::vector<Uuid>{*reported});
            }
            return !now.empty();
          }};
}

Attempt PrepareUploadedAppend(Storage& storage) {
  const Chain chain = MakeChain(storage, 1);
  auto reported = std::make_shared<Uuid>();
  return {
      [=](Storage& through) {
        AppendRequest request = AppendRequestFor(chain.client, chain.version_ids[0], "");
        const absl::Status uploaded =
            Upload2(through, UploadRequestFor(chain.client, chain.version_ids[0]), request.upload);
        if (!uploaded.ok()) return uploaded;
        return CheckAppended(TryAppend(through, std::move(request)), *reported);
      },
      [=](Storage& direct) { return HasGrown(direct, chain.client, 1, LargeBytes(), *reported); }};
}

bool HasSnapshot(Storage& storage, const Chain& chain, const std::string& bytes) {
  const std::optional<Snapshot> snapshot = SnapshotOf(storage, chain.client);
  if (!snapshot) return false;
  EXPECT_EQ(snapshot->bytes, bytes);
  return true;
}

Attempt PrepareSnapshot(Storage& storage) {
  const Chain chain = MakeChain(storage, 2);
  return {[=](Storage& through) {
            const auto outcome = TryStoreSnapshot(
                through, StoreSnapshotRequestFor(chain.client, chain.version_ids[1], "cut"));
            if (outcome.ok()) {
              EXPECT_EQ(*outcome, StoreSnapshotOutcome::kStored);
            }
            return outcome.status();
          },
          [=](Storage& direct) { return HasSnapshot(direct, chain, "cut"); }};
}

Attempt PrepareUploadedSnapshot(Storage& storage) {
  const Chain chain = MakeChain(storage, 2);
  return {[=](Storage& through) {
            StoreSnapshotRequest request =
                StoreSnapshotRequestFor(chain.client, chain.version_ids[1], "");
            const absl::Status uploaded =
                Upload2(through, SnapshotUploadRequestFor(chain.client, chain.version_ids[1]),
                        request.upload);
            if (!uploaded.ok()) return uploaded;
            const auto outcome = TryStoreSnapshot(through, std::move(request));
            if (outcome.ok()) {
              EXPECT_EQ(*outcome, StoreSnapshotOutcome::kStored);
            }
            return outcome.status();
          },
          [=](Storage& direct) { return HasSnapshot(direct, chain, LargeBytes()); }};
}

Attempt PrepareImport(Storage&, bool is_upload) {
  const Uuid client = Uuid::Random();
  const std::vector<StoredVersion> versions = ForeignChain(kNil, 3);
  const std::vector<Uuid> version_ids = VersionIdsOf(versions);
  return {[=](Storage& through) {
            ImportRequest request{
                .client_id = client,
                .versions = versions,
                .snapshot = ImportRequest::ImportedSnapshot{.snapshot = {version_ids[2], "cut"}}};
            if (is_upload) {
              request.versions[1].version.segment.clear();
              request.snapshot->snapshot.bytes.clear();
              for (std::shared_ptr<Upload>* const upload :
                   {&request.versions[1].upload, &request.snapshot->upload}) {
                const absl::Status uploaded = Upload2(
                    through, {.client_id = client, .purpose = UploadRequest::ForImport{}}, *upload);
                if (!uploaded.ok()) return uploaded;
              }
            }
            const auto outcome = through.administration().Import(std::move(request));
            if (!outcome.ok()) return outcome.status();
            const auto* imported = std::get_if<Imported>(&*outcome);
            EXPECT_NE(imported, nullptr);
            if (imported != nullptr) {
              EXPECT_EQ(imported->versions_added + imported->versions_present, 3u);
            }
            return absl::OkStatus();
          },
          [=](Storage& direct) {
            const std::vector<Version> chain = ReadChain(direct, client, kNil);
            if (chain.empty()) return false;
            EXPECT_EQ(VersionIdsOf(chain), version_ids);
            if (is_upload) {
              EXPECT_EQ(chain[1].segment, LargeBytes());
            }
            const auto snapshot = SnapshotOf(direct, client);
            EXPECT_TRUE(snapshot.has_value());
            if (snapshot) {
              EXPECT_EQ(snapshot->bytes, is_upload ? LargeBytes() : "cut");
            }
            return true;
          }};
}

Attempt PrepareDeletion(Storage& storage, bool exists) {
  const Chain chain = exists ? MakeChain(storage, 2) : Chain();
  return {[=](Storage& through) {
            const auto deleted = through.administration().DeleteClient(chain.client);
            if (deleted.ok()) {
              EXPECT_EQ(*deleted, exists);
            }
            return deleted.status();
          },
          [=](Storage& direct) { return ReadChain(direct, chain.client, kNil).empty(); }};
}

Attempt PrepareRewind(Storage& storage) {
  const Chain chain = MakeChain(storage, 3);
  StoreSnapshot(storage, chain.client, chain.version_ids[2], "gone");
  const uint64_t bytes = Find(storage, chain.client).history_bytes / 3 * 2 + 4;
  return {[=](Storage& through) {
            const auto rewound =
                through.administration().Rewind({.client_id = chain.client,
                                                 .version_id = chain.version_ids[0],
                                                 .latest_version_id = chain.version_ids[2],
                                                 .snapshot_version_id = chain.version_ids[2]});
            if (!rewound.ok()) return rewound.status();
            EXPECT_EQ(rewound->versions_removed, 2u);
            EXPECT_EQ(rewound->bytes_removed, bytes);
            EXPECT_TRUE(rewound->snapshot_removed);
            return absl::OkStatus();
          },
          [=](Storage& direct) {
            const size_t versions = ReadChain(direct, chain.client, kNil).size();
            EXPECT_TRUE(versions == 1 || versions == 3) << versions;
            EXPECT_EQ(SnapshotOf(direct, chain.client).has_value(), versions == 3);
            return versions == 1;
          }};
}

Attempt PrepareRemoval(Storage& storage) {
  const Chain chain = MakeChain(storage, 4);
  StoreSnapshot(storage, chain.client, chain.version_ids[3]);
  const uint64_t bytes = Find(storage, chain.client).history_bytes / 4 * 3;
  return {[=](Storage& through) {
            const auto removed = through.administration().RemoveVersions(chain.client, 4);
            if (removed.ok()) {
              EXPECT_EQ(*removed, bytes);
            }
            return removed.status();
          },
          [=](Storage& direct) {
            const uint64_t versions = Find(direct, chain.client).version_count();
            EXPECT_TRUE(versions == 1 || versions == 4) << versions;
            return versions == 1;
          }};
}

Attempt PrepareAcceptance(Storage& storage) {
  const Chain chain = MakeChain(storage, 1);
  return {[=](Storage& through) {
            const auto exists = through.administration().AcceptDiverged(chain.client, true);
            if (exists.ok()) {
              EXPECT_TRUE(*exists);
            }
            return exists.status();
          },
          [=](Storage& direct) { return Find(direct, chain.client).accepts_diverged; }};
}

Attempt PrepareBan(Storage&) {
  const Uuid client = Uuid::Random();
  const auto has_ban = [=](Storage& direct) {
    const std::vector<Ban> bans = Access(direct).bans;
    return std::any_of(bans.begin(), bans.end(),
                       [&](const Ban& ban) { return ban.client_id == client; });
  };
  return {[=](Storage& through) {
            return through.administration().ChangeAccess(Ban{.client_id = client, .reason = "cut"});
          },
          has_ban};
}

Attempt PrepareTokenRemoval(Storage& storage) {
  const Uuid client = Uuid::Random();
  Change(storage, ClientToken{.client_id = client, .digest = DigestOf('t')});
  return {
      [=](Storage& through) { return through.administration().ChangeAccess(RemoveToken{client}); },
      [=](Storage& direct) {
        const std::vector<ClientToken> tokens = Access(direct).tokens;
        return std::none_of(tokens.begin(), tokens.end(),
                            [&](const ClientToken& token) { return token.client_id == client; });
      }};
}

const Write kWrites[] = {
    {"Append", PrepareAppend},
    {"Creation", PrepareCreation},
    {"Invited", PrepareInvited},
    {"Diverged", PrepareDiverged},
    {"UploadedAppend", PrepareUploadedAppend},
    {"Snapshot", PrepareSnapshot},
    {"UploadedSnapshot", PrepareUploadedSnapshot},
    {"Import", [](Storage& storage) { return PrepareImport(storage, false); }},
    {"UploadedImport", [](Storage& storage) { return PrepareImport(storage, true); }},
    {"Deletion", [](Storage& storage) { return PrepareDeletion(storage, true); }},
    {"DeletionOfNone", [](Storage& storage) { return PrepareDeletion(storage, false); }},
    {"Rewind", PrepareRewind},
    {"Removal", PrepareRemoval},
    {"Acceptance", PrepareAcceptance},
    {"Ban", PrepareBan},
    {"TokenRemoval", PrepareTokenRemoval},
};

class PostgresLostAnswerTest : public PostgresTest, public testing::WithParamInterface<Write> {
 protected:
  void SetUpWithDatabase() override {
    proxy_ = std::make_unique<PostgresProxy>(database_->url());
    direct_ = OpenPostgres(database_->url());
    ASSERT_NE(direct_, nullptr);
  }

  // Every chain and every total, when no change is under way any more.
  void ExpectSound() {
    for (const ClientSummary& client : ListAll(*direct_)) {
      const ChainReport report = Verify(*direct_, client.client_id);
      EXPECT_TRUE(report.problems.empty()) << report.problems.front();
    }
    TestSession session(database_->url());
    ExpectTotalsAgree(session);
    const auto stats = direct_->administration().ReadStats();
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_EQ(absl::StrCat(stats->clients), session.Run("SELECT count(*) FROM tcsync.clients"));
  }

  std::unique_ptr<PostgresProxy> proxy_;
  std::unique_ptr<Storage> direct_;
};

INSTANTIATE_TEST_SUITE_P(Writes, PostgresLostAnswerTest, testing::ValuesIn(kWrites),
                         [](const testing::TestParamInfo<Write>& info) { return info.param.name; });

// Positions are some statements or fields apart, or each byte's with TCSYNC_TEST_EVERY_BYTE.
uint64_t Step(Direction direction) {
  if (std::getenv("TCSYNC_TEST_EVERY_BYTE") != nullptr) return 1;
  return direction == Direction::kRequest ? 1'613 : 131;
}

TEST_P(PostgresLostAnswerTest, IsFoundAfterTheConnectionWasCut) {
  std::unique_ptr<Storage> through = OpenPostgres(proxy_->url());
  ASSERT_NE(through, nullptr);
  for (const Direction direction : {Direction::kRequest, Direction::kAnswer}) {
    // Until a cut comes after the end of the write.
    for (uint64_t bytes = direction == Direction::kRequest ? 1 : 0;; bytes += Step(direction)) {
      SCOPED_TRACE(absl::StrCat(direction == Direction::kRequest ? "request" : "answer",
                                " cut after ", bytes, " bytes"));
      const Attempt attempt = GetParam().prepare(*direct_);
      proxy_->CutAfter(direction, bytes);
      const absl::Status status = attempt.write(*through);
      const bool was_cut = proxy_->EndCut();
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_TRUE(attempt.was_made(*direct_));
      if (HasFailure()) return;
      if (!was_cut) break;
    }
  }
  through.reset();  // with its last discarded uploads
  ExpectSound();
}

// The server does not come back in time.
TEST_P(PostgresLostAnswerTest, IsKnownOrUnknownWhenTheServerIsGone) {
  for (const Direction direction : {Direction::kRequest, Direction::kAnswer}) {
    for (uint64_t bytes = direction == Direction::kRequest ? 1 : 0;;
         bytes = 3 * bytes + Step(direction)) {
      SCOPED_TRACE(absl::StrCat(direction == Direction::kRequest ? "request" : "answer",
                                " cut after ", bytes, " bytes"));
      std::unique_ptr<Storage> through = OpenPostgres(proxy_->url(), std::chrono::milliseconds(50));
      ASSERT_NE(through, nullptr);
      const Attempt attempt = GetParam().prepare(*direct_);
      proxy_->CutAfter(direction, bytes, /*refuse_then=*/true);
      const absl::Status status = attempt.write(*through);
      const bool was_cut = proxy_->EndCut();
      through.reset();
      // A transaction that has lost its client may still be running.
      TestSession(database_->url())
          .RunUntil(R"(
          SELECT count(*) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'tcsync' AND state = 'active')",
                    "0");
      const bool was_made = attempt.was_made(*direct_);
      if (status.ok()) {
        EXPECT_TRUE(was_made);
      } else if (status.code() == absl::StatusCode::kUnavailable) {
        EXPECT_TRUE(!was_made || GetParam().name == absl::string_view("DeletionOfNone")) << status;
      } else {
        EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
      }
      if (HasFailure()) return;
      if (!was_cut) break;
    }
  }
  ExpectSound();
}

// The server is there again, but refuses to tell. "Nothing was stored" would be a guess.
TEST_P(PostgresLostAnswerTest, IsUnknownWhenLaterAttemptsFail) {
  const std::unique_ptr<Storage> through = OpenPostgres(proxy_->url());
  ASSERT_NE(through, nullptr);
  TestSession session(database_->url());
  const Attempt attempt = GetParam().prepare(*direct_);
  proxy_->CutAfter(Direction::kAnswer, 0, /*refuse_then=*/true);
  absl::Status status;
  std::thread writer([&] { status = attempt.write(*through); });
  proxy_->AwaitCut();
  session.Run("ALTER SCHEMA tcsync RENAME TO hidden");
  EXPECT_TRUE(proxy_->EndCut());
  writer.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  session.Run("ALTER SCHEMA hidden RENAME TO tcsync");
  attempt.was_made(*direct_);  // not by half
  ExpectSound();
}

// A storage whose connections a test cuts.
class PostgresCutTest : public PostgresTest {
 protected:
  void SetUpWithDatabase() override {
    proxy_ = std::make_unique<PostgresProxy>(database_->url());
    through_ = OpenPostgres(proxy_->url());
    ASSERT_NE(through_, nullptr);
  }

  std::unique_ptr<PostgresProxy> proxy_;
  std::unique_ptr<Storage> through_;
};

// An operator, or a chore of an engine, would be told of a failure that is none.
TEST_F(PostgresCutTest, ReadsAreRepeated) {
  const Uuid client = MakeChain(*through_, 2).client;
  StorageAdministration& administration = through_->administration();
  OtherServers& servers = *through_->other_servers();
  const std::vector<std::pair<const char*, std::function<absl::Status()>>> reads = {
      {"ReadStats", [&] { return administration.ReadStats().status(); }},
      {"ListClients", [&] { return administration.ListClients(std::nullopt, 10).status(); }},
      {"FindClient", [&] { return administration.FindClient(client).status(); }},
      {"ReadVersions", [&] { return administration.ReadVersions(client, 0, 10).status(); }},
      {"ReadPositions", [&] { return administration.ReadPositions(client, 0).status(); }},
      {"ListVersions", [&] { return administration.ListVersions(client, 0, 10).status(); }},
      {"VerifyChain", [&] { return administration.VerifyChain(client).status(); }},
      {"ReadAccessRecords", [&] { return administration.ReadAccessRecords().status(); }},
      {"ReadDeviceGates", [&] { return administration.ReadDeviceGates().status(); }},
      {"ReadDevices", [&] { return administration.ReadDevices(client).status(); }},
      {"PseudonymKey", [&] { return administration.PseudonymKey().status(); }},
      {"AccessRevision", [&] { return servers.AccessRevision().status(); }},
      {"LatestVersions", [&] { return servers.LatestVersions({client}).status(); }},
  };
  for (const auto& [name, read] : reads) {
    for (const Direction direction : {Direction::kRequest, Direction::kAnswer}) {
      for (uint64_t bytes = 1;; bytes += Step(direction)) {
        SCOPED_TRACE(absl::StrCat(name, direction == Direction::kRequest ? ", request" : ", answer",
                                  " cut after ", bytes, " bytes"));
        proxy_->CutAfter(direction, bytes);
        const absl::Status status = read();
        const bool was_cut = proxy_->EndCut();
        ASSERT_TRUE(status.ok()) << status;
        if (!was_cut) break;
      }
    }
  }
}

// Otherwise it would be one of the client's few uploads for an hour.
TEST_F(PostgresCutTest, DiscardsAreRepeated) {
  TestSession session(database_->url());
  for (const Direction direction : {Direction::kRequest, Direction::kAnswer}) {
    std::unique_ptr<Upload> upload =
        MustBeginUpload(*through_, UploadRequestFor(Uuid::Random(), kNil));
    ASSERT_TRUE(TryAdd(*upload, "piece").ok());
    proxy_->CutAfter(direction, 1);
    upload.reset();
    session.RunUntil("SELECT count(*) FROM tcsync.uploads", "0");
    session.RunUntil("SELECT count(*) FROM tcsync.pieces", "0");
  }
}

}  // namespace
}  // namespace tcsync
