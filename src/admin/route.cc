#include "admin/route.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "admin/answer.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

constexpr absl::string_view kPrefix = "/v1/admin/";

constexpr uint64_t kDaysMax = 36'500;

// Reads a parameter by that member of Fields.
template <typename Value, typename... Bounds>
auto Param(Value (Fields::*read)(absl::string_view, Bounds...), const char* name,
           std::type_identity_t<Bounds>... bounds) {
  return [=](Call& call) { return (call.fields.*read)(name, bounds...); };
}

std::string NameIn(Call& call) { return std::move(call.name); }

std::string BodyOf(Call& call) { return std::move(call.body); }

std::optional<uint32_t> BackupIdIn(Call& call) {
  const std::optional<uint64_t> id = call.fields.Count("backup", UINT32_MAX);
  return id ? std::optional(static_cast<uint32_t>(*id)) : std::nullopt;
}

// An answer of `Endpoints`: `work` with the values of `parameters`, once they are known to be
// right.
template <typename Endpoints, typename Work, typename... Parameters>
auto AnswerOf(Work work, Parameters... parameters) {
  return [=](const Endpoint& endpoint, Api& api, Call& call) {
    std::tuple<std::invoke_result_t<Parameters, Call&>...> values{parameters(call)...};
    if (const absl::Status status = call.fields.Check(); !status.ok()) return AnswerFor(status);
    Endpoints* const endpoints = api.Find<Endpoints>();
    if (endpoints == nullptr) return AnswerFor(absl::FailedPreconditionError(endpoint.refusal));
    const auto do_work = [&](auto&... value) {
      return std::invoke(work, *endpoints, std::move(value)...);
    };
    return AnswerFor(std::apply(do_work, values), endpoint.success_status);
  };
}

template <typename Endpoints, typename Result, typename... Values, typename... Parameters>
auto Of(Result (Endpoints::*work)(Values...), Parameters... parameters) {
  return AnswerOf<Endpoints>(work, parameters...);
}

// About the client that the path names.
template <typename Result, typename... Values, typename... Parameters>
auto OfClient(Result (EngineApi::*work)(const Uuid&, Values...), Parameters... parameters) {
  const auto find_client = [work](EngineApi& api, const std::string& name,
                                  auto&&... values) -> Result {
    const absl::StatusOr<Uuid> client_id = api.ClientIdOf(name);
    if (!client_id.ok()) return client_id.status();
    return (api.*work)(*client_id, std::move(values)...);
  };
  return AnswerOf<EngineApi>(find_client, &NameIn, parameters...);
}

