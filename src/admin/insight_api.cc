// Figures, the level of the log, and the busiest clients.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "admin/api.h"
#include "admin/json.h"
#include "tcsync/peer_address.h"

namespace tcsync::admin {
namespace {

// In the order of access::TopTalkers::Measure.
constexpr const char* kMeasureNames[] = {"requests", "bytes", "refusals"};

std::string SourceText(const access::TalkerRanking::Key& key) {
  if (key == access::TalkerRanking::Key{}) return "no address";
  const PeerAddress address = PeerAddress::FromIpv6(key);
  return absl::StrCat(address.ToString(), address.IsIpv4() ? "" : "/64");
}

// `name` gives a place's name for people.
template <typename NameOfKey>
Json DescribeRankings(const std::array<std::vector<access::TalkerRanking::Place>, 3>& rankings,
                      size_t limit, absl::string_view name, const NameOfKey& name_of_key) {
  Json json = Json::object();
  for (size_t measure = 0; measure < rankings.size(); ++measure) {
    Json places = Json::array();
    for (const access::TalkerRanking::Place& place : rankings[measure]) {
      if (places.size() == limit) break;
      places.push_back({{std::string(name), name_of_key(place.key)},
                        {"count", place.count},
                        {"count_min", place.count_min}});
    }
    json[kMeasureNames[measure]] = std::move(places);
  }
  return json;
}

}  // namespace

absl::StatusOr<Json> EngineApi::Stats() {
  const absl::StatusOr<StorageStats> stats = administration().ReadStats();
  if (!stats.ok()) return stats.status();
  Json backend = Json::object();
  for (const auto& [name, value] : stats->backend) backend[name] = value;
  Json log_losses = Json::array();
  for (const LogLoss& loss : stats->log_losses) log_losses.push_back(DescribeLogLoss(loss));
  return Json{{"clients", stats->clients},
              {"live_bytes", stats->live_bytes},
              {"dead_bytes", DeadBytes(*stats)},
              {"bytes_on_disk", stats->bytes_on_disk},
              {"disk_bytes_free", stats->disk_bytes_free},
              {"disk_bytes_total", stats->disk_bytes_total},
              {"queued_writes", stats->queued_writes},
              {"queued_bytes", stats->queued_bytes},
              {"last_backup", OrNull(stats->last_backup_unix_seconds)},
              {"log_losses", std::move(log_losses)},
              {"unnamed_proxy", OrNull(engine_.unnamed_proxy().value_or(""))},
              {"backend", std::move(backend)}};
}

absl::StatusOr<Json> EngineApi::ShowLogLevel() {
  return Json{{"level", tcsync::NameOf(engine_.log_level())}};
}

absl::StatusOr<Json> EngineApi::SetLogLevel(LogLevel level) {
  const char* const name = tcsync::NameOf(level);
  const LogLevel before = engine_.log_level();
  // Logged at the more verbose of the two levels, so that the log shows where it becomes silent.
  if (before <= level) Log("the log level is ", name, " from here on");
  engine_.set_log_level(level);
  if (before > level) Log("the log level is ", name, " from here on");
  return Json{{"level", name}, {"before", tcsync::NameOf(before)}};
}

absl::StatusOr<Json> EngineApi::Top(std::optional<uint64_t> limit) {
  const access::TopTalkers::Rankings rankings = engine_.top_talkers.Read();
  const size_t count_max = limit.value_or(10);
  return Json{{"seconds", absl::ToInt64Seconds(rankings.span)},
              {"sources", DescribeRankings(rankings.sources, count_max, "source", SourceText)},
              {"clients", DescribeRankings(rankings.clients, count_max, "client",
                                           [this](const access::TalkerRanking::Key& key) {
                                             const auto* const bytes =
                                                 reinterpret_cast<const char*>(key.data());
                                             return engine_.pseudonym_of(Uuid::FromBytes(bytes));
                                           })}};
}

}  // namespace tcsync::admin
