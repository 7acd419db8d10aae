#include "replica/merge.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "replica/instant.h"
#include "replica/working_set.h"

namespace tcsync::replica {
namespace {

// Properties to which Taskwarrior gives a meaning that helps where times are unknown.
constexpr absl::string_view kModified = "modified";
constexpr absl::string_view kEntry = "entry";
constexpr absl::string_view kEnd = "end";
constexpr absl::string_view kStart = "start";
// Taskwarrior's dates have whole seconds: a change at one of them was made within that second.
constexpr absl::Duration kDateResolution = absl::Seconds(1);
// A new task gets the date of its entry from the clock, just before the operation gets its time.
constexpr absl::Duration kCreationDuration = absl::Seconds(2);

// The time of an operation for a change whose time is not known but for a date that it does not
// follow: the last moment of the date's second. A clock shows that one only by chance, so a later
// join recognises it, and does not take it for the time of the change.
absl::Time BoundOf(absl::Time date) {
  return absl::FromUnixSeconds(absl::ToUnixSeconds(date)) + kDateResolution - absl::Nanoseconds(1);
}
bool IsBound(absl::Time time) { return time == BoundOf(time); }

using Value = std::optional<std::string>;

// The last operation on a property.
struct LastUpdate {
  absl::Time time;
  Value value;
};

// What is known of one task besides its properties.
struct TaskPast {
  std::map<std::string, LastUpdate> updates;
  // Whether all of its operations are known, so that a property without one was never set. A join
  // creates tasks as well, without their past: not at the date of their entry.
  bool is_whole = false;
  // The time of its latest operation.
  absl::Time latest = absl::InfinitePast();
  // Of a task that was deleted with everything: a time at which it still existed, at the latest.
  // Deletions have no time of their own, but follow the operations before them.
  std::optional<absl::Time> deleted_after;
};

using TaskPasts = std::unordered_map<Uuid, TaskPast, absl::Hash<Uuid>>;

// A date as Taskwarrior stores it: seconds since 1970.
std::optional<absl::Time> DateIn(const Value& text) {
  int64_t seconds = 0;
  if (!text || !absl::SimpleAtoi(*text, &seconds)) return std::nullopt;
  const absl::Time time = absl::FromUnixSeconds(seconds);
  if (!IsInstant(time)) return std::nullopt;
  return time;
}

TaskPasts ReadPasts(const std::vector<Operation>& operations, absl::Time now) {
  TaskPasts pasts;
  std::set<Uuid> created;  // without an entry as yet
  absl::Time latest_of_all = absl::InfinitePast();
  for (const Operation& operation : operations) {
    switch (operation.kind) {
      case Operation::Kind::kUndoPoint:
        break;
      case Operation::Kind::kCreate: {
        TaskPast& past = pasts[operation.task_id];
        past = TaskPast{};
        created.insert(operation.task_id);
        break;
      }
      case Operation::Kind::kUpdate: {
        TaskPast& past = pasts[operation.task_id];
        if (operation.property == kEntry && created.erase(operation.task_id) > 0) {
          const std::optional<absl::Time> entry = DateIn(operation.value);
          past.is_whole =
              entry && operation.time - *entry < kCreationDuration && !IsBound(operation.time);
        }
        past.updates.insert_or_assign(operation.property,
                                      LastUpdate{operation.time, operation.value});
        past.latest = std::max(past.latest, operation.time);
        // A clock that was ahead must not let a deletion win for ever.
        latest_of_all = std::max(latest_of_all, std::min(operation.time, now));
        break;
      }
      case Operation::Kind::kDelete:
        pasts[operation.task_id].deleted_after = latest_of_all;
        break;
    }
  }
  return pasts;
}

Value ValueOf(const TaskProperties& properties, absl::string_view name) {
  const auto found = properties.find(std::string(name));
  if (found == properties.end()) return std::nullopt;
  return found->second;
}

std::optional<absl::Time> DateOf(const TaskProperties& properties, absl::string_view name) {
  return DateIn(ValueOf(properties, name));
}

// The state of one property on one side.
struct Side {
  Value value;
  // When it got the value. Of an unknown time: the date that stands for it.
  absl::Time time;
  bool is_known = false;

  // Whether it got its value after all that the other side may have done to the property.
  bool IsKnownToFollow(const Side& other) const {
    return is_known && time > (other.is_known ? other.time : BoundOf(other.time));
  }
};

// A task on one side.
class SideTask {
 public:
  SideTask(const TaskProperties& properties, const TaskPast* past, absl::Time now)
      : properties_(properties), past_(past), now_(now) {}

