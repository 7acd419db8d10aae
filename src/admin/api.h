// What each request of the administration API does. The members are in the files that their names
// begin with: clients_api.cc, access_api.cc, transfer_api.cc, upkeep_api.cc.
#ifndef TCSYNC_SRC_ADMIN_API_H_
#define TCSYNC_SRC_ADMIN_API_H_

#include <string>

#include "admin/dependencies.h"
#include "admin/fields.h"
#include "admin/jobs.h"
#include "tcsync/http_message.h"
#include "tcsync/uuid.h"

namespace tcsync::admin {

// One request: what its path names, and what comes with it.
struct Call {
  Uuid client_id;  // of /clients/ID...
  std::string id;  // of another path with a name in it
  Fields fields;
  std::string body;  // as it came
};

// One thread at a time.
class Api {
 public:
  explicit Api(Dependencies dependencies);

  http::Response Stats(Call& call);
  http::Response ListJobs(Call& call);
  http::Response ShowJob(Call& call);
  http::Response CancelJob(Call& call);
  http::Response Reload(Call& call);

 private:
  // The storage's administration; kFailedPrecondition when no data directory is open, and
  // kUnimplemented when the backend has none.
  absl::StatusOr<StorageAdministration*> Administration() const;

  const Dependencies dependencies_;
  Jobs jobs_;  // the last member: its work uses the others
};

}  // namespace tcsync::admin

#endif  // TCSYNC_SRC_ADMIN_API_H_
