// For storages without backups: every directory lacks them.
#ifndef TCSYNC_TESTS_UNIT_ADMIN_NO_BACKUPS_H_
#define TCSYNC_TESTS_UNIT_ADMIN_NO_BACKUPS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "admin/dependencies.h"

namespace tcsync::admin {

inline BackupOperations NoBackups() {
  const absl::Status none = absl::NotFoundError("there are no backups");
  return {.list = [none](const std::string&) { return none; },
          .list_of_client = [none](const std::string&, const Uuid&) { return none; },
          .remove = [none](const std::string&, uint32_t) { return none; }};
}

}  // namespace tcsync::admin

#endif  // TCSYNC_TESTS_UNIT_ADMIN_NO_BACKUPS_H_
