#include "replica/instant.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tcsync::replica {
namespace {

// The years that TaskChampion's times have.
constexpr int64_t kYearMin = -262'143;
constexpr int64_t kYearMax = 262'142;
constexpr int kFractionDigitsMax = 9;

int64_t YearOf(absl::Time time) { return absl::ToCivilYear(time, absl::UTCTimeZone()).year(); }

// Takes the character from the front of `text`, if it is there.
bool Take(char character, absl::string_view& text) {
  if (text.empty() || text.front() != character) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<int> TakeDigit(absl::string_view& text) {
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text.front()))) {
    return std::nullopt;
  }
  const int digit = text.front() - '0';
  text.remove_prefix(1);
  return digit;
}

// Takes a number of exactly two digits, at most `max`, and not less than `min`.
std::optional<int> TakeNumber(int min, int max, absl::string_view& text) {
  const std::optional<int> tens = TakeDigit(text);
  const std::optional<int> ones = TakeDigit(text);
  if (!tens || !ones) return std::nullopt;
  const int number = *tens * 10 + *ones;
  if (number < min || number > max) return std::nullopt;
  return number;
}

// Four digits, or a sign and four to six.
std::optional<int64_t> TakeYear(absl::string_view& text) {
  const bool is_negative = Take('-', text);
  const int digits_max = is_negative || Take('+', text) ? 6 : 4;
  int64_t year = 0;
  int digits = 0;
  for (; digits < digits_max; ++digits) {
    const std::optional<int> digit = TakeDigit(text);
    if (!digit) break;
    year = year * 10 + *digit;
  }
  if (digits < 4) return std::nullopt;
  return is_negative ? -year : year;
}

// The fraction of the second, if there is one.
std::optional<absl::Duration> TakeFraction(absl::string_view& text) {
  if (!Take('.', text)) return absl::ZeroDuration();
  int64_t nanoseconds = 0;
  int digits = 0;
  for (std::optional<int> digit; (digit = TakeDigit(text)); ++digits) {
    if (digits < kFractionDigitsMax) nanoseconds = nanoseconds * 10 + *digit;
  }
  if (digits == 0) return std::nullopt;
  for (; digits < kFractionDigitsMax; ++digits) nanoseconds *= 10;
  return absl::Nanoseconds(nanoseconds);
}

std::optional<absl::Duration> TakeOffset(absl::string_view& text) {
  if (Take('Z', text) || Take('z', text)) return absl::ZeroDuration();
  const bool is_negative = Take('-', text);
  if (!is_negative && !Take('+', text)) return std::nullopt;
  const std::optional<int> hours = TakeNumber(0, 23, text);
  Take(':', text);
  const std::optional<int> minutes = TakeNumber(0, 59, text);
  if (!hours || !minutes) return std::nullopt;
  const absl::Duration offset = absl::Hours(*hours) + absl::Minutes(*minutes);
  return is_negative ? -offset : offset;
}

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
  absl::string_view format = "-%m-%dT%H:%M:%SZ";
  if (nanoseconds % 1'000 != 0) {
    format = "-%m-%dT%H:%M:%E9SZ";
  } else if (nanoseconds % 1'000'000 != 0) {
    format = "-%m-%dT%H:%M:%E6SZ";
  } else if (nanoseconds != 0) {
    format = "-%m-%dT%H:%M:%E3SZ";
  }
  const int64_t year = YearOf(time);
  return absl::StrCat(year < 0      ? "-"
                      : year > 9999 ? "+"
                                    : "",
                      absl::Dec(year < 0 ? -year : year, absl::kZeroPad4),
                      absl::FormatTime(format, time, absl::UTCTimeZone()));
}

std::optional<absl::Time> ParseInstant(absl::string_view text) {
  const std::optional<int64_t> year = TakeYear(text);
  if (!year || !Take('-', text)) return std::nullopt;
  const std::optional<int> month = TakeNumber(1, 12, text);
  if (!month || !Take('-', text)) return std::nullopt;
  const std::optional<int> day = TakeNumber(1, 31, text);
  if (!day || !(Take('T', text) || Take('t', text) || Take(' ', text))) return std::nullopt;
  const std::optional<int> hour = TakeNumber(0, 23, text);
  if (!hour || !Take(':', text)) return std::nullopt;
  const std::optional<int> minute = TakeNumber(0, 59, text);
  if (!minute || !Take(':', text)) return std::nullopt;
  const std::optional<int> second = TakeNumber(0, 60, text);  // 60 is a leap second
  if (!second) return std::nullopt;
  const std::optional<absl::Duration> fraction = TakeFraction(text);
  const std::optional<absl::Duration> offset = TakeOffset(text);
  if (!fraction || !offset || !text.empty()) return std::nullopt;
  // A day that the month does not have would become one of the next month.
  const absl::CivilDay date(*year, *month, *day);
  if (date.month() != *month) return std::nullopt;
  const absl::Time time = absl::FromCivil(absl::CivilSecond(date), absl::UTCTimeZone()) +
                          absl::Hours(*hour) + absl::Minutes(*minute) + absl::Seconds(*second) +
                          *fraction - *offset;
  if (YearOf(time) < kYearMin || YearOf(time) > kYearMax) return std::nullopt;
  return time;
}

}  // namespace tcsync::replica
