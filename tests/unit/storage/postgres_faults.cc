#include "tests/unit/storage/postgres_faults.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "storage/postgres/schema.h"
#include "tests/missing_prerequisite.h"

namespace tcsync {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) std::abort();
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return address;
}

bool SendAll(int descriptor, const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(descriptor, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace

void PostgresTest::SetUp() {
  if (const auto missing = PostgresMissing()) TCSYNC_MISSING_PREREQUISITE(*missing);
  auto database = PostgresDatabase::Make();
  ASSERT_TRUE(database.ok()) << database.status();
  database_ = *std::move(database);
  SetUpWithDatabase();
}

TestSession::TestSession(const std::string& url)
    : connection_(PQconnectdb(absl::StrCat(url, " options='-c client_min_messages=error'").c_str()),
                  &PQfinish) {
  EXPECT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
}

std::string TestSession::Run(const std::string& statement) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexec(connection_.get(), statement.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
      << statement << ": " << PQerrorMessage(connection_.get());
  if (PQntuples(result.get()) == 0) return "";
  return PQgetvalue(result.get(), 0, 0);
}

void TestSession::RunUntil(const std::string& statement, const std::string& expected) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string found;
  while ((found = Run(statement)) != expected) {
    if (std::chrono::steady_clock::now() > deadline) {
      ADD_FAILURE() << statement << " is " << found << " and not " << expected;
      return;
    }
    std::this_thread::yield();
  }
}

std::string PartOf(const std::string& url, const std::string& name) {
  for (const absl::string_view part : absl::StrSplit(url, ' ')) {
    const std::pair<absl::string_view, absl::string_view> split =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (split.first == name) return std::string(split.second);
  }
  return "";
}

PostgresProxy::PostgresProxy(const std::string& url)
    : server_path_(absl::StrCat(PartOf(url, "host"), "/.s.PGSQL.", PartOf(url, "port"))),
      url_(absl::StrCat(url, " host=", directory_.path())) {
  const sockaddr_un address =
      AddressOf(absl::StrCat(directory_.path(), "/.s.PGSQL.", PartOf(url, "port")));
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, 128) != 0) {
    std::perror("cannot listen");
    std::abort();
  }
  accepter_ = std::thread([this] { Accept(); });
}

PostgresProxy::~PostgresProxy() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    CutAllLocked();
  }
  changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  accepter_.join();
  for (std::thread& pump : pumps_) pump.join();
  for (const auto& pair : pairs_) {
    close(pair->client);
    close(pair->server);
  }
  close(listener_);
}

void PostgresProxy::CutAllLocked() {
  for (const auto& pair : pairs_) {
    shutdown(pair->client, SHUT_RDWR);
    shutdown(pair->server, SHUT_RDWR);
  }
}

void PostgresProxy::CutAfter(Direction direction, uint64_t bytes, bool refuse_then) {
  const std::lock_guard lock(mutex_);
  cut_ = {direction, bytes, refuse_then};
  was_cut_ = false;
}

void PostgresProxy::AwaitCut() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(10), [this] { return was_cut_; })) {
    ADD_FAILURE() << "nothing was cut";
  }
}

bool PostgresProxy::EndCut() {
  const std::lock_guard lock(mutex_);
  cut_.reset();
  refusing_ = false;
  return was_cut_;
}

void PostgresProxy::SetFrozen(bool frozen) {
  const std::lock_guard lock(mutex_);
  frozen_ = frozen;
  changed_.notify_all();
}

void PostgresProxy::SetRefusing(bool refusing) {
  const std::lock_guard lock(mutex_);
  refusing_ = refusing;
  if (refusing) CutAllLocked();
}

void PostgresProxy::Accept() {
  const sockaddr_un address = AddressOf(server_path_);
  for (;;) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (ending_) {
      if (client >= 0) close(client);
      return;
    }
    if (client < 0) continue;
    const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (refusing_ ||
        connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      close(client);
      close(server);
      continue;
    }
    auto pair = std::make_shared<Pair>(Pair{client, server});
    pairs_.push_back(pair);
    for (const Direction direction : {Direction::kRequest, Direction::kAnswer}) {
      pumps_.emplace_back([this, pair, direction] { Pump(pair, direction); });
    }
  }
}

void PostgresProxy::Pump(const std::shared_ptr<Pair>& pair, Direction direction) {
  const int from = direction == Direction::kRequest ? pair->client : pair->server;
  const int to = direction == Direction::kRequest ? pair->server : pair->client;
  char buffer[16 * 1024];
  bool is_open = true;
  while (is_open) {
    const ssize_t got = recv(from, buffer, sizeof(buffer), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    auto size = static_cast<size_t>(got);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !frozen_ || ending_; });
      if (ending_) break;
      if (cut_ && cut_->direction == direction) {
        const bool is_over =
            direction == Direction::kRequest ? size >= cut_->bytes_left : size > cut_->bytes_left;
        if (is_over) {
          size = cut_->bytes_left;
          is_open = false;
          was_cut_ = true;
          changed_.notify_all();
          refusing_ = cut_->refuse_then;
          cut_.reset();
        } else {
          cut_->bytes_left -= size;
        }
      }
    }
    if (!SendAll(to, buffer, size)) break;
  }
  shutdown(pair->client, SHUT_RDWR);
  shutdown(pair->server, SHUT_RDWR);
}

