// Moving clients: export and import.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "access/device_changes.h"
#include "admin/api.h"
#include "admin/export_lines.h"
#include "admin/json.h"

namespace tcsync::admin {
namespace {

Json Describe(const Uuid& client_id, const Imported& imported) {
  return {{"client_id", client_id.ToString()},
          {"versions_added", imported.versions_added},
          {"versions_present", imported.versions_present},
          {"snapshot_stored", imported.snapshot_stored}};
}

}  // namespace

absl::StatusOr<ExportedPage> EngineApi::Export(const Uuid& client_id,
                                               const std::optional<std::string>& after) {
  const absl::StatusOr<ClientSummary> client = FindClient(client_id);
  if (!client.ok()) return client.status();
  return ReadExportPage(engine_.storage, *client, after);
}

absl::StatusOr<ExportedPage> EngineApi::ExportAccess(const std::optional<std::string>& client) {
  if (!client) return ReadAccessPage(administration(), std::nullopt);
  const absl::StatusOr<Uuid> client_id = ClientIdOf(*client);
  if (!client_id.ok()) return client_id.status();
  return ReadAccessPage(administration(), *client_id);
}

absl::StatusOr<Json> EngineApi::ImportAccess(const AccessRecords& imported) {
  const absl::StatusOr<AccessRecords> here = administration().ReadAccessRecords();
  if (!here.ok()) return here.status();
  std::vector<AccessChange> changes;
  // Returns the number of records that are not here yet.
  const auto add = [&](const auto& imported_records, const auto& records_here, auto key) {
    std::set<std::decay_t<decltype(imported_records.front().*key)>> known;
    for (const auto& record : records_here) known.insert(record.*key);
    uint64_t added = 0;
    for (const auto& record : imported_records) {
      const bool is_new = known.insert(record.*key).second;
      if (is_new) ++added;
      // Decisions of this server's operator stay, and of an invite's uses the larger number.
      if (is_new || std::is_same_v<std::decay_t<decltype(record)>, Invite>) {
        changes.emplace_back(record);
      }
    }
    return added;
  };
  const uint64_t bans_added = add(imported.bans, here->bans, &tcsync::Ban::client_id);
  const uint64_t tokens_added = add(imported.tokens, here->tokens, &ClientToken::client_id);
  const uint64_t invites_added = add(imported.invites, here->invites, &Invite::digest);
  for (const AccessChange& change : changes) {
    const auto* const token = std::get_if<ClientToken>(&change);
    const absl::Status status =
        token != nullptr ? ImportToken(*token) : administration().ChangeAccess(change);
    if (!status.ok()) return status;
  }
  if (!changes.empty()) {
    if (const absl::Status status = RefreshAccess(); !status.ok()) return status;
    Log("imported: ", bans_added, " bans, ", tokens_added, " tokens and ", invites_added,
        " invites that were not here");
  }
  return Json{
      {"bans_added", bans_added}, {"tokens_added", tokens_added}, {"invites_added", invites_added}};
}

absl::Status EngineApi::ImportToken(const ClientToken& token) {
  // As an operator's new token it would remove the devices, which the import may have brought.
  const auto add = [&](DeviceState& state) -> absl::StatusOr<bool> {
    if (state.token || state.devices.requires_token) return false;
    state.token = token;
    return true;
  };
  const absl::Status status =
      administration().ChangeDevices(token.client_id, /*may_use_reserve=*/false, add);
  return absl::IsUnimplemented(status) ? administration().ChangeAccess(token) : status;
}

absl::StatusOr<bool> EngineApi::ImportDevices(const Uuid& client_id,
                                              const ClientDevices& imported) {
  bool has_changed = false;
  const absl::Status stored = administration().ChangeDevices(
      client_id, /*may_use_reserve=*/false, [&](DeviceState& state) -> absl::StatusOr<bool> {
        has_changed = access::Merge(imported, state.devices);
        return has_changed;
      });
  if (!stored.ok()) return stored;
  if (!has_changed) return false;
  LogAbout(client_id, "imported the tokens of the client's computers");
  engine_.on_changed_history(client_id);
  return true;
}

absl::StatusOr<Json> EngineApi::Import(std::string lines) {
  absl::StatusOr<ExportPage> page = ParseExportLines(lines, NowSeconds());
  if (!page.ok()) return page.status();
  lines = {};  // the parsed lines are a second copy
  Json stored = Json::array();
  // The error that ends the import, with the part of the page that is stored nevertheless.
  const auto failed = [&](absl::StatusCode code, std::string sentence, Json details) {
    details["clients"] = std::move(stored);
    return WithDetails(absl::Status(code, sentence), details);
  };
  const auto failed_with = [&](const Uuid& client_id, const absl::Status& status) {
    return failed(status.code(),
                  absl::StrCat("Client ", client_id.ToString(), ": ", status.message()),
                  Json::object());
  };
  const auto import_one = [&](ImportRequest request) -> absl::Status {
    const Uuid client_id = request.client_id;
    const absl::StatusOr<ImportOutcome> outcome = administration().Import(std::move(request));
    if (!outcome.ok()) return failed_with(client_id, outcome.status());
    if (const auto* const other = std::get_if<DoesNotContinue>(&*outcome)) {
      return failed(
          absl::StatusCode::kFailedPrecondition,
          absl::StrCat("Client ", client_id.ToString(), ": the version ",
                       other->first_version_id.ToString(), " follows ",
                       other->parent_version_id.ToString(), ", but the latest version here is ",
                       other->latest_version_id.ToString(),
                       ". The two histories differ, and nothing of this client was stored: delete "
                       "it here first if the imported history is the right one."),
          {{"client_id", client_id.ToString()},
           {"latest_version_id", other->latest_version_id.ToString()},
           {"first_version_id", other->first_version_id.ToString()},
           {"parent_version_id", other->parent_version_id.ToString()}});
    }
    const Imported& imported = std::get<Imported>(*outcome);
    // Not for an existing part, so that a repeated import reports its real work.
    if (imported.versions_added > 0 || imported.snapshot_stored) {
      LogAbout(client_id, "imported ", imported.versions_added, " versions",
               imported.snapshot_stored ? " and a snapshot" : "", "; ", imported.versions_present,
               " were here already");
      engine_.on_changed_history(client_id);
    }
    stored.push_back(Describe(client_id, imported));
    return absl::OkStatus();
  };
  auto part = page->large.begin();
  for (size_t i = 0; i <= page->requests.size(); ++i) {
    for (; part != page->large.end() && part->before == i; ++part) {
      const Uuid client_id = part->request.client_id;
      absl::StatusOr<std::optional<ImportRequest>> complete = large_imports_.Take(std::move(*part));
      if (!complete.ok()) return failed_with(client_id, complete.status());
      if (!*complete) continue;
      if (const absl::Status status = import_one(*std::move(*complete)); !status.ok()) {
        return status;
      }
    }
    if (i == page->requests.size()) break;
    const absl::Status status = import_one(std::move(page->requests[i]));
    if (!status.ok()) return status;
  }
  uint64_t devices_changed = 0;
  for (const auto& [client_id, devices] : page->devices) {
    const absl::StatusOr<bool> changed = ImportDevices(client_id, devices);
    if (!changed.ok()) return failed_with(client_id, changed.status());
    if (*changed) ++devices_changed;
  }
  Json answer = {{"clients", stored}};
  if (!page->devices.empty()) answer["devices_changed"] = devices_changed;
  const AccessRecords& access = page->access;
  if (!access.bans.empty() || !access.tokens.empty() || !access.invites.empty()) {
    const absl::StatusOr<Json> added = ImportAccess(access);
    if (!added.ok()) {
      return failed(added.status().code(), std::string(added.status().message()), Json::object());
    }
    answer["access"] = *added;
  }
  return answer;
}

}  // namespace tcsync::admin
