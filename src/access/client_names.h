// What clients are called in the log: a client ID is all that a request carries, so who reads it in
// a log could read and change that client's history (sealed as it is).
#ifndef TCSYNC_SRC_ACCESS_CLIENT_NAMES_H_
#define TCSYNC_SRC_ACCESS_CLIENT_NAMES_H_

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tcsync/uuid.h"

namespace tcsync::access {

// Thread-safe.
class ClientNames {
 public:
  enum class Style {
    kPseudonym,  // "client-1a2b3c4d5e6f": always the same with one key, and no way back without it
    kFull,       // the client ID itself
  };

  // With a random key, for as long as this lives.
  explicit ClientNames(Style style);
  ClientNames(const ClientNames&) = delete;
  ClientNames& operator=(const ClientNames&) = delete;

  // Names clients by a key that is kept somewhere: pseudonyms are then the same after a restart.
  // kDataLoss for one that is too short or too long to be such a key (16 to 64 bytes).
  absl::Status SetKey(absl::string_view key);

  // As the log shows it.
  std::string NameOf(const Uuid& client_id) const;

  // The pseudonym, in either style: for finding the client that a log speaks of.
  std::string PseudonymOf(const Uuid& client_id) const;

 private:
  const Style style_;
  mutable std::mutex mutex_;
  std::array<unsigned char, 32> key_;  // under mutex_
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_CLIENT_NAMES_H_
