// The devices whose requests came today, in memory until their days are stored. Most requests are
// no news, and cost one look into a map.
#ifndef TCSYNC_SRC_ACCESS_DEVICE_NOTES_H_
#define TCSYNC_SRC_ACCESS_DEVICE_NOTES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "tcsync/access_records.h"
#include "tcsync/uuid.h"

namespace tcsync::access {

// Thread-safe. Bounded: further notes of the day are dropped.
class DeviceNotes {
 public:
  // Of an admitted request. `presented`: the token in its path; it may be one of no device.
  void Note(const Uuid& client_id, const std::optional<TokenDigest>& presented,
            int64_t now_unix_seconds);

  // The client's devices are others now, so that a token which was noted in vain may be one of
  // theirs.
  void Forget(const Uuid& client_id);

  // Stores the notes of a client. After an error they are tried again later. Blocks.
  absl::Status FlushClient(const Uuid& client_id, AccessRecordStorage& storage);
  // The same for some of the clients that have notes; ends at the first error.
  absl::Status Flush(size_t clients_max, AccessRecordStorage& storage);

 private:
  struct Noted {
    int64_t day = 0;
    bool is_queued = false;  // for Flush
    // Without a token; together with the tokens at most kNotedTokensMax + 1.
    bool tokenless_stored = false;
    bool tokenless_unstored = false;
    std::vector<TokenDigest> stored;
    std::vector<TokenDigest> unstored;
  };

  std::mutex mutex_;  // guards the members below
  int64_t day_ = 0;
  // Not Abseil's, which a refused allocation leaves broken: requests come here.
  std::unordered_map<Uuid, Noted, absl::Hash<Uuid>> notes_;
  std::deque<Uuid> queue_;
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_DEVICE_NOTES_H_
