// The server of the protocol suite: an engine and a listener in this process, on a port and in a
// directory of their own, so that the sanitizers see the server too.
#ifndef TCSYNC_TESTS_CONFORMANCE_TEST_SERVER_H_
#define TCSYNC_TESTS_CONFORMANCE_TEST_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "http_client.h"
#include "tcsync/engine.h"
#include "tcsync/listener.h"
#include "tcsync/options.h"
#include "tcsync/storage.h"
#include "tests/postgres/postgres_database.h"

namespace tcsync::conformance {

inline constexpr char kSegmentType[] = "application/vnd.taskchampion.history-segment";
inline constexpr char kSnapshotType[] = "application/vnd.taskchampion.snapshot";
inline constexpr char kNil[] = "00000000-0000-0000-0000-000000000000";

// A new client or version ID.
std::string RandomId();

// A directory that is removed, with its content, when this object is destroyed.
class TempDirectory {
 public:
  TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Collects log messages. Thread-safe.
class LogCollector {
 public:
  LogFunction Function();
  // The messages of `level` and above so far.
  std::vector<std::string> Messages(LogLevel level) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> messages_;
};

// Every default, except for `storage` and the wait for a database. TestServer adds the address and
// the directory.
Options OptionsFor(absl::string_view storage);

// An engine, served on 127.0.0.1 at a port that the system picked. Any failure at its start ends
// the test program with a message.
class TestServer {
 public:
  // In memory, with every default.
  TestServer() : TestServer(OptionsFor("memory")) {}
  // `options.data_dir` is replaced by a new directory; `options.postgres_url`, unless it has a
  // value, by a new database; and `options.listen`, unless it was changed from its default, by
  // 127.0.0.1:0. With a `storage`, the engine is opened over that.
  explicit TestServer(Options options, std::unique_ptr<Storage> storage = nullptr);
  ~TestServer();

  // The first of the listener's addresses.
  std::string address() const { return listener().addresses().front(); }
  HttpClient Connect() const { return HttpClient(address()); }
  Listener& listener() const { return *listener_; }
  Engine& engine() const { return *engine_; }
  const LogCollector& log() const { return log_; }

  // Stops the listener, and closes the engine: clients see that the server has ended.
  void Close();
  // Close(), then the same again in the same directory, with other options if given.
  void Reopen();
  void Reopen(const Options& options);
  // Stops the listener and serves the same engine with a new one.
  void RestartListener();
  // Destroys the listener, which stops it, but not the engine.
  void DestroyListener() { listener_.reset(); }

 private:
  void StartListener();

  TempDirectory directory_;
  std::unique_ptr<PostgresDatabase> database_;  // only for the storage "postgres"
  LogCollector log_;
  Options options_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Listener> listener_;
};

// Speaks the rows of the protocol for one client ID, over one keep-alive connection.
class Replica {
 public:
  // A new client ID.
  explicit Replica(const TestServer& server) : Replica(server, RandomId()) {}
  Replica(const TestServer& server, std::string client_id)
      : client_(server.Connect()), client_id_(std::move(client_id)) {}

  const std::string& client_id() const { return client_id_; }
  HttpClient& client() { return client_; }
  void Reconnect(const TestServer& server) { client_ = server.Connect(); }

  HttpResponse AddVersion(absl::string_view parent, absl::string_view segment = "segment");
  HttpResponse GetChildVersion(absl::string_view parent);
  HttpResponse AddSnapshot(absl::string_view version, absl::string_view snapshot = "snapshot");
  HttpResponse GetSnapshot();

  // Adds a version, expects 200, and returns the new version's ID; "" after a failure.
  std::string Append(absl::string_view parent, absl::string_view segment = "segment");
  // Adds `count` versions, the first with `parent`: their IDs in order.
  std::vector<std::string> AppendChain(absl::string_view parent, int count);
  // Follows the chain from `parent` as a replica does: the version IDs up to 404, which it expects.
  std::vector<std::string> Pull(absl::string_view parent);

 private:
  HttpClient client_;
  std::string client_id_;
};

// The requests that Replica sends, to be changed or cut into pieces.
HttpRequest AddVersionRequest(absl::string_view client_id, absl::string_view parent,
                              absl::string_view segment = "segment");
HttpRequest GetChildVersionRequest(absl::string_view client_id, absl::string_view parent);
HttpRequest AddSnapshotRequest(absl::string_view client_id, absl::string_view version,
                               absl::string_view snapshot = "snapshot");
HttpRequest GetSnapshotRequest(absl::string_view client_id);
// A request without its field `name`, and with another value for it.
HttpRequest Without(HttpRequest request, absl::string_view name);
HttpRequest With(HttpRequest request, absl::string_view name, absl::string_view value);

// `size` bytes that do not compress: first every value in turn (NUL, CR and LF among them), then
// pseudo-random ones that depend on `seed`.
std::string BinaryBytes(size_t size, uint32_t seed = 1);

// Calls `done` until it is true; false if it is not by the deadline.
bool Eventually(absl::FunctionRef<bool()> done);

// Expects `status`, and an explanation in plain text for people.
void ExpectError(const HttpResponse& response, int status);

// Expects that the server closes the connection, without a response or with one that has one of
// `statuses`.
void ExpectClosed(HttpClient& client, std::vector<int> statuses = {});

}  // namespace tcsync::conformance

#endif  // TCSYNC_TESTS_CONFORMANCE_TEST_SERVER_H_
