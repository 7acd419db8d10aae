#include "replicas/history.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "load/uuid_text.h"

namespace tcsync::bench {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Quotes and letters beyond ASCII are escaped or counted wrongly by a parser that is too simple.
constexpr std::array<const char*, 16> kWords = {
    "call", "the",     "dentist", "about", "invoice", "Müller",     "read", "chapter",
    "buy",  "\"oat\"", "milk",    "for",   "garden",  "überfällig", "send", "report"};
constexpr std::array<const char*, 6> kProjects = {"home",        "work",   "work.reports",
                                                  "garden.seed", "letter", "tax.2023"};
constexpr int64_t kBeginUnixSeconds = 1'700'000'000;
constexpr absl::Duration kBetweenVersions = absl::Minutes(17);

}  // namespace

History::History(size_t versions, size_t tasks, uint64_t seed)
    : version_count_(versions),
      task_count_(tasks),
      random_(seed),
      now_(absl::FromUnixSeconds(kBeginUnixSeconds)) {}

std::string History::NextSegment() {
  ++versions_made_;
  now_ += kBetweenVersions;
  segment_ = OrderedJson::array();
  // Only tasks that other versions have created.
  const size_t earlier = task_ids_.size();
  while (task_ids_.size() < task_count_ * versions_made_ / version_count_) Create();
  if (earlier > 0) {
    const std::string completed = task_ids_[Below(earlier)];
    if (tasks_[completed]["status"] == "pending") {
      Complete(completed);
    } else {
      Edit(completed);
    }
    Edit(task_ids_[Below(earlier)]);
  }
  operation_count_ += segment_.size();
  return OrderedJson{{"operations", std::move(segment_)}}.dump();
}

void History::Create() {
  const std::string task_id(load::RandomUuid(random_).view());
  task_ids_.push_back(task_id);
  segment_.push_back({{"Create", {{"uuid", task_id}}}});
  tasks_[task_id] = nlohmann::json::object();
  Update(task_id, "description", Words(3 + Below(8)));
  Update(task_id, "entry", UnixTime());
  Update(task_id, "modified", UnixTime());
  Update(task_id, "project", kProjects[Below(kProjects.size())]);
  Update(task_id, "status", "pending");
  Update(task_id, absl::StrCat("tag_", Words(1)), "");
}

void History::Complete(const std::string& task_id) {
  Update(task_id, "status", "completed");
  Update(task_id, "end", UnixTime());
  Update(task_id, "modified", UnixTime());
}

void History::Edit(const std::string& task_id) {
  switch (Below(3)) {
    case 0:
      Update(task_id, "description", Words(3 + Below(8)));
      break;
    case 1:
      Update(task_id, absl::StrCat("annotation_", UnixTime()), Words(5 + Below(20)));
      break;
    default:
      if (tasks_[task_id].contains("priority")) {
        Update(task_id, "priority", std::nullopt);
      } else {
        Update(task_id, "priority", "H");
      }
  }
  Update(task_id, "modified", UnixTime());
}

void History::Update(const std::string& task_id, absl::string_view property,
                     const std::optional<std::string>& value) {
  const std::string name(property);
  // Taskwarrior's operations are a few microseconds apart, and have nanoseconds.
  now_ += absl::Nanoseconds(1'000 + Below(9'000));
  OrderedJson update = {
      {"uuid", task_id},
      {"property", name},
      {"value", nullptr},
      {"timestamp", absl::FormatTime("%Y-%m-%dT%H:%M:%E9SZ", now_, absl::UTCTimeZone())}};
  if (value) {
    update["value"] = *value;
    tasks_[task_id][name] = *value;
  } else {
    tasks_[task_id].erase(name);
  }
  segment_.push_back({{"Update", std::move(update)}});
}

std::string History::Words(size_t words) {
  std::string text;
  for (size_t i = 0; i < words; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : " ", kWords[Below(kWords.size())]);
  }
  return text;
}

size_t History::Below(size_t bound) { return random_() % bound; }

std::string History::UnixTime() const { return absl::StrCat(absl::ToUnixSeconds(now_)); }

}  // namespace tcsync::bench
