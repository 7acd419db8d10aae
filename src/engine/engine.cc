// The composition root: options to storage, to the sync service, to the handler.
#include "tcsync/engine.h"

#include <chrono>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/access_control.h"
#include "access/access_table.h"
#include "access/client_names.h"
#include "access/device_register.h"
#include "access/top_talkers.h"
#include "admin/admin_handler.h"
#include "admin/export_file.h"
#include "base/clock.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "base/log_levels.h"
#include "base/reload_hooks.h"
#include "engine/housekeeping.h"
#include "engine/monitoring.h"
#include "engine/open_storage.h"
#include "engine/others_changes.h"
#include "http/operator_details.h"
#include "http/refusal_counters.h"
#include "http/sync_handler.h"
#include "listener/engine_implementation.h"
#include "metrics/registry.h"
#include "storage/rocksdb/backups.h"
#include "storage/rocksdb/log_repair.h"
#include "storage/rocksdb/salvage.h"
#include "sync/retention.h"
#include "sync/sync_service.h"
#include "tcsync/other_servers.h"

namespace tcsync {
namespace {

sync::RetentionPolicy RetentionPolicyOf(const Options& options) {
  return {.retention_days = options.retention_days,
          .retention_versions = static_cast<uint64_t>(options.retention_versions),
          .replica_seen_days = options.replica_seen_days,
          .idle_client_days = options.idle_client_days};
}

// Retention over all clients, page by page, again and again. One thread.
class RetentionRun {
 public:
  // `others` is null where there are none.
  // `on_removed_client` is called after the removal of a whole client.
  RetentionRun(ClientHistories& histories, OtherServers* others,
               const sync::RetentionPolicy& policy, const base::Logger& logger,
               std::function<void(const Uuid&)> on_removed_client)
      : retention_(histories, policy),
        others_(others),
        logger_(logger),
        on_removed_client_(std::move(on_removed_client)) {}

  // Runs the next page; false when that was the last one, and nothing is left for now.
  bool RunPage() {
    if (!after_ && !IsMine()) return false;
    const absl::StatusOr<sync::RetentionPage> page =
        retention_.RunPage(after_, base::Clock::System().Now(), /*dry_run=*/false);
    if (!page.ok()) {
      logger_.Log(LogLevel::kError,
                  "old versions cannot be removed, and will be tried again later: ",
                  page.status().message());
      after_ = std::nullopt;
      return false;
    }
    for (const sync::ClientRetention& client : page->clients) {
      if (!client.problem.empty()) {
        logger_.Log(LogLevel::kError, {.client = client.client_id},
                    "the client's old versions cannot be removed: ", client.problem);
        continue;
      }
      logger_.Log(LogLevel::kInfo, {.client = client.client_id},
                  client.whole_client ? "removed the idle client: " : "removed ", client.versions,
                  client.whole_client ? " versions, " : " old versions, ", client.bytes, " bytes");
      if (client.whole_client) on_removed_client_(client.client_id);
    }
    after_ = page->next;
    return after_.has_value();
  }

 private:
  // Whether no other server has begun a run in this interval.
  bool IsMine() {
    if (others_ == nullptr) return true;
    const absl::StatusOr<bool> is_mine =
        others_->TakeChore("retention", absl::Milliseconds(base::kRetentionIntervalMs / 2));
    return is_mine.ok() && *is_mine;  // after a fault the next interval is soon enough
  }

  sync::Retention retention_;
  OtherServers* const others_;
  const base::Logger logger_;
  const std::function<void(const Uuid&)> on_removed_client_;
  std::optional<Uuid> after_;
};

// The engine's logger, and the threshold by which its level can be changed.
struct EngineLog {
  EngineLog(const Options& options, LogFunction function,
            std::shared_ptr<const access::ClientNames> names)
      : threshold(std::make_shared<base::LogThreshold>(LogLevelOf(options))),
        logger(std::move(function), threshold, [names = std::move(names)](const Uuid& client_id) {
          return names->NameOf(client_id);
        }) {}

