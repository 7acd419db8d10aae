// The composition root: options to storage, to the sync service, to the handler.
#include "tcsync/engine.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "admin/admin_handler.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/sync_handler.h"
#include "storage/memory/memory_storage.h"
#include "storage/rocksdb/backups.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "sync/retention.h"
#include "sync/sync_service.h"

namespace tcsync {
namespace {

RetentionPolicy RetentionPolicyOf(const Options& options) {
  return {.retention_days = options.retention_days,
          .retention_versions = static_cast<uint64_t>(options.retention_versions),
          .replica_seen_days = options.replica_seen_days,
          .idle_client_days = options.idle_client_days};
}

class ComposedEngine final : public Engine {
 public:
  ComposedEngine(const Options& options, std::unique_ptr<Storage> storage, const Logger& logger)
      : ComposedEngine(options, Limits(options), std::move(storage), logger) {}

  // Administration's jobs use storage. The callbacks of storage's last writes use the service and
  // the handler, so storage, which they were made from, is nevertheless the first to go.
  ~ComposedEngine() override {
    administration_.reset();
    storage_.reset();
  }

  http::Handler& handler() override { return handler_; }
  http::Handler* administration() override { return administration_.get(); }
  ReloadHooks& reload_hooks() override { return reload_hooks_; }

 private:
  ComposedEngine(const Options& options, const Limits& limits, std::unique_ptr<Storage> storage,
                 const Logger& logger)
      : storage_(std::move(storage)),
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
        administration_(std::make_unique<admin::AdminHandler>(
            admin::Dependencies{.storage = storage_.get(),
                                .offline = {.list_backups = &ListBackups, .restore = nullptr},
                                .refresh_access = nullptr,
                                .reload = [this] { return reload_hooks_.Run(); },
                                .client_name = nullptr,
                                .retention = RetentionPolicyOf(options),
                                .body_bytes_max = AdminBodyBytesMax(limits.body_bytes_max),
                                .clock = &Clock::System(),
                                .logger = logger})) {}

  ReloadHooks reload_hooks_;
  std::unique_ptr<Storage> storage_;
  SyncService service_;
  http::SyncHandler handler_;
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

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const Options& options, const Logger& logger) {
  if (options.storage == "memory") return std::make_unique<MemoryStorage>();
  const Limits limits(options);
  return OpenRocksdbStorage({.data_dir = options.data_dir,
                             .memtable_bytes = limits.memtable_bytes,
                             .block_cache_bytes = limits.block_cache_bytes,
                             .head_cache_bytes = limits.head_cache_bytes,
                             .queue_bytes_max = limits.bodies_in_flight_bytes_max,
                             .reader_threads = limits.reader_threads,
                             .disk_wait_max = std::chrono::milliseconds(options.disk_wait_max_ms)},
                            logger);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const Options& options, LogFunction log) {
  const Logger logger(log, LogLevelOf(options));
  if (const absl::Status status = CheckConsistency(options); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(options, logger);
  if (!storage.ok()) return storage.status();
  return OpenWithStorage(options, std::move(*storage), std::move(log));
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::OpenWithStorage(const Options& options,
                                                                std::unique_ptr<Storage> storage,
                                                                LogFunction log) {
  if (const absl::Status status = CheckConsistency(options); !status.ok()) return status;
  if (storage == nullptr) return absl::InvalidArgumentError("the storage is null");
  return std::make_unique<ComposedEngine>(options, std::move(storage),
                                          Logger(std::move(log), LogLevelOf(options)));
}

std::unique_ptr<http::Handler> OfflineAdministration(const Options& options, LogFunction log) {
  return std::make_unique<admin::AdminHandler>(admin::Dependencies{
      .storage = nullptr,
      .offline = {.list_backups = &ListBackups,
                  .restore =
                      [data_dir = options.data_dir](const std::string& directory,
                                                    std::optional<uint32_t> backup_id) {
                        return RestoreBackup(directory, backup_id, data_dir);
                      }},
      .refresh_access = nullptr,
      .reload = nullptr,
      .client_name = nullptr,
      .retention = RetentionPolicyOf(options),
      .body_bytes_max = kAdminPageBytes,
      .clock = &Clock::System(),
      .logger = Logger(std::move(log), LogLevelOf(options))});
}

}  // namespace tcsync
