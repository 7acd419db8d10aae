// Imports a file of an export that a command has made itself.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_IMPORT_FILE_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_IMPORT_FILE_H_

#include <functional>
#include <istream>
#include <string>

#include "server/administration/admin_client.h"
#include "server/administration/import_pages.h"

namespace tcsync::server {

// Sends every line of `input`, which messages call `name`. `before_client` is called with the ID of
// each client line before it is sent. Throws Failure.
ImportTotals ImportLines(AdminClient& client, std::istream& input, const std::string& name,
                         uint64_t bytes_total,
                         const std::function<void(const std::string& id)>& before_client);

// The whole file, without a question.
ImportTotals ImportFile(AdminClient& client, const std::string& path);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_IMPORT_FILE_H_
