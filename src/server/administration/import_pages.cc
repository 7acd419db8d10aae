#include "server/administration/import_pages.h"

#include "server/administration/console.h"
#include "server/concat.h"

namespace tcsync::server {
namespace {

// As an export's pages: enough that a page's own costs do not count.
constexpr size_t kPageBytes = size_t{1} << 20;

}  // namespace

void ImportTotals::Add(const ImportTotals& others) {
  clients += others.clients;
  versions_added += others.versions_added;
  versions_present += others.versions_present;
  snapshots_stored += others.snapshots_stored;
  has_access = has_access || others.has_access;
  bans_added += others.bans_added;
  tokens_added += others.tokens_added;
  invites_added += others.invites_added;
}

Json ImportTotals::json() const {
  Json json = {{"clients", clients},
               {"versions_added", versions_added},
               {"versions_present", versions_present},
               {"snapshots_stored", snapshots_stored}};
  if (has_access) {
    json["bans_added"] = bans_added;
    json["tokens_added"] = tokens_added;
    json["invites_added"] = invites_added;
  }
  return json;
}

std::string ImportTotals::Sentence() const {
  std::string sentence =
      Concat({Counted(clients, "client"), ": ", Counted(versions_added, "version"), " added, ",
              std::to_string(versions_present), " were here already, ",
              Counted(snapshots_stored, "snapshot"), " stored"});
  if (has_access) {
    sentence += Concat({"; ", Counted(bans_added, "ban"), ", ", Counted(tokens_added, "token"),
                        " and ", Counted(invites_added, "invite"), " added"});
  }
  return sentence;
}

void ImportPages::AddClient(std::string_view line, const std::string& where) {
  client_line_.clear();  // a page that begins here begins with this line itself
  AddLine(line, where);
  client_line_ = line;
}

void ImportPages::AddLine(std::string_view line, const std::string& where) {
  if (!page_.empty() && page_.size() + line.size() > kPageBytes) Send();
  if (page_.empty()) {
    first_where_ = where;
    // A page begins with whose lines it has.
    if (!client_line_.empty()) page_ = Concat({client_line_, "\n"});
  }
  page_ += line;
  page_ += '\n';
}

void ImportPages::Finish() {
  if (!page_.empty()) Send();
}

void ImportPages::Send() {
  const AdminAnswer answer = client_.Request("POST", "import", page_);
  page_.clear();
  if (answer.status >= 300) {
    throw Failure(kExitFailure, Concat({"the page from ", first_where_, " on: ", answer.error(),
                                        " (Stored before it: ", totals_.Sentence(), ".)"}));
  }
  const Json stored = answer.json();
  for (const Json& client : stored.at("clients")) {
    const std::string id = client.at("client_id").get<std::string>();
    if (id != last_client_id_) ++totals_.clients;
    last_client_id_ = id;
    totals_.versions_added += client.at("versions_added").get<uint64_t>();
    totals_.versions_present += client.at("versions_present").get<uint64_t>();
    if (client.at("snapshot_stored").get<bool>()) ++totals_.snapshots_stored;
  }
  if (const auto access = stored.find("access"); access != stored.end()) {
    totals_.has_access = true;
    totals_.bans_added += access->at("bans_added").get<uint64_t>();
    totals_.tokens_added += access->at("tokens_added").get<uint64_t>();
    totals_.invites_added += access->at("invites_added").get<uint64_t>();
  }
}

}  // namespace tcsync::server
