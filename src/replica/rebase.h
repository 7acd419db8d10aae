// The rebase of a replica's pending operations onto the versions that it receives.
//
// The transformation never changes an operation; it drops some. A pending operation that is dropped
// is settled: the server's history has decided its task's property, and it counts as synced. A
// received operation that is dropped leaves a trace: it becomes the old value of the pending
// operation that has won, so that an undo leads to the state that the other replicas have.
#ifndef TCSYNC_SRC_REPLICA_REBASE_H_
#define TCSYNC_SRC_REPLICA_REBASE_H_

#include <cstddef>
#include <set>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "replica/store.h"
#include "tcsync/replica.h"

namespace tcsync::replica {

class Rebase {
 public:
  // Undo points are left out.
  explicit Rebase(std::vector<PendingOperation> pending);

  // Takes the next operation of the server's history. Whether it is to be applied to the tasks.
  bool Receive(const Operation& received);

  // Records what has changed since the last call.
  absl::Status Write(Store& store);

  // The operations that are still to be sent, in order.
  std::vector<const PendingOperation*> ToSend() const;

  // The first `count` of ToSend() were sent, and are marked in the database.
  void SettleSent(size_t count);

  size_t operations_to_send() const { return live_count_; }

 private:
  struct Entry {
    PendingOperation pending;
    bool is_live = true;
  };

  std::vector<Entry> entries_;
  size_t live_count_ = 0;
  // The indices of the live entries of each task.
  std::unordered_map<Uuid, std::vector<size_t>, absl::Hash<Uuid>> by_task_;
  // Since the last Write(). Both in order, so that the writes are.
  std::set<size_t> settled_;
  std::set<size_t> rewritten_;
};

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_REBASE_H_
