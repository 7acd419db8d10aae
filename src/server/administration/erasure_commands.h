// The common part of commands that remove something: the wait until the bytes are gone.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_ERASURE_COMMANDS_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_ERASURE_COMMANDS_H_

#include <string>

#include "server/administration/admin_client.h"

namespace tcsync::server {

// Waits for the job that erases the bytes of removed records, as an answer names it; null for none.
// Returns its result.
Json AwaitCompaction(AdminClient& client, const Json& job);

// "12.0 MiB on the disk before, 1.0 MiB after"
std::string BeforeAndAfter(const Json& compaction);

// Removes backups in that directory after a person's consent.
void RemoveBackups(AdminClient& client, const std::string& directory, const Json& numbers);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_ERASURE_COMMANDS_H_
