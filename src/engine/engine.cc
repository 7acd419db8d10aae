// The composition root: options to storage, to the sync service, to the handler.
#include "tcsync/engine.h"

#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/version.h"
#include "http/health_handler.h"
#include "http/instrumented_handler.h"
#include "http/metrics_handler.h"
#include "http/sync_handler.h"
#include "metrics/health.h"
#include "metrics/health_monitor.h"
#include "metrics/process_metrics.h"
#include "metrics/registry.h"
#include "metrics/storage_metrics.h"
#include "storage/memory/memory_storage.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "sync/sync_service.h"
#include "tcsync/storage_administration.h"

namespace tcsync {
namespace {

metrics::HealthMonitor::ReadStatsFunction StatsReaderOf(Storage& storage) {
  StorageAdministration* const administration = storage.administration();
  if (administration == nullptr) return nullptr;
  return [administration] { return administration->ReadStats(); };
}

class ComposedEngine final : public Engine {
 public:
  ComposedEngine(const Options& options, std::unique_ptr<metrics::Registry> registry,
                 std::unique_ptr<Storage> storage, const Logger& logger)
      : ComposedEngine(options, Limits(options), std::move(registry), std::move(storage), logger) {}

  // The callbacks of storage's last writes use the service and the handlers, so storage, which they
  // were made from, is nevertheless the first to go, as soon as nobody asks after its health.
  ~ComposedEngine() override {
    health_monitor_.Stop();
    storage_.reset();
  }

  http::Handler& handler() override { return instrumented_handler_; }
  http::Handler* metrics() override { return &metrics_address_; }

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
        health_monitor_(*storage_, StatsReaderOf(*storage_)),
        health_(health_monitor_,
                {.disk_free_bytes_min = static_cast<uint64_t>(options.disk_free_bytes_min),
                 .total_bytes_max = static_cast<uint64_t>(options.total_bytes_max)},
                *registry_, logger),
        health_handler_(health_, options.base_path, handler_),
        request_instruments_(*registry_),
        instrumented_handler_(health_handler_, options.base_path, request_instruments_),
        metrics_handler_(*registry_, health_),
        metrics_address_(health_, "", metrics_handler_) {
    AddConstants(options, limits);
    registrations_.push_back(registry_->AddCollector(metrics::CollectProcess));
    registrations_.push_back(registry_->AddCollector([this](metrics::Registry::Sink& sink) {
      if (const auto stats = health_monitor_.LatestStats()) {
        metrics::CollectStorageStats(*stats, sink);
      }
    }));
  }

  // What was set, so that an alert can compare with it and need not be told the numbers again.
  void AddConstants(const Options& options, const Limits& limits) {
    registry_
        ->AddGauge("tcsync_build_info", "The version that runs here; the value is always 1.",
                   {{"version", kVersion}})
        .Set(1);
    const auto set = [this](absl::string_view name, absl::string_view help, int64_t value) {
      registry_->AddGauge(name, help).Set(value);
    };
    set("tcsync_memory_budget_bytes", "The option memory-budget.", options.memory_budget_bytes);
    set("tcsync_connections_max", "Connections that are served at one time.",
        limits.connections_max);
    set("tcsync_disk_free_min_bytes",
        "The option disk-free-bytes-min: below it nothing new is stored.",
        options.disk_free_bytes_min);
    set("tcsync_storage_max_bytes",
        "The option total-bytes-max: from there on nothing new is stored; 0: no such limit.",
        options.total_bytes_max);
  }

  // In the order of use: each is made from those before it.
  const std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<Storage> storage_;
  SyncService service_;
  http::SyncHandler handler_;
  metrics::HealthMonitor health_monitor_;
  metrics::HealthService health_;
  http::HealthHandler health_handler_;
  http::RequestInstruments request_instruments_;
  http::InstrumentedHandler instrumented_handler_;
  http::MetricsHandler metrics_handler_;
  http::HealthHandler metrics_address_;
  std::vector<metrics::Registry::Registration> registrations_;
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

}  // namespace tcsync
