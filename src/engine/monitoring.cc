#include "engine/monitoring.h"

#include <optional>
#include <utility>

#include "base/version.h"
#include "metrics/process_metrics.h"
#include "metrics/storage_metrics.h"
#include "tcsync/storage_administration.h"

namespace tcsync::engine {
namespace {

// The release and the settings, so that an alert can compare with them without repeating the
// numbers.
void AddConstants(const Options& options, const base::Limits& limits, metrics::Registry& registry) {
  registry
      .AddGauge("tcsync_build_info", "The version that runs here; the value is always 1.",
                {{"version", base::kVersion}})
      .Set(1);
  const auto set = [&registry](absl::string_view name, absl::string_view help, int64_t value) {
    registry.AddGauge(name, help).Set(value);
  };
  set("tcsync_memory_budget_bytes", "The option memory-budget.", options.memory_budget_bytes);
  set("tcsync_connections_max", "Connections that are served at one time.", limits.connections_max);
  set("tcsync_disk_free_min_bytes",
      "The option disk-free-bytes-min: with less than that free, nothing new is stored.",
      options.disk_free_bytes_min);
  set("tcsync_storage_max_bytes",
      "The option total-bytes-max: from there on nothing new is stored; 0: no such limit.",
      options.total_bytes_max);
}

}  // namespace

Monitoring::Monitoring(const Options& options, const base::Limits& limits,
                       metrics::Registry& registry, Storage& storage, http::RoutedHandler& clients,
                       http::HealthHandler::Refuse refuse, const access::AccessControl& access,
                       access::TopTalkers& top_talkers, const base::Logger& logger)
    : monitor_(storage, storage.administration()),
      health_(monitor_,
              {.disk_free_bytes_min = static_cast<uint64_t>(options.disk_free_bytes_min),
               .is_in_database = options.storage == "postgres",
               .total_bytes_max = static_cast<uint64_t>(options.total_bytes_max)},
              registry, logger),
      health_handler_(health_, clients, std::move(refuse)),
      request_instruments_(registry, top_talkers),
      instrumented_handler_(health_handler_, request_instruments_),
      clients_router_(options.base_path, access, instrumented_handler_),
      metrics_handler_(registry, health_),
      metrics_health_handler_(health_, metrics_handler_),
      metrics_router_("", access, metrics_health_handler_) {
  AddConstants(options, limits, registry);
  registrations_.push_back(registry.AddCollector(metrics::CollectProcess));
  registrations_.push_back(registry.AddCollector([this](metrics::Registry::Sink& sink) {
    if (const std::optional<StorageStats> stats = monitor_.LatestStats()) {
      metrics::CollectStorageStats(*stats, sink);
    }
  }));
}

}  // namespace tcsync::engine
