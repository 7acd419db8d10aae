#include "admin/api.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

// The shortest beginning of a client ID that names a client.
constexpr size_t kClientPrefixLengthMin = 8;
// The number of clients that are shown for an ambiguous name.
constexpr size_t kClientsShown = 3;

// The first of all IDs that begin with `prefix`; nullopt if there is none.
std::optional<Uuid> FirstIdWith(const std::string& prefix) {
  const std::string nil = Uuid().ToString();
  if (prefix.size() > nil.size()) return std::nullopt;
  return Uuid::Parse(prefix + nil.substr(prefix.size()));
}

// The ID just before `id`; nullopt if there is none.
std::optional<Uuid> IdBefore(const Uuid& id) {
  std::array<uint8_t, Uuid::kBytes> bytes = id.bytes();
  for (size_t i = bytes.size(); i-- > 0;) {
    if (bytes[i]-- != 0) return Uuid(bytes);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Uuid> EngineApi::ClientIdOf(absl::string_view name) const {
  if (const std::optional<Uuid> client_id = Uuid::Parse(name)) return *client_id;
  const std::string wanted = absl::AsciiStrToLower(name);
  const bool is_pseudonym = absl::StartsWith(wanted, "client-");
  std::optional<Uuid> after;
  if (!is_pseudonym) {
    const std::optional<Uuid> first = FirstIdWith(wanted);
    if (!first) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", name, "' is neither a client ID like 123e4567-e89b-42d3-a456-426614174000, nor the ",
          "beginning of one, nor a pseudonym like client-1a2b3c4d5e6f."));
    }
    if (wanted.size() < kClientPrefixLengthMin) {
      return absl::InvalidArgumentError(absl::StrCat("'", name, "' is too short: give at least ",
                                                     kClientPrefixLengthMin,
                                                     " characters of a client ID."));
    }
    after = IdBefore(*first);
  }
  const auto fits = [&](const Uuid& client_id) {
    return is_pseudonym ? engine_.pseudonym_of(client_id) == wanted
                        : absl::StartsWith(client_id.ToString(), wanted);
  };
  // Also those with a ban or a token, but no history.
  const absl::StatusOr<AccessRecords> records = administration().ReadAccessRecords();
  if (!records.ok()) return records.status();
  std::set<Uuid> found;
  const auto look_at = [&](const Uuid& client_id) {
    if (fits(client_id)) found.insert(client_id);
  };
  for (const tcsync::Ban& ban : records->bans) look_at(ban.client_id);
  for (const ClientToken& token : records->tokens) look_at(token.client_id);
  for (bool is_end = false; !is_end;) {
    const absl::StatusOr<std::vector<ClientSummary>> page =
        administration().ListClients(after, base::kAdminPageClients);
    if (!page.ok()) return page.status();
    for (const ClientSummary& client : *page) look_at(client.client_id);
    is_end = page->size() < base::kAdminPageClients ||
             (!is_pseudonym && !fits(page->back().client_id));  // a list is in the order of the IDs
    if (!is_end) after = page->back().client_id;
  }
  if (found.size() == 1) return *found.begin();
  const absl::string_view relation = is_pseudonym ? "called" : "whose ID begins with";
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat("There is no client ", relation, " ", name, "."));
  }
  const size_t shown = std::min(found.size(), kClientsShown);
  const auto add_text = [](std::string* list, const Uuid& id) { *list += id.ToString(); };
  return absl::FailedPreconditionError(
      absl::StrCat("There are ", found.size(), " clients ", relation, " ", name, ": ",
                   absl::StrJoin(found.begin(), std::next(found.begin(), shown), ", ", add_text),
                   found.size() > shown ? " and others." : "."));
}

}  // namespace tcsync::admin