std::unique_ptr<OwnCluster> OwnCluster::Start() {
  std::unique_ptr<OwnCluster> cluster(new OwnCluster);
  const std::string directory = cluster->directory_.path() + "/cluster";
  // It ends with this process, which is the parent of the program that starts it.
  const std::string command =
      absl::StrCat("exec python3 -B ", TCSYNC_SOURCE_DIR,
                   "/tests/postgres/cluster.py start --durable ", directory);
  if (const int code = std::system(command.c_str()); code != 0) {
    ADD_FAILURE() << command << " has ended with " << code;
    return nullptr;
  }
  std::getline(std::ifstream(directory + "/url"), cluster->url_);
  cluster->url_ += " dbname=postgres";
  const std::string data = TestSession(cluster->url_).Run("SHOW data_directory");
  std::string process_id;
  std::getline(std::ifstream(data + "/postmaster.pid"), process_id);
  if (!absl::SimpleAtoi(process_id, &cluster->postmaster_)) {
    ADD_FAILURE() << "the cluster does not run";
    return nullptr;
  }
  const auto upgraded = postgres_storage::UpgradeSchema(cluster->url_);
  EXPECT_TRUE(upgraded.ok()) << upgraded.status();
  return cluster;
}

OwnCluster::~OwnCluster() {
  Signal(SIGCONT);
  const std::string command =
      absl::StrCat("exec python3 -B ", TCSYNC_SOURCE_DIR, "/tests/postgres/cluster.py stop ",
                   directory_.path(), "/cluster");
  EXPECT_EQ(std::system(command.c_str()), 0);
}

void OwnCluster::Signal(int signal) {
  // Its children are few, and the postmaster is stopped first, so that there are no further ones.
  kill(postmaster_, signal);
  std::ifstream children(absl::StrCat("/proc/", postmaster_, "/task/", postmaster_, "/children"));
  pid_t child = -1;
  while (children >> child) kill(child, signal);
}

void OwnCluster::Set(const std::string& name, const std::string& value) {
  TestSession session(url_);
  session.Run(absl::StrCat("ALTER SYSTEM SET ", name, " = ", value));
  session.Run("SELECT pg_reload_conf()");
  session.RunUntil(absl::StrCat("SELECT current_setting('", name, "') = ", value, "::text"), "t");
}

std::unique_ptr<Storage> OpenPostgres(const std::string& url, std::chrono::milliseconds wait_max) {
  postgres_storage::PostgresStorageOptions options;
  options.url = url;
  options.wait_max = wait_max;
  // On a busy machine the first connection can take longer than a test's operations may.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  auto storage = postgres_storage::OpenPostgresStorage(options, base::Logger());
  while (!storage.ok() && std::chrono::steady_clock::now() < deadline) {
    storage = postgres_storage::OpenPostgresStorage(options, base::Logger());
  }
  EXPECT_TRUE(storage.ok()) << storage.status();
  return storage.ok() ? *std::move(storage) : nullptr;
}

void ExpectTotalsAgree(TestSession& session) {
  EXPECT_EQ(session.Run("SELECT sum(clients) FROM tcsync.usage"),
            session.Run("SELECT count(*) FROM tcsync.clients"));
  EXPECT_EQ(session.Run("SELECT sum(live_bytes) FROM tcsync.usage"), session.Run(R"(
      SELECT coalesce(sum(256 + history_bytes + snapshot_bytes
                          + 128 * (latest_number + 1 - first_number)), 0) FROM tcsync.clients)"));
  EXPECT_EQ(session.Run("SELECT coalesce(sum(history_bytes), 0) FROM tcsync.clients"),
            session.Run("SELECT coalesce(sum(bytes), 0) FROM tcsync.versions"));
  EXPECT_EQ(session.Run("SELECT coalesce(sum(bytes), 0) FROM tcsync.uploads"), session.Run(R"(
      SELECT coalesce(sum(length(p.bytes)), 0) FROM tcsync.pieces AS p
      JOIN tcsync.uploads AS u USING (client_id, upload_id))"));
  // Each piece belongs to an upload, a version or a snapshot.
  EXPECT_EQ(session.Run(R"(
      SELECT count(*) FROM tcsync.pieces AS p
      WHERE NOT EXISTS (SELECT 1 FROM tcsync.uploads AS u WHERE u.upload_id = p.upload_id)
        AND NOT EXISTS (SELECT 1 FROM tcsync.versions AS v WHERE v.upload_id = p.upload_id)
        AND NOT EXISTS (SELECT 1 FROM tcsync.clients AS c WHERE c.snapshot_upload_id = p.upload_id))"),
            "0");
}

}  // namespace tcsync
