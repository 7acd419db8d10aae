// A UUID: the name of a client or of a version.
//
// The protocol writes UUIDs in the dashed form of RFC 9562, 36 characters; storage, sealing and the
// key derivation use the 16 bytes in the order in which they are written.
#ifndef TCSYNC_UUID_H_
#define TCSYNC_UUID_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace tcsync {

// A value type of 16 bytes; thread-compatible, trivially copyable. Ordered by its bytes.
class Uuid {
 public:
  static constexpr size_t kBytes = 16;
  static constexpr size_t kTextLength = 36;

  // The nil UUID, all zero: the version before the first.
  constexpr Uuid() = default;
  explicit constexpr Uuid(const std::array<uint8_t, kBytes>& bytes) : bytes_(bytes) {}

  // Parses the dashed form; either case is accepted. nullopt for anything else, without trimming.
  static std::optional<Uuid> Parse(absl::string_view text);

  // Reads exactly kBytes bytes at `bytes`.
  static Uuid FromBytes(const char* bytes);

  // A random UUID, version 4 (RFC 9562, section 5.4), from the operating system's random source.
  // Aborts the process if that source fails, which no supported system does.
  static Uuid Random();

  bool IsNil() const { return *this == Uuid(); }

  // The dashed form in lower case.
  std::string ToString() const;

  const std::array<uint8_t, kBytes>& bytes() const { return bytes_; }

  // The 16 bytes as characters, borrowed from this object.
  absl::string_view AsStringView() const {
    return absl::string_view(reinterpret_cast<const char*>(bytes_.data()), kBytes);
  }

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const Uuid& uuid) {
    return H::combine(std::move(state), uuid.bytes_);
  }

 private:
  std::array<uint8_t, kBytes> bytes_{};
};

}  // namespace tcsync

#endif  // TCSYNC_UUID_H_
