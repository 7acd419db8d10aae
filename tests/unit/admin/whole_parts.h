// All parts of an administration that a test needs, with an open engine or without one. There are
// no backups, and the offline operations fail.
#ifndef TCSYNC_TESTS_UNIT_ADMIN_WHOLE_PARTS_H_
#define TCSYNC_TESTS_UNIT_ADMIN_WHOLE_PARTS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "access/top_talkers.h"
#include "admin/dependencies.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::admin {

// Outlives the administration that its parts are given to.
class WholeParts {
 public:
  CommonParts Common() {
    const absl::Status none = absl::NotFoundError("there are no backups");
    return {.backups = {.list = [none](const std::string&) { return none; },
                        .list_of_client = [none](const std::string&, const Uuid&) { return none; },
                        .remove = [none](const std::string&, uint32_t) { return none; }},
            .reload = [this] { return reload_status; },
            .options = {},
            .body_bytes_max = 100'000,
            .logger = base::Logger()};
  }

  OpenEngine EngineOver(Storage& storage) {
    return {.storage = storage,
            .refresh_access =
                [this] {
                  ++refreshes;
                  return refresh_status;
                },
            .unnamed_proxy = [] { return std::optional<std::string>(); },
            .set_log_level = [this](LogLevel level) { log_level = level; },
            .log_level = [this] { return log_level.load(); },
            .top_talkers = top_talkers_,
            .pseudonym_of =
                [](const Uuid& id) { return absl::StrCat("client-", id.ToString().substr(24)); },
            .retention = {},
            .clock = clock_};
  }

  OfflineOperations Offline() {
    const absl::Status none = absl::NotFoundError("there are no backups");
    return {.restore = [none](const std::string&, std::optional<uint32_t>) { return none; },
            .extract_client = [none](const std::string&, std::optional<uint32_t>, const Uuid&,
                                     const std::string&) { return none; },
            .salvage = [none](const std::string&, const std::string&) { return none; },
            .repair_log = [](bool) { return LogRepair(); },
            .check_database = [this] { return database; },
            .upgrade_database =
                [this] {
                  database.tables_version = database.release_tables_version;
                  database.problem.clear();
                  return database;
                }};
  }

  std::atomic<int> refreshes{0};
  absl::Status refresh_status;
  absl::Status reload_status;
  std::atomic<LogLevel> log_level{LogLevel::kInfo};
  DatabaseState database{.server_version = "15.14",
                         .role = "tcsync",
                         .tables_version = 0,
                         .release_tables_version = 3,
                         .warnings = {"It has no checksums."},
                         .problem = "It has no tables."};

 private:
  ManualClock clock_;
  access::TopTalkers top_talkers_{clock_};
};

}  // namespace tcsync::admin

#endif  // TCSYNC_TESTS_UNIT_ADMIN_WHOLE_PARTS_H_
