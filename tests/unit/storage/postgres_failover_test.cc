// A real failover: the primary server is killed under load, and its synchronous standby takes over.
// If this fails, an acknowledged version is lost, or servers must be restarted by hand.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
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

// A standby of a cluster, run by the user of its socket.
class Standby {
 public:
  explicit Standby(const std::string& primary_url) {
    struct stat socket {};
    EXPECT_EQ(stat(PartOf(primary_url, "host").c_str(), &socket), 0);
    EXPECT_EQ(chown(directory_.path().c_str(), socket.st_uid, socket.st_gid), 0);
    if (geteuid() == 0) {
      as_user_ = absl::StrCat("setpriv --clear-groups --reuid ", socket.st_uid, " --regid ",
                              socket.st_gid, " ");
    }
    programs_ = TestSession(primary_url).Run("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
    Run(absl::StrCat("pg_basebackup --checkpoint fast --no-sync -R -h ",
                     PartOf(primary_url, "host"), " -p ", PartOf(primary_url, "port"),
                     " -U postgres -D ", data()));
    Run(absl::StrCat("pg_ctl -s -w -D ", data(), " -l ", directory_.path(),
                     "/log -o '-c port=5433 ", "-c max_connections=300 ",
                     "-c listen_addresses= -c unix_socket_directories=", directory_.path(),
                     "' start"));
  }
  ~Standby() { Run(absl::StrCat("pg_ctl -s -m immediate -D ", data(), " stop")); }

  const std::string& directory() const { return directory_.path(); }
  std::string url() const {
    return absl::StrCat("host=", directory_.path(), " port=5433 user=postgres dbname=postgres");
  }
  void Promote() { Run(absl::StrCat("pg_ctl -s -w -D ", data(), " promote")); }

 private:
  std::string data() const { return directory_.path() + "/data"; }
  void Run(const std::string& command) {
    EXPECT_EQ(std::system(absl::StrCat(as_user_, programs_, "/", command).c_str()), 0) << command;
  }

  const TemporaryDirectory directory_;
  std::string as_user_;
  std::string programs_;
};

// A primary whose commits wait for its standby.
class PostgresStandbyTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = PostgresMissing()) TCSYNC_MISSING_PREREQUISITE(*missing);
    primary_ = OwnCluster::Start();
    ASSERT_NE(primary_, nullptr);
    standby_ = std::make_unique<Standby>(primary_->url());
    primary_->Set("synchronous_standby_names", "'*'");
    TestSession(primary_->url())
        .RunUntil("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "1");
  }

  // With both hosts.
  std::string Url() const {
    return absl::StrCat("host=", PartOf(primary_->url(), "host"), ",", standby_->directory(),
                        " port=", PartOf(primary_->url(), "port"),
                        ",5433 user=postgres dbname=postgres");
  }

  std::unique_ptr<OwnCluster> primary_;
  std::unique_ptr<Standby> standby_;
};

// The ends of the primary: killed, or hanging for ever.
class PostgresFailoverTest : public PostgresStandbyTest, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Ends, PostgresFailoverTest, testing::Values(SIGKILL, SIGSTOP),
                         [](const testing::TestParamInfo<int>& info) {
                           return info.param == SIGKILL ? "Killed" : "Hanging";
                         });

TEST_P(PostgresFailoverTest, LosesNothingThatWasAcknowledged) {
  const std::unique_ptr<Storage> storage = OpenPostgres(Url(), std::chrono::seconds(3));
  ASSERT_NE(storage, nullptr);
  std::mutex mutex;
  std::vector<std::pair<Uuid, Uuid>> acknowledged;  // clients and versions
  std::atomic<size_t> appends{0};
  std::atomic<bool> is_ending{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      const Uuid client = Uuid::Random();
      Uuid latest = kNil;
      while (!is_ending) {
        const auto outcome = TryAppend(*storage, AppendRequestFor(client, latest));
        if (!outcome.ok()) {
          EXPECT_TRUE(absl::IsUnavailable(outcome.status()) ||
                      absl::IsDeadlineExceeded(outcome.status()))
              << outcome.status();
          std::this_thread::yield();
          continue;
        }
        if (const auto* appended = std::get_if<Appended>(&*outcome)) {
          latest = appended->version_id;
          const std::lock_guard lock(mutex);
          acknowledged.emplace_back(client, latest);
          ++appends;
        } else if (const auto conflict = ConflictOf(*outcome)) {
          latest = *conflict;  // its own, of which it was told nothing
        }
      }
    });
  }
  const auto await_appends = [&](size_t more) {
    const size_t enough = appends + more;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (appends < enough && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_GE(appends, enough);
  };
  await_appends(200);
  primary_->Signal(GetParam());
  standby_->Promote();
  const auto promoted = std::chrono::steady_clock::now();
  await_appends(1);
  // Those under way at a hanging server end after their longest wait.
  EXPECT_LT(std::chrono::steady_clock::now() - promoted, std::chrono::seconds(6));
  await_appends(200);
  is_ending = true;
  for (std::thread& thread : threads) thread.join();
  std::set<std::pair<Uuid, Uuid>> stored;
  std::set<Uuid> clients;
  for (const auto& [client, version_id] : acknowledged) clients.insert(client);
  for (const Uuid& client : clients) {
    for (const Version& version : ReadChain(*storage, client, kNil)) {
      stored.emplace(client, version.version_id);
    }
    EXPECT_TRUE(Verify(*storage, client).problems.empty());
  }
  for (const auto& link : acknowledged) EXPECT_EQ(stored.count(link), 1u) << "lost";
  TestSession session(standby_->url());
  ExpectTotalsAgree(session);
}

using PostgresFormerPrimaryTest = PostgresStandbyTest;

// The old primary was suspended, and goes on after the standby has taken over: it takes writes, as
// far as a new connection can tell. If this fails, a server that starts in that moment tells
// clients that their histories are gone.
TEST_F(PostgresFormerPrimaryTest, IsNotRead) {
  const Uuid client = Uuid::Random();
  Uuid first;
  {
    const std::unique_ptr<Storage> storage = OpenPostgres(Url());
    ASSERT_NE(storage, nullptr);
    first = MustAppend(*storage, client, kNil).version_id;
  }
  primary_->Signal(SIGSTOP);
  standby_->Promote();
  Uuid second;
  {
    const std::unique_ptr<Storage> storage = OpenPostgres(Url());
    ASSERT_NE(storage, nullptr);
    second = MustAppend(*storage, client, first).version_id;
  }
  primary_->Signal(SIGCONT);
  const std::unique_ptr<Storage> storage = OpenPostgres(Url());
  ASSERT_NE(storage, nullptr);
  EXPECT_EQ(ReadChain(*storage, client, kNil).size(), 2u);
  MustAppend(*storage, client, second);
}

}  // namespace
}  // namespace tcsync
