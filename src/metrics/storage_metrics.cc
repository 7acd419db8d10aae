#include "metrics/storage_metrics.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tcsync::metrics {

void CollectStorageStats(const StorageStats& stats, Registry::Sink& sink) {
  const auto gauge = [&sink](absl::string_view name, absl::string_view help, uint64_t value) {
    sink.Add(Type::kGauge, name, help, {}, static_cast<double>(value));
  };
  gauge("tcsync_clients", "Clients that have a history here.", stats.clients);
  gauge("tcsync_storage_live_bytes",
        "Bytes of all clients, which total-bytes-max bounds: histories, snapshots and an allowance "
        "for each record.",
        stats.live_bytes);
  gauge("tcsync_storage_bytes", "Bytes of everything that the storage keeps.", stats.bytes_on_disk);
  // 0 in a storage without files, and where records take less than their allowance.
  gauge("tcsync_storage_dead_bytes",
        "The part of tcsync_storage_bytes that belongs to no client any more or waits in the log: "
        "compaction of the files removes it.",
        DeadBytes(stats));
  // A storage without a disk has no such figures.
  if (stats.disk_bytes_total > 0) {
    gauge("tcsync_disk_free_bytes", "Bytes that are free on the disk of the data directory.",
          stats.disk_bytes_free);
    gauge("tcsync_disk_size_bytes", "The size of the disk of the data directory.",
          stats.disk_bytes_total);
  }
  if (stats.makes_backups) {
    gauge("tcsync_last_backup_timestamp_seconds",
          "Time of the last backup, in seconds since 1970; 0: none is known.",
          static_cast<uint64_t>(stats.last_backup_unix_seconds));
  }
  gauge("tcsync_commit_queue_writes", "Writes that wait to be committed.", stats.queued_writes);
  gauge("tcsync_commit_queue_bytes", "Bytes of the writes that wait to be committed.",
        stats.queued_bytes);
  uint64_t lost_versions = 0;
  for (const LogLoss& loss : stats.log_losses) lost_versions += loss.versions_max;
  gauge("tcsync_log_losses", "Damaged logs that the operator accepted, until that is acknowledged.",
        stats.log_losses.size());
  gauge("tcsync_log_loss_versions", "Versions that were lost with them, or fewer.", lost_versions);
  for (const auto& [name, value] : stats.backend) {
    const Type type = absl::EndsWith(name, "_total") ? Type::kCounter : Type::kGauge;
    sink.Add(type, absl::StrCat("tcsync_", name),
             "A figure of the storage backend's own; docs/metrics.md lists them.", {}, value);
  }
}

}  // namespace tcsync::metrics
