// Operational transformation of two concurrent operations, TaskChampion's rules without a change:
// every replica must reach the same tasks. docs/replica.md has the table.
#ifndef TCSYNC_SRC_REPLICA_TRANSFORM_H_
#define TCSYNC_SRC_REPLICA_TRANSFORM_H_

#include "tcsync/replica.h"

namespace tcsync::replica {

// Which of two concurrent operations are still to be applied after the other one. An operation is
// never changed, only kept or dropped.
struct Transformed {
  bool keeps_received;
  bool keeps_local;

  friend bool operator==(const Transformed&, const Transformed&) = default;
};

// `received` comes from the server's history, `local` from this replica. Neither is an undo point.
// The order matters: of two updates at one time, every replica keeps that which reached the server
// first.
Transformed Transform(const Operation& received, const Operation& local);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_TRANSFORM_H_
