// What the commands that remove something have in common: the wait until the bytes are gone.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_ERASURE_COMMANDS_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_ERASURE_COMMANDS_H_

#include <string>

#include "server/administration/admin_client.h"

namespace tcsync::server {

// Waits for the job that makes the bytes of what was removed go, as an answer names it; null for
// none. Returns its result.
Json AwaitCompaction(AdminClient& client, const Json& job);

// "12.0 MiB on the disk before, 1.0 MiB after"
std::string BeforeAndAfter(const Json& compaction);

// Removes backups in that directory, which somebody has agreed to.
void RemoveBackups(AdminClient& client, const std::string& directory, const Json& numbers);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_ERASURE_COMMANDS_H_
