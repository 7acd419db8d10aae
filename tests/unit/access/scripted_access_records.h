// Access records that a test sets.
#ifndef TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ACCESS_RECORDS_H_
#define TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ACCESS_RECORDS_H_

#include <string>

#include "tcsync/access_records.h"

namespace tcsync {

class ScriptedAccessRecords final : public AccessRecordStorage {
 public:
  absl::StatusOr<AccessRecords> ReadAccessRecords() override {
    if (!failure.ok()) return failure;
    return records;
  }
  absl::Status ChangeAccess(const AccessChange&) override {
    return absl::UnimplementedError("a test changes the records itself");
  }
  absl::StatusOr<std::string> PseudonymKey() override { return std::string(32, 'k'); }

  AccessRecords records;
  absl::Status failure;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_ACCESS_SCRIPTED_ACCESS_RECORDS_H_
