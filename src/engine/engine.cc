// The composition root: options to storage, to the sync service, to the handler.
#include "tcsync/engine.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "admin/admin_handler.h"
#include "base/clock.h"
#include "base/limits.h"
#include "engine/observation.h"
#include "http/sync_handler.h"
#include "metrics/registry.h"
#include "storage/memory/memory_storage.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "sync/sync_service.h"

namespace tcsync {
namespace {

class ComposedEngine final : public Engine {
 public:
  ComposedEngine(const Options& options, std::unique_ptr<metrics::Registry> registry,
                 std::unique_ptr<Storage> storage, const Logger& logger)
      : ComposedEngine(options, Limits(options), std::move(registry), std::move(storage), logger) {}

  // Administration's jobs and the observation use storage. The callbacks of storage's last writes
  // use the service and the handler, so storage, which they were made from, is nevertheless the
  // first to go.
  ~ComposedEngine() override {
    administration_.reset();
    observation_.Stop();
    storage_.reset();
  }

  http::Handler& handler() override { return observation_.clients_handler(); }
  http::Handler* administration() override { return administration_.get(); }
  http::Handler* metrics() override { return &observation_.metrics_handler(); }
  metrics::Registry* metrics_registry() override { return registry_.get(); }
  ReloadHooks& reload_hooks() override { return reload_hooks_; }

 private:
  ComposedEngine(const Options& options, const Limits& limits,
                 std::unique_ptr<metrics::Registry> registry, std::unique_ptr<Storage> storage,
                 const Logger& logger)
      : registry_(std::move(registry)),
        storage_(std::move(storage)),
        service_(
            *storage_, Clock::System(),
            {.allow_client_ids = options.allow_client_ids,
             .create_clients = options.create_clients,
             .limits = {.bytes_max = static_cast<uint64_t>(options.client_bytes_max),
                        .versions_max = static_cast<uint64_t>(options.client_versions_max)},
             .snapshots = {.versions = options.snapshot_versions, .days = options.snapshot_days}}),
        handler_(service_,
                 {.base_path = options.base_path,
                  .body_bytes_max = limits.body_bytes_max,
                  .bodies_in_flight_bytes_max = limits.bodies_in_flight_bytes_max},
                 logger),
        observation_(options, limits, *registry_, *storage_, handler_, logger),
        administration_(std::make_unique<admin::AdminHandler>(
            admin::Dependencies{.storage = storage_.get(),
                                .offline = {},
                                .refresh_access = nullptr,
                                .reload = [this] { return reload_hooks_.Run(); },
                                .client_name = nullptr,
                                .body_bytes_max = AdminBodyBytesMax(limits.body_bytes_max),
                                .clock = &Clock::System(),
                                .logger = logger})) {}

  ReloadHooks reload_hooks_;
  const std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<Storage> storage_;
  SyncService service_;
  http::SyncHandler handler_;
  Observation observation_;
  std::unique_ptr<admin::AdminHandler> administration_;
};

absl::Status CheckConsistency(const Options& options) {
  const Limits limits(options);
  if (limits.body_bytes_max > limits.bodies_in_flight_bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("option body-bytes-max: ", limits.body_bytes_max,
                                                   " is more than bodies-in-flight-bytes-max, ",
                                                   limits.bodies_in_flight_bytes_max,
                                                   ", so that no such body could be taken"));
  }
  if (absl::StrContains(options.base_path, "?") || absl::StrContains(options.base_path, "#") ||
      absl::StrContains(options.base_path, " ")) {
    return absl::InvalidArgumentError(
        absl::StrCat("option base-path: '", options.base_path, "' is not a path like /tasks"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const Options& options,
                                                     metrics::Registry& registry,
                                                     const Logger& logger) {
  if (options.storage == "memory") return std::make_unique<MemoryStorage>();
  const Limits limits(options);
  return OpenRocksdbStorage({.data_dir = options.data_dir,
                             .memtable_bytes = limits.memtable_bytes,
                             .block_cache_bytes = limits.block_cache_bytes,
                             .head_cache_bytes = limits.head_cache_bytes,
                             .queue_bytes_max = limits.bodies_in_flight_bytes_max,
                             .reader_threads = limits.reader_threads,
                             .disk_wait_max = std::chrono::milliseconds(options.disk_wait_max_ms),
                             .registry = &registry},
                            logger);
}

std::unique_ptr<Engine> Compose(const Options& options, std::unique_ptr<metrics::Registry> registry,
                                std::unique_ptr<Storage> storage, const Logger& logger) {
  return std::make_unique<ComposedEngine>(options, std::move(registry), std::move(storage), logger);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const Options& options, LogFunction log) {
  const Logger logger(log, LogLevelOf(options));
  if (const absl::Status status = CheckConsistency(options); !status.ok()) return status;
  auto registry = std::make_unique<metrics::Registry>();
  absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(options, *registry, logger);
  if (!storage.ok()) return storage.status();
  return Compose(options, std::move(registry), std::move(*storage), logger);
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::OpenWithStorage(const Options& options,
                                                                std::unique_ptr<Storage> storage,
                                                                LogFunction log) {
  if (const absl::Status status = CheckConsistency(options); !status.ok()) return status;
  if (storage == nullptr) return absl::InvalidArgumentError("the storage is null");
  return Compose(options, std::make_unique<metrics::Registry>(), std::move(storage),
                 Logger(std::move(log), LogLevelOf(options)));
}

std::unique_ptr<http::Handler> OfflineAdministration(const Options& options, LogFunction log) {
  return std::make_unique<admin::AdminHandler>(
      admin::Dependencies{.storage = nullptr,
                          .offline = {},
                          .refresh_access = nullptr,
                          .reload = nullptr,
                          .client_name = nullptr,
                          .body_bytes_max = kAdminPageBytes,
                          .clock = &Clock::System(),
                          .logger = Logger(std::move(log), LogLevelOf(options))});
}

}  // namespace tcsync
