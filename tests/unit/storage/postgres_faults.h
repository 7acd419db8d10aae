// Faults between a storage and its PostgreSQL server, and in the server: a proxy that cuts or
// freezes connections, a cluster that a test may stop, and a session beside the storage's.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_POSTGRES_FAULTS_H_
#define TCSYNC_TESTS_UNIT_STORAGE_POSTGRES_FAULTS_H_

#include <libpq-fe.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "storage/postgres/postgres_storage.h"
#include "tcsync/storage.h"
#include "tests/postgres/postgres_database.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync {

// Tests with a database of their own.
class PostgresTest : public testing::Test {
 protected:
  void SetUp() final;
  // What a kind of tests needs beside the database.
  virtual void SetUpWithDatabase() {}

  std::unique_ptr<PostgresDatabase> database_;
};

// A session for a test's own statements. One thread.
class TestSession {
 public:
  explicit TestSession(const std::string& url);

  // Fails the test unless the statement succeeds. The first column of its first row, or "".
  std::string Run(const std::string& statement);
  // Runs it until its first column is `expected`; fails the test after ten seconds.
  void RunUntil(const std::string& statement, const std::string& expected);

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

// A proxy on a socket of its own in front of the socket of a cluster. Thread-safe.
class PostgresProxy {
 public:
  enum class Direction { kRequest, kAnswer };

  // For the server of that connection string, which names the directory of a socket.
  explicit PostgresProxy(const std::string& url);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  // The connection string through the proxy.
  const std::string& url() const { return url_; }

  // Cuts the connection that has passed on `bytes` bytes in that direction, counted over all
  // connections from now on: requests as soon as the last byte has passed, and answers when there
  // are more. Then, with `refuse_then`, refuses connections.
  void CutAfter(Direction direction, uint64_t bytes, bool refuse_then = false);
  // Waits until the cut was made.
  void AwaitCut();
  // Whether the cut was made. Ends the order for it, and the refusal.
  bool EndCut();

  // Accepts connections and passes on nothing, or goes on.
  void SetFrozen(bool frozen);
  // Cuts all connections and accepts no others, or accepts them again.
  void SetRefusing(bool refusing);

 private:
  struct Pair {
    int client = -1;
    int server = -1;
  };

  void Accept();
  void Pump(const std::shared_ptr<Pair>& pair, Direction direction);
  void CutAllLocked();

  const TemporaryDirectory directory_;
  std::string server_path_;
  std::string url_;
  int listener_ = -1;
  std::mutex mutex_;  // guards the members below
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Pair>> pairs_;
  std::vector<std::thread> pumps_;
  bool frozen_ = false;
  bool refusing_ = false;
  bool ending_ = false;
  struct Cut {
    Direction direction;
    uint64_t bytes_left;
    bool refuse_then;
  };
  std::optional<Cut> cut_;
  bool was_cut_ = false;
  std::thread accepter_;  // last: it uses the members above
};

// A cluster of the test's own. One thread.
class OwnCluster {
 public:
  // nullptr after a failure of the test.
  static std::unique_ptr<OwnCluster> Start();
  ~OwnCluster();
  OwnCluster(const OwnCluster&) = delete;
  OwnCluster& operator=(const OwnCluster&) = delete;

  // Of the database `postgres`, which has tcsync's tables.
  const std::string& url() const { return url_; }

  // Sends the signal to the postmaster and all of its processes.
  void Signal(int signal);
  // Changes a setting of the server, and waits until new sessions see it.
  void Set(const std::string& name, const std::string& value);

 private:
  OwnCluster() = default;

  const TemporaryDirectory directory_;
  std::string url_;
  pid_t postmaster_ = -1;
};

// The part of a connection string `host=... port=...` of that name.
std::string PartOf(const std::string& url, const std::string& name);

// Opens a storage with that time for each operation; fails the test otherwise.
std::unique_ptr<Storage> OpenPostgres(const std::string& url,
                                      std::chrono::milliseconds wait_max = std::chrono::seconds(5));

// Expects that the database's totals are those of its rows: of clients, of their live bytes, and of
// the pieces of unfinished uploads.
void ExpectTotalsAgree(TestSession& session);

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_POSTGRES_FAULTS_H_