  Side Find(const std::string& name) const {
    Value value = ValueOf(properties_, name);
    if (past_ != nullptr) {
      const auto update = past_->updates.find(name);
      if (update != past_->updates.end() && update->second.value == value) {
        const absl::Time time = update->second.time;
        return {std::move(value), time, !IsBound(time)};
      }
      if (update == past_->updates.end() && !value && past_->is_whole) {
        return {std::nullopt, absl::InfinitePast(), true};
      }
    }
    return {value, LatestTimeOf(name, value), false};
  }

  // Of the properties with a known operation, also a removal.
  std::vector<std::string> NamesOfUpdates() const {
    std::vector<std::string> names;
    if (past_ == nullptr) return names;
    for (const auto& [name, update] : past_->updates) names.push_back(name);
    return names;
  }

  // The time of the last change, at the latest.
  absl::Time LastChange() const {
    const absl::Time known = past_ == nullptr ? absl::InfinitePast() : past_->latest;
    const absl::Time date = DateOf(properties_, kModified).value_or(absl::InfinitePast());
    return date > known ? BoundOf(date) : known;
  }

 private:
  absl::Time LatestTimeOf(absl::string_view name, const Value& value) const {
    if (name == kStatusProperty && value) {
      // A task is pending from its beginning, and a finished one has the date of its end.
      const bool is_open = IsStatusOfWorkingSet(*value) || *value == "waiting";
      const auto date = DateOf(properties_, is_open ? kEntry : kEnd);
      if (date) return *date;
    }
    for (const absl::string_view property : {kModified, kEnd, kEntry}) {
      if (const auto date = DateOf(properties_, property)) return *date;
    }
    return past_ != nullptr && past_->latest != absl::InfinitePast() ? past_->latest : now_;
  }

  const TaskProperties& properties_;
  const TaskPast* const past_;
  const absl::Time now_;
};

enum class Winner { kOwn, kHistory };

struct Decision {
  Winner winner;
  bool is_doubtful = false;
};

// Of two values that differ. The history's wins where nothing decides, as the server's does in a
// sync.
Decision Decide(const std::string& name, const Side& own, const Side& history,
                const Decision& status) {
  const Winner later = own.time > history.time ? Winner::kOwn : Winner::kHistory;
  if (own.is_known && history.is_known) return {later, own.time == history.time};
  if (own.IsKnownToFollow(history)) return {Winner::kOwn};
  if (history.IsKnownToFollow(own)) return {Winner::kHistory};
  if (name == kModified) return {later};
  // These two change with the status.
  if (name == kEnd || name == kStart) {
    return {status.winner, status.is_doubtful || own.time == history.time};
  }
  // It was never set on one side, so it was set on the other one.
  if (own.is_known && own.time == absl::InfinitePast()) return {Winner::kHistory};
  if (history.is_known && history.time == absl::InfinitePast()) return {Winner::kOwn};
  // It may have been removed, or never have been there. Nothing is lost if it stays.
  if (own.value.has_value() != history.value.has_value()) {
    return {own.value ? Winner::kOwn : Winner::kHistory, true};
  }
  return {later, true};
}

class Merger {
 public:
  Merger(const MergeSide& own, const MergeSide& history, absl::Time now)
      : own_(own),
        history_(history),
        now_(now),
        own_pasts_(ReadPasts(own.operations, now)),
        history_pasts_(ReadPasts(history.operations, now)) {}

  Merge Run() {
    for (const Task& task : history_.tasks) in_history_.emplace(task.task_id, &task);
    for (const Task& task : own_.tasks) {
      const auto found = in_history_.find(task.task_id);
      if (found == in_history_.end()) {
        AddOwn(task);
      } else {
        MergeTask(task, *found->second);
      }
      in_own_.emplace(task.task_id, &task);
    }
    for (const Task& task : history_.tasks) {
      if (!in_own_.contains(task.task_id)) TakeFromHistory(task);
    }
    return std::move(merge_);
  }

 private:
  using Tasks = std::unordered_map<Uuid, const Task*, absl::Hash<Uuid>>;

  static const TaskPast* Find(const TaskPasts& pasts, const Uuid& task_id) {
    const auto found = pasts.find(task_id);
    return found == pasts.end() ? nullptr : &found->second;
  }

