// The time of an update as text: RFC 3339, as TaskChampion writes it, such as
// "2026-11-29T21:14:49.123456789Z".
#ifndef TCSYNC_SRC_REPLICA_INSTANT_H_
#define TCSYNC_SRC_REPLICA_INSTANT_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tcsync::replica {

// In UTC, with 0, 3, 6 or 9 digits of the second's fraction, the fewest that keep the nanoseconds.
// A year outside of 0000 to 9999 has a sign, as TaskChampion writes it. ParseInstant reads it.
std::string FormatInstant(absl::Time time);

// nullopt for a text that TaskChampion would not read. A 'T' may be a 't' or a space, the offset
// 'Z', 'z' or hours and minutes, and a year of four to six digits may have a sign. Digits of the
// fraction after the ninth are ignored.
std::optional<absl::Time> ParseInstant(absl::string_view text);

// Whether the time has a year of four digits, 0001 to 9999. Other years are valid and read
// differently by different programs.
bool IsInstant(absl::Time time);

// Without what nanoseconds do not hold.
absl::Time ToNanoseconds(absl::Time time);

}  // namespace tcsync::replica

#endif  // TCSYNC_SRC_REPLICA_INSTANT_H_
