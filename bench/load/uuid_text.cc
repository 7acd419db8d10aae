// Making and reading the dashed form, digit by digit.
#include "load/uuid_text.h"

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

UuidText UuidFromBits(uint64_t first, uint64_t second) {
  static constexpr char kDigits[] = "0123456789abcdef";
  UuidText uuid;
  uint64_t bits = first;
  for (size_t i = 0; i < UuidText::kLength; ++i) {
    if (i == UuidText::kLength / 2) bits = second;  // 16 digits before it, 16 after it
    if (IsDashPosition(i)) {
      uuid.characters[i] = '-';
      continue;
    }
    uint64_t digit = bits & 0xf;
    if (i == 14) digit = 4;                  // the version
    if (i == 19) digit = 8 | (digit & 0x3);  // the variant
    uuid.characters[i] = kDigits[digit];
    bits >>= 4;
  }
  return uuid;
}

UuidText RandomUuid(std::mt19937_64& random) {
  const uint64_t first = random();
  return UuidFromBits(first, random());
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
