#include "tcsync/uuid.h"

#include <cstring>

#include "base/random.h"

namespace tcsync {
namespace {

// The places of the dashes in the dashed form.
constexpr bool IsDashPosition(size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

// The value of a hexadecimal digit, or -1.
constexpr int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<Uuid> Uuid::Parse(absl::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  std::array<uint8_t, kBytes> bytes;
  size_t nibble = 0;
  for (size_t i = 0; i < kTextLength; ++i) {
    if (IsDashPosition(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = HexValue(text[i]);
    if (value < 0) return std::nullopt;
    uint8_t& byte = bytes[nibble / 2];
    byte = static_cast<uint8_t>(nibble % 2 == 0 ? value << 4 : byte | value);
    ++nibble;
  }
  return Uuid(bytes);
}

Uuid Uuid::FromBytes(const char* bytes) {
  Uuid uuid;
  std::memcpy(uuid.bytes_.data(), bytes, kBytes);
  return uuid;
}

Uuid Uuid::Random() {
  std::array<uint8_t, kBytes> bytes;
  base::FillWithRandom(bytes.data(), bytes.size());
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return Uuid(bytes);
}

std::string Uuid::ToString() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kTextLength, '-');
  size_t position = 0;
  for (const uint8_t byte : bytes_) {
    if (IsDashPosition(position)) ++position;
    text[position++] = kDigits[byte >> 4];
    text[position++] = kDigits[byte & 0x0f];
  }
  return text;
}

}  // namespace tcsync
