#include "replica/instant.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tcsync::replica {
namespace {

constexpr size_t kDateLength = sizeof("2026-11-29") - 1;
constexpr size_t kFractionBegin = sizeof("2026-11-29T21:14:49") - 1;
constexpr size_t kFractionDigitsMax = 9;

}  // namespace

absl::Time ToNanoseconds(absl::Time time) {
  return absl::FromUnixSeconds(absl::ToUnixSeconds(time)) +
         absl::Nanoseconds(
             absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(absl::ToUnixSeconds(time))));
}

bool IsInstant(absl::Time time) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  return time >= absl::FromCivil(absl::CivilSecond(1, 1, 1), utc) &&
         time < absl::FromCivil(absl::CivilSecond(10000, 1, 1), utc);
}

std::string FormatInstant(absl::Time time) {
  const int64_t nanoseconds =
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(absl::ToUnixSeconds(time)));
  absl::string_view format = "%E4Y-%m-%dT%H:%M:%SZ";
  if (nanoseconds % 1'000 != 0) {
    format = "%E4Y-%m-%dT%H:%M:%E9SZ";
  } else if (nanoseconds % 1'000'000 != 0) {
    format = "%E4Y-%m-%dT%H:%M:%E6SZ";
  } else if (nanoseconds != 0) {
    format = "%E4Y-%m-%dT%H:%M:%E3SZ";
  }
  return absl::FormatTime(format, time, absl::UTCTimeZone());
}

std::optional<absl::Time> ParseInstant(absl::string_view text) {
  // Abseil reads a few forms that are none: a shorter year or month, space around the text.
  if (text.size() <= kFractionBegin) return std::nullopt;
  for (size_t i = 0; i < kFractionBegin; ++i) {
    const bool is_mark = i == 4 || i == 7 || i == 10 || i == 13 || i == 16;
    if (absl::ascii_isdigit(static_cast<unsigned char>(text[i])) == is_mark) return std::nullopt;
  }
  const char mark = text[kDateLength];
  if (mark != 'T' && mark != 't' && mark != ' ') return std::nullopt;
  absl::string_view rest = text.substr(kFractionBegin);
  std::string fraction;
  if (rest.front() == '.') {
    size_t end = 1;
    while (end < rest.size() && absl::ascii_isdigit(static_cast<unsigned char>(rest[end]))) ++end;
    if (end == 1) return std::nullopt;
    fraction = std::string(rest.substr(0, std::min(end, 1 + kFractionDigitsMax)));
    rest.remove_prefix(end);
  }
  std::string offset;
  if (rest == "Z" || rest == "z") {
    offset = "+00:00";
  } else if (rest.size() == 6 && rest[3] == ':') {
    offset = std::string(rest);
  } else if (rest.size() == 5) {
    offset = absl::StrCat(rest.substr(0, 3), ":", rest.substr(3));
  } else {
    return std::nullopt;
  }
  if (offset[0] != '+' && offset[0] != '-') return std::nullopt;
  for (const size_t i : {1, 2, 4, 5}) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(offset[i]))) return std::nullopt;
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full,
                       absl::StrCat(text.substr(0, kDateLength), "T",
                                    text.substr(kDateLength + 1, kFractionBegin - kDateLength - 1),
                                    fraction, offset),
                       &time, &error)) {
    return std::nullopt;
  }
  return ToNanoseconds(time);
}

}  // namespace tcsync::replica
