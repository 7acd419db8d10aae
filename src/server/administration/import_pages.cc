#include "server/administration/import_pages.h"

#include "server/administration/console.h"
#include "server/concat.h"

namespace tcsync::server {
namespace {

// The size of an export's pages: large enough that a page's own costs are negligible.
constexpr size_t kPageBytes = size_t{1} << 20;

// A line that is longer than a whole segment or snapshot allows is sent in pieces of as many
// characters of base64: of 128 KiB, rounded down to whole groups of four characters.
constexpr size_t kWholeLineBytesMax = 2 * kPageBytes;
constexpr size_t kPieceCharacters = 128 * 1024 / 3 * 4;

// The base64 text of a line's segment or snapshot, as exports write it; empty when there is none.
std::string_view SealedText(std::string_view line, std::string_view name) {
  const std::string begin = Concat({"\"", name, "\":\""});
  const size_t found = line.find(begin);
  if (found == std::string_view::npos) return {};
  const std::string_view text = line.substr(found + begin.size());
  const size_t end = text.find('"');
  // The server refuses a line that was cut.
  return end == std::string_view::npos ? std::string_view() : text.substr(0, end);
}

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
  if (line.size() <= kWholeLineBytesMax || !AddInPieces(line, where)) AddWhole(line, where);
}

bool ImportPages::AddInPieces(std::string_view line, const std::string& where) {
  for (const std::string_view name : {"segment", "snapshot"}) {
    std::string_view text = SealedText(line, name);
    // The server refuses text that is not base64, with its reason.
    if (text.size() <= kPageBytes || text.size() % 4 != 0) continue;
    const size_t padding = text.size() - 1 - text.find_last_not_of('=');
    const size_t begin = static_cast<size_t>(text.data() - line.data()) - 1;
    AddWhole(Concat({line.substr(0, begin - name.size() - 3), "\"", name,
                     "_bytes\":", std::to_string(text.size() / 4 * 3 - padding),
                     line.substr(begin + text.size() + 2)}),
             where);
    for (size_t piece = 0; !text.empty(); ++piece) {
      const std::string_view part = text.substr(0, kPieceCharacters);
      AddWhole(Concat({"{\"type\":\"piece\",\"piece\":", std::to_string(piece), ",\"bytes\":\"",
                       part, "\"}"}),
               where);
      text.remove_prefix(part.size());
    }
    return true;
  }
  return false;
}

void ImportPages::AddWhole(std::string_view line, const std::string& where) {
  if (!page_.empty() && page_.size() + line.size() > kPageBytes) Send();
  if (page_.empty()) {
    first_where_ = where;
    // A page begins with the client of its lines.
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