  std::shared_ptr<base::LogThreshold> threshold;
  base::Logger logger;
};

admin::BackupOperations RocksdbBackups() {
  return {.list = &rocksdb_storage::ListBackups,
          .list_of_client = &rocksdb_storage::BackupsOfClient,
          .remove = &rocksdb_storage::RemoveBackup};
}

// The parts of the options that other rooms have read from them, checked.
struct CheckedOptions {
  access::AccessPolicy access;
  http::OperatorDetails operator_details;
};

class ComposedEngine final : public Engine::Implementation {
 public:
  ComposedEngine(const Options& options, const CheckedOptions& checked,
                 std::unique_ptr<metrics::Registry> registry, std::unique_ptr<Storage> storage,
                 std::shared_ptr<access::ClientNames> names, const EngineLog& log)
      : ComposedEngine(options, base::Limits(options), checked, std::move(registry),
                       std::move(storage), std::move(names), log.logger) {
    log_levels_.Add(log.threshold);
  }

  // The answers of requests that wait, administration's jobs, and monitoring use storage. The
  // callbacks of storage's last writes use the service and the handler, so storage goes first,
  // although they were made from it.
  ~ComposedEngine() override {
    housekeeping_.reset();
    handler_.long_polls().Close();
    administration_.reset();
    monitoring_.Stop();
    devices_.Close();
    storage_.reset();
  }

  // Reads storage's records of admission, before the first request. Blocks.
  absl::Status LoadAccess() {
    StorageAdministration& administration = storage_->administration();
    // No reason to refuse service: on a full disk the first key cannot be made, and reads continue.
    const absl::StatusOr<std::string> key = administration.PseudonymKey();
    if (const absl::Status named = key.ok() ? names_->SetKey(*key) : key.status(); !named.ok()) {
      logger_.Log(
          LogLevel::kWarning,
          "until the next start clients have other pseudonyms in the log, because the key of "
          "the usual ones is unavailable: ",
          named.ToString());
    }
    if (const absl::Status status = access_table_.Refresh(administration); !status.ok()) {
      return status;
    }
    access_control_.SetLiveBytes([&administration] { return administration.LiveBytes(); });
    UpdateUsage();
    return absl::OkStatus();
  }

  // Call it after LoadAccess.
  void StartHousekeeping(const sync::RetentionPolicy& retention) {
    std::vector<engine::Housekeeping::Chore> chores;
    chores.push_back({.interval = std::chrono::milliseconds(base::kUsageIntervalMs),
                      .first_after = std::chrono::milliseconds(base::kUsageIntervalMs),
                      .run_piece = [this] {
                        UpdateUsage();
                        return false;
                      }});
    chores.push_back({.interval = std::chrono::milliseconds(base::kLongPollCheckMs),
                      .first_after = std::chrono::milliseconds(base::kLongPollCheckMs),
                      .run_piece = [this] {
                        handler_.long_polls().EndExpired();
                        return false;
                      }});
    chores.push_back({.interval = std::chrono::milliseconds(base::kDeviceNotesMs),
                      .first_after = std::chrono::milliseconds(base::kDeviceNotesMs),
                      .run_piece = [this] {
                        // The fault shows where storage is used, and the notes are kept.
                        static_cast<void>(devices_.FlushNotes(base::kDeviceNotesAtOnce).ok());
                        return false;
                      }});
    OtherServers* const others = storage_->other_servers();
    if (others != nullptr) {
      const auto changes = std::make_shared<engine::OthersChanges>(
          *others, handler_.long_polls(), [this] { return RefreshAccess(); }, logger_);
      chores.push_back({.interval = std::chrono::milliseconds(base::kOthersChangesMs),
                        .first_after = std::chrono::milliseconds(base::kOthersChangesMs),
                        .run_piece = [changes] {
                          changes->Apply();
                          return false;
                        }});
    }
    if (retention.retention_days > 0 || retention.idle_client_days > 0) {
      const auto run =
          std::make_shared<RetentionRun>(storage_->administration(), others, retention, logger_,
                                         [this](const Uuid& client_id) { Reload(client_id); });
      chores.push_back({.interval = std::chrono::milliseconds(base::kRetentionIntervalMs),
                        .first_after = std::chrono::milliseconds(base::kFirstRetentionMs),
                        .run_piece = [this, run] {
                          const bool has_more = run->RunPage();
                          if (!has_more) administration_->CompactIfNeeded();
                          return has_more;
                        }});
    }
    // The bytes of removals by retention, of accepted diverged replicas, or from before the last
    // process ended.
    chores.push_back({.interval = std::chrono::milliseconds(base::kCompactionCheckMs),
                      .first_after = std::chrono::milliseconds(base::kFirstCompactionCheckMs),
                      .run_piece = [this] {
                        administration_->CompactIfNeeded();
                        return false;
                      }});
    housekeeping_ = std::make_unique<engine::Housekeeping>(std::move(chores));
  }