const auto& Endpoints() {
  using F = Fields;
  const auto after = Param(&F::Id, "after");
  const auto directory = Param(&F::RequiredPath, "directory");
  const auto output = Param(&F::RequiredPath, "output");
  const auto dry_run = Param(&F::Flag, "dry_run");
  constexpr char kOnlyOffline[] = "This needs tcsync_administer without an engine.";
  constexpr char kNothingLogged[] = "No data directory is open, so nothing is logged here.";
  // clang-format off
  static const Endpoint endpoints[] = {
      {"GET", "clients", Of(&EngineApi::ListClients, after,
                            Param(&F::Count, "limit", base::kAdminPageClientsMax))},
      {"GET", "clients/CLIENT", OfClient(&EngineApi::ShowClient)},
      {"DELETE", "clients/CLIENT", OfClient(&EngineApi::DeleteClient)},
      {"GET", "clients/CLIENT/versions",
       OfClient(&EngineApi::ListVersions, Param(&F::Count, "after", base::kVersionNumberMax),
                Param(&F::Count, "limit", base::kAdminPageVersionsMax))},
      {"POST", "clients/CLIENT/rewind",
       OfClient(&EngineApi::Rewind, Param(&F::RequiredId, "version_id"),
                Param(&F::RequiredId, "latest_version_id"), Param(&F::Id, "snapshot_version_id"),
                Param(&F::Flag, "remove_snapshot"))},
      {"POST", "clients/CLIENT/ban", OfClient(&EngineApi::Ban, Param(&F::Words, "reason"))},
      {"POST", "clients/CLIENT/unban", OfClient(&EngineApi::Unban)},
      {"POST", "clients/CLIENT/reset-token", OfClient(&EngineApi::ResetToken)},
      {"POST", "clients/CLIENT/clear-token", OfClient(&EngineApi::ClearToken)},
      {"POST", "clients/CLIENT/accept-diverged", OfClient(&EngineApi::AcceptDiverged)},
      {"POST", "clients/CLIENT/refuse-diverged", OfClient(&EngineApi::RefuseDiverged)},
      {"GET", "clients/CLIENT/export", OfClient(&EngineApi::Export, Param(&F::Text, "after"))},
      {"GET", "clients/CLIENT/backups",
       OfClient(&EngineApi::ListBackupsOfClient, Param(&F::Path, "directory"))},
      {"GET", "access/export", Of(&EngineApi::ExportAccess, Param(&F::Text, "client"))},
      {"POST", "import", Of(&EngineApi::Import, &BodyOf), 200, BodyKind::kLines},
      {"GET", "bans", Of(&EngineApi::ListBans)},
      {"GET", "invites", Of(&EngineApi::ListInvites)},
      {"POST", "invites", Of(&EngineApi::CreateInvite, Param(&F::Words, "label"),
                             Param(&F::Count, "uses_max", UINT64_MAX),
                             Param(&F::Count, "expires_days", kDaysMax)), 201},
      {"DELETE", "invites/ID", Of(&EngineApi::RevokeInvite, &NameIn)},
      {"GET", "stats", Of(&EngineApi::Stats)},
      {"POST", "verify", Of(&EngineApi::Verify, after, Param(&F::Text, "client_id"))},
      {"POST", "verify/files", Of(&EngineApi::VerifyFiles), 202},
      {"POST", "prune", Of(&EngineApi::Prune, dry_run, after,
                           Param(&F::Count, "retention_days", kDaysMax),
                           Param(&F::Count, "replica_seen_days", kDaysMax),
                           Param(&F::Count, "idle_client_days", kDaysMax),
                           Param(&F::Count, "retention_versions", base::kVersionNumberMax))},
      {"GET", "backups", Of(&CommonApi::ListBackups, directory)},
      {"POST", "backups",
       Of(&EngineApi::MakeBackup, directory, Param(&F::Count, "keep", UINT32_MAX)), 202},
      {"POST", "backups/remove",
       Of(&CommonApi::RemoveBackup, directory, Param(&F::RequiredCount, "backup", UINT32_MAX))},
      {"POST", "compact", Of(&EngineApi::Compact, Param(&F::Flag, "everything")), 202},
      {"POST", "restore", Of(&OfflineApi::Restore, directory, &BackupIdIn), 200, BodyKind::kFields,
       "The data directory is open, so nothing can be restored there: stop the server first."},
      {"POST", "repair-log", Of(&OfflineApi::RepairLog, dry_run), 200, BodyKind::kFields,
       "The data directory is open, so its log is not damaged, or cannot be repaired now: "
       "stop the server first."},
      {"POST", "acknowledge-log-losses", Of(&EngineApi::AcknowledgeLogLosses)},
      {"POST", "backups/extract",
       Of(&OfflineApi::ExtractFromBackup, directory, output, Param(&F::RequiredId, "client_id"),
          &BackupIdIn), 200, BodyKind::kFields, kOnlyOffline},
      {"POST", "salvage", Of(&OfflineApi::Salvage, directory, output), 200, BodyKind::kFields,
       kOnlyOffline},
      {"GET", "storage", Of(&OfflineApi::CheckDatabase), 200, BodyKind::kFields, kOnlyOffline},
      {"POST", "storage/upgrade", Of(&OfflineApi::UpgradeDatabase), 200, BodyKind::kFields,
       kOnlyOffline},
      {"GET", "jobs", Of(&CommonApi::ListJobs)},
      {"GET", "jobs/ID", Of(&CommonApi::ShowJob, &NameIn)},
      {"POST", "jobs/ID/cancel", Of(&CommonApi::CancelJob, &NameIn)},
      {"POST", "reload", Of(&CommonApi::Reload)},
      {"GET", "log-level", Of(&EngineApi::ShowLogLevel), 200, BodyKind::kFields, kNothingLogged},
      {"POST", "log-level", Of(&EngineApi::SetLogLevel, Param(&F::RequiredLogLevel, "level")),
       200, BodyKind::kFields, kNothingLogged},
      {"GET", "options", Of(&CommonApi::ListOptions)},
      {"GET", "top", Of(&EngineApi::Top, Param(&F::Count, "limit", base::kTopTalkersMax)),
       200, BodyKind::kFields, "No data directory is open, so no client is served here."},
  };
  // clang-format on
  return endpoints;
}

// The name in `path`, or an empty one, if it matches `pattern`.
std::optional<std::string> MatchPath(absl::string_view pattern, absl::string_view path) {
  const std::vector<absl::string_view> wanted = absl::StrSplit(pattern, '/');
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (wanted.size() != parts.size()) return std::nullopt;
  std::string name;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "CLIENT" || wanted[i] == "ID") {
      name = PercentDecoded(parts[i]).value_or(std::string(parts[i]));
    } else if (wanted[i] != parts[i]) {
      return std::nullopt;
    }
  }
  return name;
}

}  // namespace

std::variant<http::Response, Route> FindRoute(absl::string_view method, absl::string_view target) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(target, absl::MaxSplits('?', 1));
  absl::string_view path = parts.first;
  if (!absl::ConsumePrefix(&path, kPrefix)) {
    return ErrorAnswer(404, absl::StrCat("There is nothing at ", parts.first,
                                         "; administration is under ", kPrefix, "."));
  }
  std::vector<absl::string_view> methods;
  for (const Endpoint& endpoint : Endpoints()) {
    std::optional<std::string> name = MatchPath(endpoint.path, path);
    if (!name) continue;
    if (endpoint.method != method) {
      methods.push_back(endpoint.method);
      continue;
    }
    Route route{.endpoint = endpoint, .call = {.name = *std::move(name)}};
    const absl::Status status = route.call.fields.AddQuery(parts.second);
    if (!status.ok()) return AnswerFor(status);
    return route;
  }
  if (methods.empty()) {
    return ErrorAnswer(404, absl::StrCat("There is nothing at ", parts.first,
                                         "; docs/administration.md lists the paths."));
  }
  const std::string allowed = absl::StrJoin(methods, ", ");
  http::Response response = ErrorAnswer(
      405, absl::StrCat("The method for ", parts.first, " is ", allowed, ", not ", method, "."));
  response.headers.push_back({"Allow", allowed});
  return response;
}

}  // namespace tcsync::admin
