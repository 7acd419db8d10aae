// The notes of a ChainReport, worded once for every backend.
#ifndef TCSYNC_SRC_STORAGE_CHAIN_NOTES_H_
#define TCSYNC_SRC_STORAGE_CHAIN_NOTES_H_

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tcsync::storage {

// `first_version`: the oldest one that is kept, as a sentence names it.
inline std::string CannotStartNote(absl::string_view first_version) {
  return absl::StrCat("a new computer cannot start: the chain begins with ", first_version,
                      ", which has a parent, and there is no snapshot to go on from");
}

inline std::string ReplicasAheadNote(size_t count) {
  return count == 1
             ? "a replica asked for what follows a version that is not here"
             : absl::StrCat(count, " replicas asked for what follows versions that are not here");
}

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_CHAIN_NOTES_H_
