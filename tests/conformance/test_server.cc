// See test_server.h.
#include "test_server.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tcsync/uuid.h"

namespace tcsync::conformance {
namespace {

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "cannot start a server: %s\n", status.ToString().c_str());
  std::abort();
}

HttpRequest PostRequest(std::string target, absl::string_view client_id, const char* content_type,
                        absl::string_view body) {
  HttpRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers = {{"X-Client-Id", std::string(client_id)}, {"Content-Type", content_type}};
  request.body = std::string(body);
  return request;
}

HttpRequest GetRequest(std::string target, absl::string_view client_id) {
  HttpRequest request;
  request.target = std::move(target);
  request.headers = {{"X-Client-Id", std::string(client_id)}};
  return request;
}

}  // namespace

std::string RandomId() { return Uuid::Random().ToString(); }

TempDirectory::TempDirectory() {
  std::error_code error;
  std::string name = (std::filesystem::temp_directory_path(error) / "tcsync-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    Die(absl::UnavailableError(absl::StrCat("cannot make a directory like ", name)));
  }
  path_ = std::move(name);
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

LogFunction LogCollector::Function() {
  return [this](const LogRecord& record) {
    const std::lock_guard<std::mutex> lock(mutex_);
    messages_.emplace_back(record.level, ToText(record));
  };
}

std::vector<std::string> LogCollector::Messages(LogLevel level) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> messages;
  for (const auto& [each, message] : messages_) {
    if (each >= level) messages.push_back(message);
  }
  return messages;
}

Options OptionsFor(absl::string_view storage) {
  Options options;
  options.storage = std::string(storage);
  options.database_wait_max_ms = 3'600'000;  // a busy machine is no failure here
  return options;
}

TestServer::TestServer(Options options, std::unique_ptr<Storage> storage)
    : options_(std::move(options)) {
  options_.data_dir = absl::StrCat(directory_.path(), "/data");
  if (options_.storage == "postgres" && options_.postgres_url.empty()) {
    absl::StatusOr<std::unique_ptr<PostgresDatabase>> database = PostgresDatabase::Make();
    if (!database.ok()) Die(database.status());
    database_ = *std::move(database);
    options_.postgres_url = database_->url();
  }
  if (options_.listen == Options().listen) options_.listen = {"127.0.0.1:0"};
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      storage == nullptr ? Engine::Open(options_, log_.Function())
                         : Engine::OpenWithStorage(options_, std::move(storage), log_.Function());
  if (!engine.ok()) Die(engine.status());
  engine_ = *std::move(engine);
  StartListener();
}

TestServer::~TestServer() { Close(); }

void TestServer::StartListener() {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind(options_, log_.Function());
  if (!listener.ok()) Die(listener.status());
  listener_ = *std::move(listener);
  const absl::Status served = listener_->Serve(*engine_);
  if (!served.ok()) Die(served);
}

void TestServer::Close() {
  if (listener_ != nullptr) listener_->Stop();
  listener_.reset();
  engine_.reset();
}

void TestServer::Reopen() {
  Close();
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options_, log_.Function());
  if (!engine.ok()) Die(engine.status());
  engine_ = *std::move(engine);
  StartListener();
}

void TestServer::Reopen(const Options& options) {
  const std::string data_dir = options_.data_dir;
  const std::string postgres_url = options_.postgres_url;
  const std::vector<std::string> listen = options_.listen;
  options_ = options;
  options_.data_dir = data_dir;
  options_.postgres_url = postgres_url;
  options_.listen = listen;
  Reopen();
}

void TestServer::RestartListener() {
  listener_->Stop();
  StartListener();
}

HttpResponse Replica::AddVersion(absl::string_view parent, absl::string_view segment) {
  return client_.Exchange(AddVersionRequest(client_id_, parent, segment));
}

HttpResponse Replica::GetChildVersion(absl::string_view parent) {
  return client_.Exchange(GetChildVersionRequest(client_id_, parent));
}

