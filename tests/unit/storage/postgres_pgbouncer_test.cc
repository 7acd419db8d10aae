// A pooler between storage and server that gives each transaction any of its few connections. If
// these fail, prepared statements are missed or mixed up, or a restart of the pooler needs one of
// the server's.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
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

constexpr char kProgram[] = "/usr/sbin/pgbouncer";

// PgBouncer in transaction mode. It refuses to run as root, as PostgreSQL does, and then runs as
// the user of the cluster's socket.
class Pooler {
 public:
  explicit Pooler(const std::string& url) {
    struct stat socket {};
    EXPECT_EQ(stat(PartOf(url, "host").c_str(), &socket), 0);
    EXPECT_EQ(chown(directory_.path().c_str(), socket.st_uid, socket.st_gid), 0);
    std::ofstream(directory_.path() + "/ini")
        << "[databases]\n* = host=" << PartOf(url, "host") << " port=" << PartOf(url, "port")
        << " user=" << PartOf(url, "user")
        << "\n[pgbouncer]\nunix_socket_dir = " << directory_.path()
        << "\nlisten_addr =\nlisten_port = 6432\nauth_type = any\n"
        << "pool_mode = transaction\ndefault_pool_size = 3\nlogfile = " << directory_.path()
        << "/log\npidfile = " << directory_.path() << "/pid\n";
    command_ =
        absl::StrCat(geteuid() == 0 ? absl::StrCat("setpriv --clear-groups --reuid ", socket.st_uid,
                                                   " --regid ", socket.st_gid, " ")
                                    : "",
                     kProgram, " -q -d ", directory_.path(), "/ini");
    url_ = absl::StrCat("host=", directory_.path(), " port=6432 user=", PartOf(url, "user"),
                        " dbname=", PartOf(url, "dbname"));
  }
  ~Pooler() { Stop(); }

  const std::string& url() const { return url_; }
  void Start() {
    ASSERT_EQ(std::system(command_.c_str()), 0);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (PQping(url_.c_str()) != PQPING_OK) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  void Stop() {
    pid_t process = 0;
    std::ifstream(directory_.path() + "/pid") >> process;
    if (process <= 0) return;
    kill(process, SIGTERM);
    while (kill(process, 0) == 0) std::this_thread::yield();
  }

 private:
  const TemporaryDirectory directory_;
  std::string command_;
  std::string url_;
};

TEST(PostgresPgbouncerTest, OperationsWorkAlsoWhenItRestarts) {
  if (const auto missing = PostgresMissing()) TCSYNC_MISSING_PREREQUISITE(*missing);
  if (access(kProgram, X_OK) != 0) TCSYNC_MISSING_PREREQUISITE("PgBouncer is not installed");
  auto database = PostgresDatabase::Make();
  ASSERT_TRUE(database.ok()) << database.status();
  Pooler pooler((*database)->url());
  pooler.Start();
  // Two servers, whose statements have the same names.
  const std::unique_ptr<Storage> storages[] = {OpenPostgres(pooler.url()),
                                               OpenPostgres(pooler.url())};
  ASSERT_TRUE(storages[0] != nullptr && storages[1] != nullptr);
  std::atomic<bool> is_ending{false};
  std::atomic<int> rounds{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      Storage& storage = *storages[i % 2];
      while (!is_ending && !testing::Test::HasFailure()) {
        const Uuid client = Uuid::Random();
        const std::vector<Uuid> version_ids = AppendChain(storage, client, kNil, 3);
        AppendRequest request =
            UploadedAppendFor(storage, client, version_ids[2], Noise(3000), 1000);
        const auto uploaded = TryAppend(storage, std::move(request));
        EXPECT_TRUE(uploaded.ok()) << uploaded.status();
        StoreSnapshot(storage, client, version_ids[2]);
        EXPECT_EQ(ReadChain(storage, client, kNil).size(), 4u);
        EXPECT_TRUE(SnapshotOf(storage, client).has_value());
        RemoveBelow(storage, client, 3);
        EXPECT_TRUE(Verify(storage, client).problems.empty());
        if (i % 4 == 0) {
          EXPECT_TRUE(Delete(storage, client));
        }
        ++rounds;
      }
    });
  }
  const auto await_rounds = [&](int more) {
    const int enough = rounds + more;
    while (rounds < enough && !testing::Test::HasFailure()) std::this_thread::yield();
  };
  await_rounds(16);
  for (int times = 0; times < 2; ++times) {
    pooler.Stop();
    pooler.Start();
    await_rounds(16);
  }
  is_ending = true;
  for (std::thread& thread : threads) thread.join();
  TestSession session((*database)->url());
  ExpectTotalsAgree(session);
}

}  // namespace
}  // namespace tcsync