  http::Handler& handler() override { return monitoring_.clients_handler(); }
  http::Handler& administration() override { return *administration_; }
  http::Handler& metrics() override { return monitoring_.metrics_handler(); }

  base::ReloadHooks& reload_hooks() override { return reload_hooks_; }
  base::LogLevels& log_levels() override { return log_levels_; }
  metrics::Registry& registry() override { return *registry_; }

 private:
  void UpdateUsage() {
    // Without new figures the last ones hold. The fault shows where storage is used.
    if (const auto stats = storage_->administration().ReadStats(); stats.ok()) {
      access_control_.UpdateUsage(*stats);
    }
  }

  // A reload ends an operator's temporary changes.
  absl::Status Reload() {
    if (log_levels_.level() != configured_log_level_) {
      log_levels_.Set(configured_log_level_);
      logger_.Log(LogLevel::kInfo, "the log level is again that of the option log-level, ",
                  NameOf(configured_log_level_));
    }
    return reload_hooks_.Run();
  }

  // After a change of the client's devices that was not its user's.
  void Reload(const Uuid& client_id) {
    const absl::Status status = devices_.Reload(client_id);
    if (status.ok()) return;
    logger_.Log(LogLevel::kError, {.client = client_id},
                "the tokens of the client's computers cannot be read, and the earlier ones stay in "
                "force until the next change: ",
                status.message());
  }

  absl::Status RefreshAccess() { return access_table_.Refresh(storage_->administration()); }

  ComposedEngine(const Options& options, const base::Limits& limits, const CheckedOptions& checked,
                 std::unique_ptr<metrics::Registry> registry, std::unique_ptr<Storage> storage,
                 std::shared_ptr<access::ClientNames> names, const base::Logger& logger)
      : configured_log_level_(LogLevelOf(options)),
        log_levels_(configured_log_level_),
        top_talkers_(base::Clock::Steady()),
        registry_(std::move(registry)),
        storage_(std::move(storage)),
        names_(std::move(names)),
        devices_(storage_->administration(), access_table_, base::Clock::System()),
        access_control_(access_table_, checked.access, base::Clock::System(),
                        base::Clock::Steady()),
        service_(
            *storage_, base::Clock::System(),
            {.limits = {.bytes_max = static_cast<uint64_t>(options.client_bytes_max),
                        .versions_max = static_cast<uint64_t>(options.client_versions_max)},
             .snapshots = {.versions = options.snapshot_versions, .days = options.snapshot_days}}),
        handler_(service_, access_control_,
                 {.body_bytes_max = limits.body_bytes_max,
                  .bodies_in_flight_bytes_max = limits.bodies_in_flight_bytes_max,
                  .version_wait_max = absl::Milliseconds(options.version_wait_max_ms),
                  .refusal_observer = http::CountRefusals(*registry_),
                  .devices = &devices_,
                  .operator_details = checked.operator_details},
                 base::Clock::Steady(), logger),
        monitoring_(
            options, limits, *registry_, *storage_, handler_,
            [this](const PeerAddress& source) { return handler_.RefuseByAddress(source); },
            access_control_, top_talkers_, logger),
        administration_(std::make_unique<admin::AdminHandler>(
            admin::CommonParts{.backups = RocksdbBackups(),
                               .reload = [this] { return Reload(); },
                               .options = EffectiveOptions(options),
                               .body_bytes_max = base::AdminBodyBytesMax(
                                   limits.body_bytes_max, limits.bodies_in_flight_bytes_max),
                               .logger = logger},
            admin::OpenEngine{
                .storage = *storage_,
                .refresh_access = [this] { return RefreshAccess(); },
                .on_changed_history =
                    [this](const Uuid& client_id) {
                      Reload(client_id);
                      handler_.long_polls().EndOf(client_id);
                    },
                .unnamed_proxy = [this] { return access_control_.unnamed_proxy(); },
                .set_log_level = [this](LogLevel level) { log_levels_.Set(level); },
                .log_level = [this] { return log_levels_.level(); },
                .top_talkers = top_talkers_,
                .pseudonym_of =
                    [this](const Uuid& client_id) { return names_->PseudonymOf(client_id); },
                .retention = RetentionPolicyOf(options),
                .clock = base::Clock::System()})),
        logger_(logger) {
    waiting_requests_ = registry_->AddCallback(
        metrics::Type::kGauge, "tcsync_http_waiting_requests",
        "Requests that wait for the next version of their clients.",
        [this] { return static_cast<double>(handler_.long_polls().count()); });
    monitoring_.health().AddNote("proxy", [this]() -> absl::string_view {
      return access_control_.unnamed_proxy()
                 ? "requests come through a proxy that the option trusted-proxy does not name"
                 : "";
    });
  }

