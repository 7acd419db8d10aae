// The composition root: options to storage, to the sync service, to the handler.
#include "tcsync/engine.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/access_control.h"
#include "access/access_table.h"
#include "access/client_names.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/sync_handler.h"
#include "storage/memory/memory_storage.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "sync/sync_service.h"

namespace tcsync {
namespace {

class ComposedEngine final : public Engine {
 public:
  ComposedEngine(const Options& options, const access::AccessPolicy& access_policy,
                 std::unique_ptr<Storage> storage, std::shared_ptr<access::ClientNames> names,
                 Logger logger)
      : ComposedEngine(options, Limits(options), access_policy, std::move(storage),
                       std::move(names), std::move(logger)) {}

  // The callbacks of storage's last writes use the service and the handler, so storage, which they
  // were made from, is nevertheless the first to go.
  ~ComposedEngine() override { storage_.reset(); }

  // Reads what storage keeps of who is admitted, before the first request. Blocks.
  absl::Status LoadAccess() {
    StorageAdministration* const administration = storage_->administration();
    if (administration == nullptr) return absl::OkStatus();
    // Not worth refusing to serve: on a full disk the first key cannot be made, and reads go on.
    const absl::StatusOr<std::string> key = administration->PseudonymKey();
    if (const absl::Status named = key.ok() ? names_->SetKey(*key) : key.status(); !named.ok()) {
      logger_.Log(
          LogLevel::kWarning,
          "until the next start clients have other pseudonyms in the log, because the key of "
          "the usual ones cannot be had: ",
          named.ToString());
    }
    if (const absl::Status status = access_table_.Refresh(*administration); !status.ok()) {
      return status;
    }
    // A figure that cannot be had now is had later.
    if (const auto stats = administration->ReadStats(); stats.ok()) {
      access_control_.UpdateUsage(*stats);
    }
    return absl::OkStatus();
  }

  http::Handler& handler() override { return handler_; }

 private:
  ComposedEngine(const Options& options, const Limits& limits,
                 const access::AccessPolicy& access_policy, std::unique_ptr<Storage> storage,
                 std::shared_ptr<access::ClientNames> names, Logger logger)
      : storage_(std::move(storage)),
        names_(std::move(names)),
        access_control_(access_table_, access_policy, Clock::System(), Clock::Steady()),
        service_(
            *storage_, Clock::System(),
            {.allow_client_ids = options.allow_client_ids,
             .create_clients = options.create_clients,
             .limits = {.bytes_max = static_cast<uint64_t>(options.client_bytes_max),
                        .versions_max = static_cast<uint64_t>(options.client_versions_max)},
             .snapshots = {.versions = options.snapshot_versions, .days = options.snapshot_days}}),
        handler_(service_, access_control_, names_,
                 {.base_path = options.base_path,
                  .body_bytes_max = limits.body_bytes_max,
                  .bodies_in_flight_bytes_max = limits.bodies_in_flight_bytes_max},
                 logger),
        logger_(std::move(logger)) {}

  std::unique_ptr<Storage> storage_;
  const std::shared_ptr<access::ClientNames> names_;
  access::AccessTable access_table_;
  access::AccessControl access_control_;
  SyncService service_;
  http::SyncHandler handler_;
  const Logger logger_;
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
  // Before a data directory is touched.
  return access::AccessPolicy::From(options).status();
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

std::shared_ptr<access::ClientNames> MakeClientNames(const Options& options) {
  return std::make_shared<access::ClientNames>(options.log_client_ids == "full"
                                                   ? access::ClientNames::Style::kFull
                                                   : access::ClientNames::Style::kPseudonym);
}

absl::StatusOr<std::unique_ptr<Engine>> Compose(const Options& options,
                                                std::unique_ptr<Storage> storage,
                                                std::shared_ptr<access::ClientNames> names,
                                                const Logger& logger) {
  const absl::StatusOr<access::AccessPolicy> access_policy = access::AccessPolicy::From(options);
  if (!access_policy.ok()) return access_policy.status();
  if (options.invite_only && storage->administration() == nullptr) {
    return absl::InvalidArgumentError(
        "option invite-only: this storage keeps no invites, so that nobody could be created");
  }
  auto engine = std::make_unique<ComposedEngine>(options, *access_policy, std::move(storage),
                                                 std::move(names), logger);
  if (const absl::Status status = engine->LoadAccess(); !status.ok()) return status;
  return engine;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const Options& options, LogFunction log) {
  if (const absl::Status status = CheckConsistency(options); !status.ok()) return status;
  const auto names = MakeClientNames(options);
  const Logger logger(access::WithClientNames(std::move(log), names), LogLevelOf(options));
  absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(options, logger);
  if (!storage.ok()) return storage.status();
  return Compose(options, std::move(*storage), names, logger);
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::OpenWithStorage(const Options& options,
                                                                std::unique_ptr<Storage> storage,
                                                                LogFunction log) {
  if (const absl::Status status = CheckConsistency(options); !status.ok()) return status;
  if (storage == nullptr) return absl::InvalidArgumentError("the storage is null");
  const auto names = MakeClientNames(options);
  const Logger logger(access::WithClientNames(std::move(log), names), LogLevelOf(options));
  return Compose(options, std::move(storage), names, logger);
}

}  // namespace tcsync
