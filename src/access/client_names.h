// Clients' names in the log: a client ID is a request's only credential, so anyone who read it in a
// log could read and change that client's history (sealed as it is).
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
    kPseudonym,  // "client-1a2b3c4d5e6f": constant for one key, and irreversible without it
    kFull,       // the client ID itself
  };

  // With a random key for its lifetime.
  explicit ClientNames(Style style);
  ClientNames(const ClientNames&) = delete;
  ClientNames& operator=(const ClientNames&) = delete;

  // Names clients by a stored key: pseudonyms are then the same after a restart. kDataLoss for a
  // key that is too short or too long (outside 16 to 64 bytes).
  absl::Status SetKey(absl::string_view key);

  // As the log shows it.
  std::string NameOf(const Uuid& client_id) const;

  // The pseudonym, in either style: for finding the client of a log line.
  std::string PseudonymOf(const Uuid& client_id) const;

 private:
  const Style style_;
  mutable std::mutex mutex_;
  std::array<unsigned char, 32> key_;  // under mutex_
};

}  // namespace tcsync::access

#endif  // TCSYNC_SRC_ACCESS_CLIENT_NAMES_H_
