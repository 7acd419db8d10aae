#include "replicas/serve.h"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "replicas/connect.h"
#include "replicas/history.h"
#include "storage/memory/memory_storage.h"
#include "tcsync/engine.h"
#include "tcsync/listener.h"
#include "tcsync/options.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync::bench {
namespace {

constexpr char kSecret[] = "the secret of a benchmark";
// The versions after the snapshot, as if one had been due a little while ago.
constexpr size_t kVersionsAfterSnapshot = 50;

// Limits that are counted and never reached, and no wish for snapshots.
Options ServerOptions() {
  Options options;
  options.storage = "memory";
  options.listen = {"127.0.0.1:0"};
  options.create_clients = true;
  options.client_requests_per_second = options.address_requests_per_second = 0;
  options.new_clients_per_address_day = 0;
  options.client_bytes_max = options.client_versions_max = 0;
  options.snapshot_versions = 1'000'000;
  options.log_level = "warning";
  return options;
}

absl::StatusOr<std::string> Compress(const std::string& json) {
  uLongf bytes = compressBound(json.size());
  std::string compressed(bytes, '\0');
  const int result = compress(reinterpret_cast<Bytef*>(compressed.data()), &bytes,
                              reinterpret_cast<const Bytef*>(json.data()), json.size());
  if (result != Z_OK) return absl::InternalError(absl::StrCat("zlib failed with ", result));
  compressed.resize(bytes);
  return compressed;
}

// Puts the whole history into the server, and its snapshot `after_snapshot` versions before the end
// unless that is nullopt. The finished history.
absl::StatusOr<std::unique_ptr<History>> Fill(const ServeOptions& options, RemoteServer& server,
                                              std::optional<size_t> after_snapshot) {
  auto history = std::make_unique<History>(options.versions, options.tasks, options.seed);
  Uuid parent;
  for (size_t version = 1; version <= options.versions; ++version) {
    const RemoteResult<AddedVersion> answer = server.AddVersion(parent, history->NextSegment());
    if (const auto* error = std::get_if<RemoteError>(&answer)) {
      return absl::InternalError(error->message);
    }
    const auto& added = std::get<AddedVersion>(answer);
    if (added.is_conflict) return absl::InternalError("another program uses the server");
    parent = added.version_id;
    if (!after_snapshot || version + *after_snapshot != options.versions) continue;
    const absl::StatusOr<std::string> snapshot = Compress(history->tasks().dump());
    if (!snapshot.ok()) return snapshot.status();
    const RemoteResult<std::monostate> sent = server.AddSnapshot(parent, *snapshot);
    if (const auto* error = std::get_if<RemoteError>(&sent)) {
      return absl::InternalError(error->message);
    }
  }
  return history;
}

void WaitForEndOfInput() {
  std::array<char, 256> ignored;
  while (true) {
    const ssize_t bytes = read(STDIN_FILENO, ignored.data(), ignored.size());
    if (bytes == 0 || (bytes < 0 && errno != EINTR)) return;
  }
}

}  // namespace

absl::Status Serve(const ServeOptions& options) {
  const Options server_options = ServerOptions();
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind(server_options);
  if (!listener.ok()) return listener.status();
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::OpenWithStorage(server_options, std::make_unique<memory_storage::MemoryStorage>());
  if (!engine.ok()) return engine.status();
  if (const absl::Status status = (*listener)->Serve(**engine); !status.ok()) return status;
  const std::string url = (*listener)->addresses().front();

  const Uuid client = Uuid::Random();
  const Uuid client_with_snapshot = Uuid::Random();
  std::unique_ptr<History> history;
  for (const bool has_snapshot : {false, true}) {
    const absl::StatusOr<std::unique_ptr<Connected>> connected =
        Connect(url, has_snapshot ? client_with_snapshot : client, kSecret);
    if (!connected.ok()) return connected.status();
    absl::StatusOr<std::unique_ptr<History>> filled =
        Fill(options, *(*connected)->server,
             has_snapshot ? std::optional(std::min(kVersionsAfterSnapshot, options.versions / 2))
                          : std::nullopt);
    if (!filled.ok()) return filled.status();
    history = *std::move(filled);
  }
  std::ofstream file(options.tasks_file, std::ios::binary);
  file << history->tasks().dump();
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", options.tasks_file));

  const nlohmann::json ready = {{"url", url},
                                {"client_id", client.ToString()},
                                {"client_id_with_snapshot", client_with_snapshot.ToString()},
                                {"secret", kSecret},
                                {"versions", options.versions},
                                {"tasks", history->tasks().size()},
                                {"operations", history->operations()}};
  std::puts(ready.dump().c_str());
  std::fflush(stdout);
  WaitForEndOfInput();
  (*listener)->Stop();
  return absl::OkStatus();
}

}  // namespace tcsync::bench