HttpResponse Replica::AddSnapshot(absl::string_view version, absl::string_view snapshot) {
  return client_.Exchange(AddSnapshotRequest(client_id_, version, snapshot));
}

HttpResponse Replica::GetSnapshot() { return client_.Exchange(GetSnapshotRequest(client_id_)); }

std::string Replica::Append(absl::string_view parent, absl::string_view segment) {
  const HttpResponse response = AddVersion(parent, segment);
  EXPECT_EQ(response.status, 200) << "adding a version to " << parent << response;
  return response.Header("X-Version-Id");
}

std::vector<std::string> Replica::AppendChain(absl::string_view parent, int count) {
  std::vector<std::string> versions;
  std::string latest(parent);
  for (int i = 0; i < count; ++i) {
    latest = Append(latest, absl::StrCat("segment ", i));
    versions.push_back(latest);
  }
  return versions;
}

std::vector<std::string> Replica::Pull(absl::string_view parent) {
  std::vector<std::string> versions;
  std::string base(parent);
  while (true) {
    const HttpResponse response = GetChildVersion(base);
    if (response.status != 200) {
      EXPECT_EQ(response.status, 404) << "pulling the child of " << base << response;
      return versions;
    }
    EXPECT_EQ(response.Header("X-Parent-Version-Id"), base) << response;
    base = response.Header("X-Version-Id");
    versions.push_back(base);
  }
}

HttpRequest AddVersionRequest(absl::string_view client_id, absl::string_view parent,
                              absl::string_view segment) {
  return PostRequest(absl::StrCat("/v1/client/add-version/", parent), client_id, kSegmentType,
                     segment);
}

HttpRequest GetChildVersionRequest(absl::string_view client_id, absl::string_view parent) {
  return GetRequest(absl::StrCat("/v1/client/get-child-version/", parent), client_id);
}

HttpRequest AddSnapshotRequest(absl::string_view client_id, absl::string_view version,
                               absl::string_view snapshot) {
  return PostRequest(absl::StrCat("/v1/client/add-snapshot/", version), client_id, kSnapshotType,
                     snapshot);
}

HttpRequest GetSnapshotRequest(absl::string_view client_id) {
  return GetRequest("/v1/client/snapshot", client_id);
}

HttpRequest Without(HttpRequest request, absl::string_view name) {
  const auto is_it = [name](const auto& header) {
    return absl::EqualsIgnoreCase(header.first, name);
  };
  request.headers.erase(std::remove_if(request.headers.begin(), request.headers.end(), is_it),
                        request.headers.end());
  return request;
}

HttpRequest With(HttpRequest request, absl::string_view name, absl::string_view value) {
  request = Without(std::move(request), name);
  request.headers.emplace_back(std::string(name), std::string(value));
  return request;
}

std::string BinaryBytes(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  std::mt19937_64 random(seed);
  // Eight at a time: the sanitizers watch every step of a loop, and some tests need megabytes.
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    const uint64_t next = random();
    std::memcpy(bytes.data() + i, &next, std::min(sizeof next, size - i));
  }
  for (size_t i = 0; i < std::min<size_t>(size, 256); ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}

bool Eventually(absl::FunctionRef<bool()> done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(kDeadlineSeconds);
  while (absl::Now() < deadline) {
    if (done()) return true;
  }
  return false;
}

void ExpectError(const HttpResponse& response, int status) {
  EXPECT_EQ(response.status, status) << response;
  EXPECT_TRUE(absl::StartsWith(response.Header("Content-Type"), "text/plain")) << response;
  EXPECT_FALSE(response.body.empty()) << response;
}

void ExpectClosed(HttpClient& client, std::vector<int> statuses) {
  const HttpResponse response = client.ReadResponse();
  if (response.status != 0) {
    EXPECT_NE(std::find(statuses.begin(), statuses.end(), response.status), statuses.end())
        << response;
  }
  const std::optional<std::string> rest = client.ReadUntilClosed();
  ASSERT_TRUE(rest.has_value()) << "the connection stayed open" << response;
  EXPECT_EQ(*rest, "");
}

}  // namespace tcsync::conformance
