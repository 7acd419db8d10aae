// The effective options of this server, and its busiest clients.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "admin/api.h"
#include "admin/json.h"
#include "tcsync/peer_address.h"

namespace tcsync::admin {
namespace {

const char* NameOfSource(EffectiveOption::Source source) {
  switch (source) {
    case EffectiveOption::Source::kDefault:
      return "default";
    case EffectiveOption::Source::kDerived:
      return "derived";
    case EffectiveOption::Source::kEnvironment:
      return "environment";
    case EffectiveOption::Source::kSet:
      break;
  }
  return "set";
}

const char* NameOfMeasure(access::TopTalkers::Measure measure) {
  switch (measure) {
    case access::TopTalkers::Measure::kRequests:
      return "requests";
    case access::TopTalkers::Measure::kBytes:
      return "bytes";
    case access::TopTalkers::Measure::kRefusals:
      break;
  }
  return "refusals";
}

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
  for (const access::TopTalkers::Measure measure : access::TopTalkers::kMeasures) {
    Json places = Json::array();
    for (const access::TalkerRanking::Place& place : rankings[static_cast<size_t>(measure)]) {
      if (places.size() == limit) break;
      places.push_back({{std::string(name), name_of_key(place.key)},
                        {"count", place.count},
                        {"count_min", place.count_min}});
    }
    json[NameOfMeasure(measure)] = std::move(places);
  }
  return json;
}

}  // namespace

absl::StatusOr<Json> Api::ShowLogLevel(Call& call) {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  if (dependencies_.log_level == nullptr) {
    return absl::FailedPreconditionError("No data directory is open, so nothing is logged here.");
  }
  return Json{{"level", tcsync::NameOf(dependencies_.log_level())}};
}

absl::StatusOr<Json> Api::SetLogLevel(Call& call) {
  const std::string name = call.fields.RequiredText("level");
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  const std::optional<LogLevel> level = LogLevelNamed(name);
  if (!level) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", name,
                     "' is no level of the log; there are debug, info, warning "
                     "and error."));
  }
  if (dependencies_.set_log_level == nullptr) {
    return absl::FailedPreconditionError("No data directory is open, so nothing is logged here.");
  }
  const LogLevel before = dependencies_.log_level();
  // Logged at the more verbose of the two levels, so that the log shows where it becomes silent.
  if (before <= *level) Log("the log level is ", name, " from here on");
  dependencies_.set_log_level(*level);
  if (before > *level) Log("the log level is ", name, " from here on");
  return Json{{"level", name}, {"before", tcsync::NameOf(before)}};
}

absl::StatusOr<Json> Api::ListOptions(Call& call) {
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  Json options = Json::array();
  for (const EffectiveOption& option : dependencies_.options) {
    options.push_back({{"name", option.name},
                       {"value", option.value},
                       {"source", NameOfSource(option.source)},
                       {"variable", option.variable.empty() ? Json() : Json(option.variable)}});
  }
  return Json{{"options", std::move(options)}};
}

absl::StatusOr<Json> Api::Top(Call& call) {
  const uint64_t limit = call.fields.Count("limit", base::kTopTalkersMax).value_or(10);
  if (const absl::Status status = call.fields.Check(); !status.ok()) return status;
  if (dependencies_.top_talkers == nullptr) {
    return absl::FailedPreconditionError("No data directory is open, so no client is served here.");
  }
  const access::TopTalkers::Rankings rankings = dependencies_.top_talkers->Read();
  return Json{{"seconds", absl::ToInt64Seconds(rankings.span)},
              {"sources", DescribeRankings(rankings.sources, limit, "source", SourceText)},
              {"clients", DescribeRankings(rankings.clients, limit, "client",
                                           [this](const access::TalkerRanking::Key& key) {
                                             const auto* const bytes =
                                                 reinterpret_cast<const char*>(key.data());
                                             return PseudonymOf(Uuid::FromBytes(bytes));
                                           })}};
}

}  // namespace tcsync::admin
