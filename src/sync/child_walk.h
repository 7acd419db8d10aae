// Reads versions that follow one another, for one answer.
#ifndef TCSYNC_SRC_SYNC_CHILD_WALK_H_
#define TCSYNC_SRC_SYNC_CHILD_WALK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "tcsync/storage.h"
#include "tcsync/uuid.h"

namespace tcsync::sync {

struct VersionsBounds {
  size_t versions_max = 1;
  uint64_t bytes_max = 0;             // of all segments, with...
  uint64_t bytes_beside_segment = 0;  // ...this much for each of them
};

// Follows a client's chain from a version to its child, and so on, as long as the versions stay
// within the bounds. The first version is given in any case, and alone if it is beyond them. Each
// version names its parent, so that the result is a part of a chain that existed, whatever changes
// meanwhile; it need not reach the latest version. What memory has is read in one go on the
// caller's thread, without recursion.
class ChildWalk final : public std::enable_shared_from_this<ChildWalk> {
 public:
  using Callback = absl::AnyInvocable<void(std::vector<Version>)>;

  // Borrows the storage until `done` is called: exactly once, on any thread, possibly before this
  // returns.
  static void Start(Storage& storage, const Uuid& client_id, Version first,
                    const VersionsBounds& bounds, Callback done);

  // For Start().
  ChildWalk(Storage& storage, const Uuid& client_id, const VersionsBounds& bounds, Callback done);

 private:
  // Takes the version if it is within the bounds; otherwise the walk has ended.
  void Take(Version version);
  void Continue();

  Storage& storage_;
  const Uuid client_id_;
  const VersionsBounds bounds_;
  Callback done_;
  std::vector<Version> versions_;
  uint64_t bytes_ = 0;
  bool has_ended_ = false;
};

}  // namespace tcsync::sync

#endif  // TCSYNC_SRC_SYNC_CHILD_WALK_H_
