// Making and reading the dashed form, digit by digit.
#include "load/uuid_text.h"

#include <cstdint>

namespace tcsync::load {
namespace {

constexpr bool IsDashPosition(size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

UuidText NilUuid() {
  UuidText uuid;
  for (size_t i = 0; i < UuidText::kLength; ++i) uuid.characters[i] = IsDashPosition(i) ? '-' : '0';
  return uuid;
}

UuidText RandomUuid(std::mt19937_64& random) {
  static constexpr char kDigits[] = "0123456789abcdef";
  UuidText uuid;
  uint64_t bits = random();
  for (size_t i = 0; i < UuidText::kLength; ++i) {
    if (i == UuidText::kLength / 2) bits = random();  // 16 digits before it, 16 after it
    if (IsDashPosition(i)) {
      uuid.characters[i] = '-';
      continue;
    }
    uuid.characters[i] = kDigits[bits & 0xf];
    bits >>= 4;
  }
  uuid.characters[14] = '4';
  uuid.characters[19] = kDigits[8 | (random() & 0x3)];
  return uuid;
}

bool ParseUuid(absl::string_view text, UuidText* uuid) {
  if (text.size() != UuidText::kLength) return false;
  for (size_t i = 0; i < UuidText::kLength; ++i) {
    char c = text[i];
    if (IsDashPosition(i)) {
      if (c != '-') return false;
    } else if (c >= 'A' && c <= 'F') {
      c = static_cast<char>(c - 'A' + 'a');
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
    uuid->characters[i] = c;
  }
  return true;
}

}  // namespace tcsync::load
