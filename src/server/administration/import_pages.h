// Sends clients' data to POST import: collects lines of the transfer format into pages, so that any
// amount of them needs the memory of one page.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_IMPORT_PAGES_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_IMPORT_PAGES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "server/administration/admin_client.h"

namespace tcsync::server {

// The totals of the import so far.
struct ImportTotals {
  uint64_t clients = 0;
  uint64_t versions_added = 0;
  uint64_t versions_present = 0;
  uint64_t snapshots_stored = 0;
  // Of the lines about admission, if there were any.
  bool has_access = false;
  uint64_t bans_added = 0;
  uint64_t tokens_added = 0;
  uint64_t invites_added = 0;

  void Add(const ImportTotals& others);

  Json json() const;
  std::string Sentence() const;
};

// Borrows the client.
class ImportPages {
 public:
  explicit ImportPages(AdminClient& client) : client_(client) {}

  // Adds one line, without its newline; sends a page when it is large enough. `where` names the
  // line for people, such as "line 17 of clients.ndjson". Throws Failure when the import fails; the
  // earlier pages are then stored.
  void AddClient(std::string_view line, const std::string& where);
  void AddLine(std::string_view line, const std::string& where);

  // Sends the rest.
  void Finish();

  const ImportTotals& totals() const { return totals_; }

 private:
  // Divides a long line with a segment or snapshot into lines with its pieces; false, and nothing
  // is added, if it has none.
  bool AddInPieces(std::string_view line, const std::string& where);
  void AddWhole(std::string_view line, const std::string& where);
  void Send();

  AdminClient& client_;
  std::string client_line_;  // of the present client
  std::string page_;
  std::string first_where_;  // of the page's lines
  std::string last_client_id_;
  ImportTotals totals_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_IMPORT_PAGES_H_
