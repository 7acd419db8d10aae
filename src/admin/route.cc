#include "admin/route.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "admin/answer.h"

namespace tcsync::admin {
namespace {

constexpr absl::string_view kPrefix = "/v1/admin/";

// CLIENT is the place of a client's name, and ID that of any other name.
struct Row {
  absl::string_view method;
  absl::string_view path;
  Endpoint endpoint;
  int success_status = 200;
  BodyKind body_kind = BodyKind::kFields;
};
// clang-format off
constexpr Row kRows[] = {
    {"GET", "clients", &Api::ListClients},
    {"GET", "clients/CLIENT", &Api::ShowClient},
    {"DELETE", "clients/CLIENT", &Api::DeleteClient},
    {"GET", "clients/CLIENT/versions", &Api::ListVersions},
    {"POST", "clients/CLIENT/rewind", &Api::Rewind},
    {"POST", "clients/CLIENT/ban", &Api::Ban},
    {"POST", "clients/CLIENT/unban", &Api::Unban},
    {"POST", "clients/CLIENT/reset-token", &Api::ResetToken},
    {"POST", "clients/CLIENT/clear-token", &Api::ClearToken},
    {"POST", "clients/CLIENT/accept-diverged", &Api::AcceptDiverged},
    {"POST", "clients/CLIENT/refuse-diverged", &Api::RefuseDiverged},
    {"GET", "clients/CLIENT/export", &Api::Export},
    {"GET", "clients/CLIENT/backups", &Api::ListBackupsOfClient},
    {"GET", "access/export", &Api::ExportAccess},
    {"POST", "import", &Api::Import, 200, BodyKind::kLines},
    {"GET", "bans", &Api::ListBans},
    {"GET", "invites", &Api::ListInvites},
    {"POST", "invites", &Api::CreateInvite, 201},
    {"DELETE", "invites/ID", &Api::RevokeInvite},
    {"GET", "stats", &Api::Stats},
    {"POST", "verify", &Api::Verify},
    {"POST", "verify/files", &Api::VerifyFiles, 202},
    {"POST", "prune", &Api::Prune},
    {"GET", "backups", &Api::ListBackups},
    {"POST", "backups", &Api::MakeBackup, 202},
    {"POST", "backups/remove", &Api::RemoveBackup},
    {"POST", "compact", &Api::Compact, 202},
    {"POST", "restore", &Api::Restore},
    {"POST", "repair-log", &Api::RepairLog},
    {"POST", "acknowledge-log-losses", &Api::AcknowledgeLogLosses},
    {"POST", "backups/extract", &Api::ExtractFromBackup},
    {"POST", "salvage", &Api::Salvage},
    {"GET", "jobs", &Api::ListJobs},
    {"GET", "jobs/ID", &Api::ShowJob},
    {"POST", "jobs/ID/cancel", &Api::CancelJob},
    {"POST", "reload", &Api::Reload},
    {"GET", "log-level", &Api::ShowLogLevel},
    {"POST", "log-level", &Api::SetLogLevel},
    {"GET", "options", &Api::ListOptions},
    {"GET", "top", &Api::Top},
};
// clang-format on

// The names in `path` if it matches `pattern`.
struct Match {
  std::optional<std::string> client;
  std::string id;
};

std::optional<Match> MatchPath(absl::string_view pattern, absl::string_view path) {
  const std::vector<absl::string_view> wanted = absl::StrSplit(pattern, '/');
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  if (wanted.size() != parts.size()) return std::nullopt;
  Match match;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "CLIENT") {
      match.client = PercentDecoded(parts[i]).value_or(std::string(parts[i]));
    } else if (wanted[i] == "ID") {
      match.id = PercentDecoded(parts[i]).value_or(std::string(parts[i]));
    } else if (wanted[i] != parts[i]) {
      return std::nullopt;
    }
  }
  return match;
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
  for (const Row& row : kRows) {
    const std::optional<Match> match = MatchPath(row.path, path);
    if (!match) continue;
    if (row.method != method) {
      methods.push_back(row.method);
      continue;
    }
    Route route{.endpoint = row.endpoint,
                .success_status = row.success_status,
                .body_kind = row.body_kind,
                .call = {}};
    route.call.client = match->client;
    route.call.id = match->id;
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
