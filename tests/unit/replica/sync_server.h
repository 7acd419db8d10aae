// A sync server for replicas, with the real engine in memory behind it, whose answers and requests
// can be lost.
#ifndef TCSYNC_TESTS_UNIT_REPLICA_SYNC_SERVER_H_
#define TCSYNC_TESTS_UNIT_REPLICA_SYNC_SERVER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "tcsync/envelope.h"
#include "tcsync/options.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync {

class Gateway;

class SyncServer {
 public:
  // Called on a thread of the server, with the method and the path. Gives the status that is
  // answered instead, or 0.
  using Hook = std::function<int(absl::string_view method, absl::string_view path)>;

  SyncServer();
  explicit SyncServer(const Options& options);
  ~SyncServer();

  // A connection of its own to the server, as the one client of the tests.
  std::unique_ptr<RemoteServer> Connect() const;
  std::unique_ptr<RemoteServer> Connect(const Uuid& client_id, const SealingKey& key) const;

  // Called before a request, which a status loses. Set it between requests.
  void set_before(Hook before);
  // Called after a request, whose answer a status loses.
  void set_after(Hook after);

  // Whether snapshots are given out; at first not, so that replicas begin with the versions.
  void set_gives_snapshots(bool gives);

  // Between the server and the replicas; at first it changes nothing.
  Gateway& gateway();

  // Defaults that put no limit on a test.
  static Options DefaultOptions();

 private:
  class Implementation;
  const std::unique_ptr<Implementation> implementation_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REPLICA_SYNC_SERVER_H_
