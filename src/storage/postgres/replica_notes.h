// Notes of replicas that are not in the database yet: the versions at which they ended their syncs,
// and replicas at versions that are not here. "Anything new?" is the most frequent request, and
// every "no" is a note, so a note without news costs one look into a map.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_REPLICA_NOTES_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_REPLICA_NOTES_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "storage/postgres/sessions.h"
#include "tcsync/client_histories.h"
#include "tcsync/uuid.h"

namespace tcsync::postgres_storage {

// Thread-safe. Bounded: further notes are dropped.
class ReplicaNotes {
 public:
  explicit ReplicaNotes(Sessions& sessions) : sessions_(sessions) {}

  void NoteSeen(const Uuid& client_id, const Uuid& version_id, int64_t now_unix_seconds);
  void NoteAhead(const Uuid& client_id, const Uuid& version_id, int64_t now_unix_seconds);

  // Writes the notes. Those of clients that do not exist, and of versions that are not in their
  // chains, are dropped.
  absl::Status Flush();

  // The client's history was removed, and the notes about its replicas with it.
  void Forget(const Uuid& client_id);

 private:
  struct Seen {
    Uuid last_version_id;         // of the last note
    std::vector<Uuid> unwritten;  // noted since they were last written
  };
  using ClientDay = std::pair<Uuid, int64_t>;

  absl::Status WriteSeen(const std::vector<std::pair<ClientDay, Uuid>>& notes);
  absl::Status WriteAhead(const std::vector<std::pair<Uuid, ReplicaAhead>>& notes);

  Sessions& sessions_;
  std::mutex flush_mutex_;  // held while notes are written
  std::mutex mutex_;        // guards the members below
  std::map<ClientDay, Seen> seen_;
  absl::flat_hash_map<Uuid, std::vector<ReplicaAhead>> ahead_;  // not written yet
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_REPLICA_NOTES_H_
