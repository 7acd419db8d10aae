// The notes of a ChainReport, with the same words for every backend.
#ifndef TCSYNC_SRC_STORAGE_CHAIN_NOTES_H_
#define TCSYNC_SRC_STORAGE_CHAIN_NOTES_H_

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tcsync::storage {

// `first_version`: the oldest version that is kept, as a sentence names it.
inline std::string CannotStartNote(absl::string_view first_version) {
  return absl::StrCat("a new computer cannot start: the chain begins with ", first_version,
                      ", which has a parent, and there is no snapshot to start from");
}

inline std::string ReplicasAheadNote(size_t count) {
  return count == 1
             ? "a replica asked for the child of a version that is not here"
             : absl::StrCat(count, " replicas asked for children of versions that are not here");
}

}  // namespace tcsync::storage

#endif  // TCSYNC_SRC_STORAGE_CHAIN_NOTES_H_