  // A task that only this replica has.
  void AddOwn(const Task& task) {
    const SideTask own(task.properties, Find(own_pasts_, task.task_id), now_);
    const TaskPast* const past = Find(history_pasts_, task.task_id);
    Operation creation = Operation::Create(task.task_id);
    if (past != nullptr && past->deleted_after) {
      if (own.LastChange() <= *past->deleted_after) {
        ++merge_.report.removed_tasks;
        return;
      }
      merge_.report.doubtful.push_back(creation);
    }
    ++merge_.report.added_tasks;
    merge_.operations.push_back(std::move(creation));
    for (const auto& [name, value] : task.properties) {
      Update(task.task_id, name, own.Find(name));
    }
    for (const std::string& name : own.NamesOfUpdates()) {
      if (task.properties.contains(name)) continue;
      PassOn(task.task_id, name, own.Find(name), Side{std::nullopt, absl::InfinitePast(), true});
    }
  }

  // Both sides have the same value, or none. A replica that joins later with another one learns
  // from the operation how late this one was given, or removed.
  void PassOn(const Uuid& task_id, const std::string& name, const Side& own, const Side& history) {
    const bool is_news_of_removal = own.is_known && !own.value && !history.is_known;
    if (is_news_of_removal || own.IsKnownToFollow(history)) Update(task_id, name, own);
  }

  // A task that only the history has.
  void TakeFromHistory(const Task& task) {
    const TaskPast* const past = Find(own_pasts_, task.task_id);
    const bool is_later = own_.later_deletions.contains(task.task_id);
    if (!is_later && (past == nullptr || !past->deleted_after)) {
      ++merge_.report.received_tasks;
      return;
    }
    const SideTask theirs(task.properties, Find(history_pasts_, task.task_id), now_);
    if (is_later || theirs.LastChange() <= *past->deleted_after) {
      ++merge_.report.deleted_tasks;
      merge_.operations.push_back(Operation::Delete(task.task_id));
      return;
    }
    ++merge_.report.received_tasks;
    merge_.report.doubtful.push_back(Operation::Delete(task.task_id));
  }

  // Also where both have the same status, at two times.
  static Decision DecideStatus(const SideTask& own, const SideTask& theirs) {
    const std::string name(kStatusProperty);
    const Side ours = own.Find(name);
    const Side its = theirs.Find(name);
    Decision decision = Decide(name, ours, its, Decision{Winner::kHistory});
    if (ours.value == its.value) decision.is_doubtful = true;
    return decision;
  }

  void MergeTask(const Task& own_task, const Task& history_task) {
    const Uuid& task_id = own_task.task_id;
    const SideTask own(own_task.properties, Find(own_pasts_, task_id), now_);
    const SideTask theirs(history_task.properties, Find(history_pasts_, task_id), now_);
    std::set<std::string> names;
    for (const auto& [name, value] : own_task.properties) names.insert(name);
    for (const auto& [name, value] : history_task.properties) names.insert(name);
    for (const std::string& name : own.NamesOfUpdates()) names.insert(name);
    const Decision status = DecideStatus(own, theirs);
    bool has_changed = false;
    bool was_overruled = false;
    for (const std::string& name : names) {
      const Side ours = own.Find(name);
      const Side its = theirs.Find(name);
      if (ours.value == its.value) {
        PassOn(task_id, name, ours, its);
        continue;
      }
      const Decision decision = Decide(name, ours, its, status);
      const bool is_own = decision.winner == Winner::kOwn;
      if (is_own) Update(task_id, name, ours);
      has_changed |= is_own;
      was_overruled |= !is_own && name != kModified;
      if (!decision.is_doubtful) continue;
      const Side& won = is_own ? ours : its;
      Operation doubt = Operation::Update(task_id, name, won.value, TimeOf(won));
      doubt.old_value = is_own ? its.value : ours.value;
      merge_.report.doubtful.push_back(std::move(doubt));
    }
    if (has_changed) ++merge_.report.changed_tasks;
    if (was_overruled) ++merge_.report.overruled_tasks;
  }

  absl::Time TimeOf(const Side& side) const {
    if (!IsInstant(side.time)) return now_;
    return side.is_known ? side.time : BoundOf(side.time);
  }

  void Update(const Uuid& task_id, const std::string& name, const Side& side) {
    merge_.operations.push_back(Operation::Update(task_id, name, side.value, TimeOf(side)));
  }

  const MergeSide& own_;
  const MergeSide& history_;
  const absl::Time now_;
  const TaskPasts own_pasts_;
  const TaskPasts history_pasts_;
  Tasks in_history_;
  Tasks in_own_;
  Merge merge_;
};

}  // namespace

Merge MergeIntoHistory(const MergeSide& own, const MergeSide& history, absl::Time now) {
  return Merger(own, history, now).Run();
}

}  // namespace tcsync::replica