  const LogLevel configured_log_level_;
  base::LogLevels log_levels_;
  base::ReloadHooks reload_hooks_;
  access::TopTalkers top_talkers_;
  const std::unique_ptr<metrics::Registry> registry_;
  std::unique_ptr<Storage> storage_;
  const std::shared_ptr<access::ClientNames> names_;
  access::AccessTable access_table_;
  access::DeviceRegister devices_;
  access::AccessControl access_control_;
  sync::SyncService service_;
  http::SyncHandler handler_;
  metrics::Registry::Registration waiting_requests_;
  engine::Monitoring monitoring_;
  std::unique_ptr<admin::AdminHandler> administration_;
  const base::Logger logger_;
  std::unique_ptr<engine::Housekeeping> housekeeping_;
};

http::OperatorDetails::Newcomers NewcomersOf(const access::AccessPolicy& policy) {
  using Creation = access::AccessPolicy::Creation;
  using Newcomers = http::OperatorDetails::Newcomers;
  // A person cannot know whether their client ID is among those that are listed.
  if (!policy.allow_client_ids.empty() || policy.creation == Creation::kNobody) {
    return Newcomers::kRefused;
  }
  return policy.creation == Creation::kInvited ? Newcomers::kInvited : Newcomers::kWelcome;
}

// If the options agree with each other. Before a data directory is touched.
absl::StatusOr<CheckedOptions> CheckOptions(const Options& options) {
  const base::Limits limits(options);
  if (limits.bodies_in_flight_bytes_max < base::kBodiesInFlightBytesMin &&
      limits.body_bytes_max > limits.bodies_in_flight_bytes_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("option bodies-in-flight-bytes-max: with ", limits.bodies_in_flight_bytes_max,
                     " bytes no body as large as body-bytes-max, ", limits.body_bytes_max,
                     ", could be taken: set it to ", base::kBodiesInFlightBytesMin, " or more"));
  }
  if (absl::StrContains(options.base_path, "?") || absl::StrContains(options.base_path, "#") ||
      absl::StrContains(options.base_path, " ")) {
    return absl::InvalidArgumentError(absl::StrCat("option base-path: '",
                                                   base::ShowForeign(options.base_path),
                                                   "' is not a path like /tasks"));
  }
  absl::StatusOr<access::AccessPolicy> access = access::AccessPolicy::From(options);
  if (!access.ok()) return access.status();
  absl::StatusOr<http::OperatorDetails> details =
      http::OperatorDetails::From({.public_url = options.public_url,
                                   .name = options.operator_name,
                                   .contact = options.operator_contact,
                                   .terms_url = options.terms_url},
                                  NewcomersOf(*access));
  if (!details.ok()) return details.status();
  return CheckedOptions{*std::move(access), *std::move(details)};
}

absl::StatusOr<admin::ExtractedClient> ExtractClient(const std::string& directory,
                                                     std::optional<uint32_t> backup_id,
                                                     const Uuid& client_id,
                                                     const std::string& output) {
  const absl::StatusOr<std::unique_ptr<Storage>> backup =
      rocksdb_storage::OpenBackup(directory, backup_id);
  if (!backup.ok()) return backup.status();
  return admin::ExportClientToFile(**backup, client_id, output);
}

absl::StatusOr<admin::SalvageReport> Salvage(const std::string& directory,
                                             const std::string& output) {
  absl::StatusOr<rocksdb_storage::SalvagedStorage> salvaged =
      rocksdb_storage::OpenForSalvage(directory);
  if (!salvaged.ok()) return salvaged.status();
  absl::StatusOr<admin::SalvageReport> report =
      admin::ExportWholeClientsToFile(*salvaged->storage, output);
  if (report.ok()) {
    report->damage.insert(report->damage.begin(), salvaged->damage.begin(), salvaged->damage.end());
  }
  return report;
}

std::shared_ptr<access::ClientNames> MakeClientNames(const Options& options) {
  return std::make_shared<access::ClientNames>(options.log_client_ids == "full"
                                                   ? access::ClientNames::Style::kFull
                                                   : access::ClientNames::Style::kPseudonym);
}

absl::StatusOr<std::unique_ptr<Engine>> Compose(const Options& options,
                                                const CheckedOptions& checked,
                                                std::unique_ptr<metrics::Registry> registry,
                                                std::unique_ptr<Storage> storage,
                                                std::shared_ptr<access::ClientNames> names,
                                                const EngineLog& log) {
  auto engine = std::make_unique<ComposedEngine>(options, checked, std::move(registry),
                                                 std::move(storage), std::move(names), log);
  if (const absl::Status status = engine->LoadAccess(); !status.ok()) return status;
  engine->StartHousekeeping(RetentionPolicyOf(options));
  return engine;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(const Options& options, LogFunction log) {
  const absl::StatusOr<CheckedOptions> checked = CheckOptions(options);
  if (!checked.ok()) return checked.status();
  const auto names = MakeClientNames(options);
  const EngineLog engine_log(options, std::move(log), names);
  auto registry = std::make_unique<metrics::Registry>();
  absl::StatusOr<std::unique_ptr<Storage>> storage =
      engine::OpenStorage(options, *registry, engine_log.logger);
  if (!storage.ok()) return storage.status();
  return Compose(options, *checked, std::move(registry), std::move(*storage), names, engine_log);
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::OpenWithStorage(const Options& options,
                                                                std::unique_ptr<Storage> storage,
                                                                LogFunction log) {
  const absl::StatusOr<CheckedOptions> checked = CheckOptions(options);
  if (!checked.ok()) return checked.status();
  if (storage == nullptr) return absl::InvalidArgumentError("the storage is null");
  const auto names = MakeClientNames(options);
  const EngineLog engine_log(options, std::move(log), names);
  return Compose(options, *checked, std::make_unique<metrics::Registry>(), std::move(storage),
                 names, engine_log);
}

std::unique_ptr<http::Handler> OfflineAdministration(const Options& options, LogFunction log) {
  return std::make_unique<admin::AdminHandler>(
      admin::CommonParts{.backups = RocksdbBackups(),
                         .reload = [] { return absl::OkStatus(); },  // nothing was read from files
                         .options = EffectiveOptions(options),
                         .body_bytes_max = base::kAdminPageBytes,
                         .logger = base::Logger(std::move(log), LogLevelOf(options))},
      admin::OfflineOperations{
          .restore =
              [data_dir = options.data_dir](const std::string& directory,
                                            std::optional<uint32_t> backup_id) {
                return rocksdb_storage::RestoreBackup(directory, backup_id, data_dir);
              },
          .extract_client = &ExtractClient,
          .salvage = &Salvage,
          .repair_log = [data_dir = options.data_dir](
                            bool dry_run) { return rocksdb_storage::RepairLog(data_dir, dry_run); },
          .check_database = [options] { return engine::InspectDatabase(options); },
          .upgrade_database = [options] { return engine::UpgradeDatabase(options); }});
}

}  // namespace tcsync
