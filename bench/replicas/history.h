// A client's history as a person's years leave it: each version adds a few tasks, as Taskwarrior
// does, and changes some that exist.
#ifndef TCSYNC_BENCH_REPLICAS_HISTORY_H_
#define TCSYNC_BENCH_REPLICAS_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace tcsync::bench {

// Makes one version after the other, the same for the same numbers and seed. The tasks are spread
// evenly over the versions. Each is created with six updates; each version also changes two earlier
// tasks, one of which is completed or edited, and one of which is edited.
//
// The segments and the tasks are made here from the documented format, and not by the replica that
// is measured, so that they also judge it.
class History {
 public:
  History(size_t versions, size_t tasks, uint64_t seed);

  // The next version's segment: {"operations":[...]}. At most `versions` times.
  std::string NextSegment();

  // All tasks as the segments so far have left them: {UUID: {property: value}}.
  const nlohmann::json& tasks() const { return tasks_; }

  uint64_t operations() const { return operation_count_; }

 private:
  void Create();
  void Complete(const std::string& task_id);
  void Edit(const std::string& task_id);
  void Update(const std::string& task_id, absl::string_view property,
              const std::optional<std::string>& value);
  // A text of `words` words.
  std::string Words(size_t words);
  size_t Below(size_t bound);
  std::string UnixTime() const;

  const size_t version_count_;
  const size_t task_count_;
  std::mt19937_64 random_;
  size_t versions_made_ = 0;
  uint64_t operation_count_ = 0;
  absl::Time now_;
  nlohmann::json tasks_ = nlohmann::json::object();
  std::vector<std::string> task_ids_;
  nlohmann::ordered_json segment_;  // the list of operations of the version that is being made
};

}  // namespace tcsync::bench

#endif  // TCSYNC_BENCH_REPLICAS_HISTORY_H_
