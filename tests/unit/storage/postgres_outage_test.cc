// A server that is gone, hangs, takes no writes, or cannot reach its standby. If these fail,
// requests hang or pile up, a server does not recover by itself, or a failover loses an
// acknowledged version.
#include <signal.h>

#include <chrono>
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
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"
#include "tests/unit/storage/postgres_faults.h"
#include "tests/unit/storage/storage_changes.h"

namespace tcsync {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kWaitMax{400};
constexpr milliseconds kLittle{1'200};  // of a busy machine
constexpr milliseconds kPatience{10'000};

milliseconds Since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

// Calls until it succeeds; the time that passed.
milliseconds TimeUntilOk(const std::function<absl::Status()>& call) {
  const Clock::time_point begin = Clock::now();
  absl::Status status;
  while (!(status = call()).ok() && Since(begin) < kPatience) std::this_thread::yield();
  EXPECT_TRUE(status.ok()) << status;
  return Since(begin);
}

absl::Status TryProbe(Storage& storage) {
  Waiter<absl::Status> probed;
  storage.Probe(probed.Callback());
  return probed.Wait();
}

struct Outage {
  const char* name;
  std::function<void(PostgresProxy&)> begin;
  std::function<void(PostgresProxy&)> end;

  friend std::ostream& operator<<(std::ostream& out, const Outage& outage) {
    return out << outage.name;
  }
};

const Outage kOutages[] = {
    {"Gone", [](PostgresProxy& proxy) { proxy.SetRefusing(true); },
     [](PostgresProxy& proxy) { proxy.SetRefusing(false); }},
    {"Hanging", [](PostgresProxy& proxy) { proxy.SetFrozen(true); },
     [](PostgresProxy& proxy) { proxy.SetFrozen(false); }},
};

class PostgresOutageTest : public PostgresTest, public testing::WithParamInterface<Outage> {
 protected:
  void SetUpWithDatabase() override {
    proxy_ = std::make_unique<PostgresProxy>(database_->url());
    storage_ = OpenPostgres(proxy_->url(), kWaitMax);
    ASSERT_NE(storage_, nullptr);
    versions_ = AppendChain(*storage_, client_, kNil, 2);
    large_ = MustAppend(*storage_, large_client_, kNil).version_id;
    AppendRequest request = UploadedAppendFor(*storage_, large_client_, large_, Noise(4000), 1000);
    ASSERT_TRUE(TryAppend(*storage_, std::move(request)).ok());
  }

  // Begins calls of every kind at once, and expects that each ends in time, once.
  void ExpectEndsInTime() {
    constexpr int kEach = 40;
    std::vector<Waiter<absl::StatusOr<AppendOutcome>>> appends(2 * kEach);
    std::vector<Waiter<absl::StatusOr<ChildOutcome>>> children(kEach);
    std::vector<Waiter<absl::StatusOr<StoreSnapshotOutcome>>> snapshots(kEach);
    std::vector<Waiter<absl::StatusOr<UploadOutcome>>> uploads(kEach);
    std::vector<Waiter<absl::StatusOr<std::string>>> pieces(kEach);
    std::vector<Waiter<absl::Status>> added(kEach);
    const Clock::time_point begin = Clock::now();
    for (size_t i = 0; i < kEach; ++i) {
      storage_->Append(AppendRequestFor(Uuid::Random(), kNil), appends[2 * i].Callback());
      storage_->Append(AppendRequestFor(client_, versions_.back()), appends[2 * i + 1].Callback());
      storage_->GetChild(client_, kNil, children[i].Callback());
      storage_->StoreSnapshot(StoreSnapshotRequestFor(client_, versions_.back()),
                              snapshots[i].Callback());
      storage_->BeginUpload(UploadRequestFor(Uuid::Random(), kNil), uploads[i].Callback());
      sources_[i]->Read(pieces[i].Callback());
      uploads_[i]->Add("piece", added[i].Callback());
    }
    const auto expect = [&](absl::string_view name, const absl::Status& status) {
      EXPECT_LT(Since(begin), kWaitMax + kLittle) << name;
      if (status.ok()) return;  // of an operation whose request the server had got before
      EXPECT_TRUE(status.code() == absl::StatusCode::kUnavailable ||
                  status.code() == absl::StatusCode::kDeadlineExceeded)
          << name << status;
    };
    for (auto& waiter : appends) expect("append", waiter.Wait().status());
    for (auto& waiter : children) expect("child", waiter.Wait().status());
    for (auto& waiter : snapshots) expect("snapshot", waiter.Wait().status());
    for (auto& waiter : uploads) expect("upload", waiter.Wait().status());
    for (auto& waiter : pieces) expect("piece", waiter.Wait().status());
    for (auto& waiter : added) expect("add", waiter.Wait());
    const Clock::time_point administration = Clock::now();
    const auto deleted = storage_->administration().DeleteClient(Uuid::Random());
    EXPECT_FALSE(deleted.ok());
    EXPECT_LT(Since(administration), kWaitMax + kLittle);
  }

  // Uploads under way and readers of pieces, as an outage finds them.
  void BeginMany() {
    for (int i = 0; i < 40; ++i) {
      uploads_.push_back(MustBeginUpload(*storage_, UploadRequestFor(Uuid::Random(), kNil)));
      ChildOutcome outcome = GetChild(*storage_, large_client_, large_);
      ASSERT_TRUE(std::holds_alternative<Version>(outcome));
      sources_.push_back(std::get<Version>(outcome).pieces);
      ASSERT_NE(sources_.back(), nullptr);
    }
  }

  const Uuid client_ = Uuid::Random();
  const Uuid large_client_ = Uuid::Random();
  std::vector<Uuid> versions_;
  Uuid large_;
  std::unique_ptr<PostgresProxy> proxy_;
  std::unique_ptr<Storage> storage_;
  std::vector<std::unique_ptr<Upload>> uploads_;
  std::vector<std::shared_ptr<PieceSource>> sources_;
};

INSTANTIATE_TEST_SUITE_P(Outages, PostgresOutageTest, testing::ValuesIn(kOutages),
                         [](const testing::TestParamInfo<Outage>& info) {
                           return info.param.name;
                         });

TEST_P(PostgresOutageTest, EveryOperationEndsInTimeAndWorksAgainAfterwards) {
  BeginMany();
  GetParam().begin(*proxy_);
  ExpectEndsInTime();
  ExpectEndsInTime();
  GetParam().end(*proxy_);
  EXPECT_LT(TimeUntilOk([&] { return TryProbe(*storage_); }), milliseconds(1'000) + kLittle);
  EXPECT_TRUE(TryGetChild(*storage_, client_, kNil).ok());
  const Uuid latest = Find(*storage_, client_).latest_version_id;
  MustAppend(*storage_, client_, latest);
  EXPECT_TRUE(Verify(*storage_, client_).problems.empty());
  uploads_.clear();
  storage_.reset();
  TestSession session(database_->url());
  ExpectTotalsAgree(session);
}

TEST_P(PostgresOutageTest, ClosesInTime) {
  BeginMany();
  for (int i = 0; i < 100; ++i) {
    storage_->NoteReplicaSeen(client_, versions_[static_cast<size_t>(i) % 2], i * 86'400);
    storage_->NoteReplicaAhead(client_, Uuid::Random(), i);
  }
  GetParam().begin(*proxy_);
  Waiter<absl::StatusOr<AppendOutcome>> append;
  storage_->Append(AppendRequestFor(client_, versions_.back()), append.Callback());
  uploads_.clear();
  const Clock::time_point begin = Clock::now();
  storage_.reset();
  EXPECT_LT(Since(begin), 2 * kWaitMax + kLittle);
  EXPECT_FALSE(append.Wait().ok());
}

class PostgresServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = PostgresMissing()) TCSYNC_MISSING_PREREQUISITE(*missing);
    cluster_ = OwnCluster::Start();
    ASSERT_NE(cluster_, nullptr);
  }

  std::unique_ptr<OwnCluster> cluster_;
};

// All of a server's processes are stopped in the middle of a load, and go on.
TEST_F(PostgresServerTest, StopsAndGoesOn) {
  const std::unique_ptr<Storage> storage = OpenPostgres(cluster_->url(), kWaitMax);
  ASSERT_NE(storage, nullptr);
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage, client, kNil).version_id;
  for (int times = 0; times < 2; ++times) {
    cluster_->Signal(SIGSTOP);
    const Clock::time_point begin = Clock::now();
    const absl::Status appended =
        TryAppend(*storage, AppendRequestFor(Uuid::Random(), kNil)).status();
    EXPECT_TRUE(absl::IsDeadlineExceeded(appended) || absl::IsUnavailable(appended)) << appended;
    EXPECT_FALSE(TryGetChild(*storage, client, first).ok());
    EXPECT_LT(Since(begin), 2 * kWaitMax + kLittle);
    cluster_->Signal(SIGCONT);
    EXPECT_LT(TimeUntilOk([&] { return TryProbe(*storage); }), milliseconds(1'000) + kLittle);
  }
}

TEST_F(PostgresServerTest, TakesNoWritesForAWhile) {
  const std::unique_ptr<Storage> storage = OpenPostgres(cluster_->url(), kWaitMax);
  ASSERT_NE(storage, nullptr);
  const Uuid client = Uuid::Random();
  const Uuid first = MustAppend(*storage, client, kNil).version_id;
  cluster_->Set("default_transaction_read_only", "'on'");
  const Clock::time_point begin = Clock::now();
  const absl::Status appended = TryAppend(*storage, AppendRequestFor(client, first)).status();
  EXPECT_TRUE(absl::IsUnavailable(appended)) << appended;
  EXPECT_LT(Since(begin), kWaitMax + kLittle);
  {
    TestSession session(cluster_->url());
    session.Run("SET default_transaction_read_only = off");
    session.Run("ALTER SYSTEM RESET default_transaction_read_only");
    session.Run("SELECT pg_reload_conf()");
  }
  EXPECT_LT(TimeUntilOk([&] { return TryProbe(*storage); }), milliseconds(1'000) + kLittle);
  MustAppend(*storage, client, first);
}

// The ways in which a commit's wait for its standby ends early.
struct LostStandby {
  const char* name;
  const char* end_wait;
};
constexpr LostStandby kLostStandbys[] = {
    {"terminated",
     "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE wait_event = "
     "'SyncRep'"},
    {"cancelled",
     "SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"},
};

struct Call {
  const char* name;
  absl::Status (*call)(Storage& storage, const Uuid& client, const std::vector<Uuid>& version_ids);
};
constexpr Call kCalls[] = {
    {"append",
     [](Storage& storage, const Uuid& client, const std::vector<Uuid>& version_ids) {
       return TryAppend(storage, AppendRequestFor(client, version_ids.back())).status();
     }},
    {"creation",
     [](Storage& storage, const Uuid&, const std::vector<Uuid>&) {
       return TryAppend(storage, AppendRequestFor(Uuid::Random(), kNil)).status();
     }},
    {"snapshot",
     [](Storage& storage, const Uuid& client, const std::vector<Uuid>& version_ids) {
       return TryStoreSnapshot(storage, StoreSnapshotRequestFor(client, version_ids.back()))
           .status();
     }},
    {"rewind",
     [](Storage& storage, const Uuid& client, const std::vector<Uuid>& version_ids) {
       return storage.administration()
           .Rewind({.client_id = client,
                    .version_id = version_ids.front(),
                    .latest_version_id = version_ids.back()})
           .status();
     }},
    {"deletion",
     [](Storage& storage, const Uuid& client, const std::vector<Uuid>&) {
       return storage.administration().DeleteClient(client).status();
     }},
    {"ban",
     [](Storage& storage, const Uuid& client, const std::vector<Uuid>&) {
       return storage.administration().ChangeAccess(Ban{.client_id = client, .reason = ""});
     }},
    {"unban",
     [](Storage& storage, const Uuid& client, const std::vector<Uuid>&) {
       return storage.administration().ChangeAccess(RemoveBan{client});
     }},
};

// The change is in the server that answers, but would be lost with it.
TEST_F(PostgresServerTest, AcknowledgesNothingThatItsStandbyMayLack) {
  const std::unique_ptr<Storage> storage = OpenPostgres(cluster_->url(), milliseconds(250));
  const std::unique_ptr<Storage> unsafe =
      OpenPostgres(cluster_->url() + " options='-c synchronous_commit=local'");
  ASSERT_TRUE(storage != nullptr && unsafe != nullptr);
  TestSession session(cluster_->url());
  // Commits begin to wait some time after the setting has changed.
  const auto take_the_standby = [&] {
    cluster_->Set("synchronous_standby_names", "'none'");
    std::thread committing([&] {
      const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
          PQconnectdb((cluster_->url() + " options='-c client_min_messages=error'").c_str()),
          &PQfinish);
      while (PQstatus(connection.get()) == CONNECTION_OK) {
        PQclear(PQexec(connection.get(), "UPDATE tcsync.usage SET clients = clients"));
      }
    });
    session.RunUntil(kLostStandbys[0].end_wait, "t");
    committing.join();
  };
  for (const LostStandby& lost : kLostStandbys) {
    for (const Call& call : kCalls) {
      SCOPED_TRACE(absl::StrCat(call.name, ", ", lost.name));
      // A new connection is used once a commit on it has ended, so it has to be there before.
      cluster_->Set("synchronous_standby_names", "''");
      TimeUntilOk([&] { return TryProbe(*storage); });
      const Uuid client = Uuid::Random();
      const std::vector<Uuid> version_ids = AppendChain(*unsafe, client, kNil, 2);
      Change(*unsafe, Ban{.client_id = client, .reason = ""});
      take_the_standby();
      Waiter<absl::Status> waiter;
      std::thread thread([&, done = waiter.Callback()]() mutable {
        done(call.call(*storage, client, version_ids));
      });
      session.RunUntil(lost.end_wait, "t");  // once: a further attempt waits as well
      const absl::Status status = waiter.Wait();
      thread.join();
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << "acknowledged, or " << status;
      session.Run(kLostStandbys[0].end_wait);
    }
  }
}

}  // namespace
}  // namespace tcsync
