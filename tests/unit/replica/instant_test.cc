// The times of updates as text. If these fail, two replicas disagree on which of two updates is the
// later one, and their tasks differ for ever.
#include "replica/instant.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace tcsync::replica {
namespace {

// 2026-11-29T21:14:49Z.
constexpr int64_t kSeconds = 1'795'986'889;

absl::Time At(int64_t seconds, int64_t nanoseconds = 0) {
  return absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanoseconds);
}

absl::Time Civil(int64_t year, int month, int day, int hour = 0, int minute = 0, int second = 0) {
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second),
                         absl::UTCTimeZone());
}

// If this fails, a version of another program is refused, or its updates get another time.
TEST(InstantTest, TextsThatTaskChampionReadsAreRead) {
  struct Case {
    const char* text;
    absl::Time time;
  };
  for (const Case& expected : {
           Case{"2026-11-29T21:14:49Z", At(kSeconds)},
           Case{"2026-11-29T21:14:49.1Z", At(kSeconds, 100'000'000)},
           Case{"2026-11-29T21:14:49.12Z", At(kSeconds, 120'000'000)},
           Case{"2026-11-29T21:14:49.123Z", At(kSeconds, 123'000'000)},
           Case{"2026-11-29T21:14:49.1234Z", At(kSeconds, 123'400'000)},
           Case{"2026-11-29T21:14:49.12345Z", At(kSeconds, 123'450'000)},
           Case{"2026-11-29T21:14:49.123456Z", At(kSeconds, 123'456'000)},
           Case{"2026-11-29T21:14:49.1234567Z", At(kSeconds, 123'456'700)},
           Case{"2026-11-29T21:14:49.12345678Z", At(kSeconds, 123'456'780)},
           Case{"2026-11-29T21:14:49.123456789Z", At(kSeconds, 123'456'789)},
           Case{"2026-11-29T21:14:49.1234567899Z", At(kSeconds, 123'456'789)},
           Case{"2026-11-29T21:14:49.12345678999Z", At(kSeconds, 123'456'789)},
           Case{"2026-11-29T21:14:49.999999999999Z", At(kSeconds, 999'999'999)},
           Case{"2026-11-29T21:14:49.000000000Z", At(kSeconds)},
           // Marks in either case, and a space.
           Case{"2026-11-29t21:14:49z", At(kSeconds)},
           Case{"2026-11-29 21:14:49Z", At(kSeconds)},
           // Offsets.
           Case{"2026-11-29T22:14:49+01:00", At(kSeconds)},
           Case{"2026-11-29T22:14:49+0100", At(kSeconds)},
           Case{"2026-11-29T15:44:49-05:30", At(kSeconds)},
           Case{"2026-11-29T21:14:49-00:00", At(kSeconds)},
           Case{"2026-11-30T21:13:49.5+23:59", At(kSeconds, 500'000'000)},
           // The calendar.
           Case{"2024-02-29T00:00:00Z", Civil(2024, 2, 29)},
           Case{"2000-02-29T23:59:59Z", Civil(2000, 2, 29, 23, 59, 59)},
           Case{"2016-12-31T23:59:60Z", Civil(2017, 1, 1)},  // a leap second
           Case{"1969-12-31T23:59:59.999999999Z", At(-1, 999'999'999)},
           Case{"0001-01-01T00:00:00Z", Civil(1, 1, 1)},
           Case{"0000-01-01T00:00:00Z", Civil(0, 1, 1)},
           Case{"9999-12-31T23:59:59.999999999Z",
                Civil(9999, 12, 31, 23, 59, 59) + absl::Nanoseconds(999'999'999)},
           // Years that need a sign, as TaskChampion writes them, and those that an offset makes.
           Case{"+10000-01-01T00:00:00Z", Civil(10000, 1, 1)},
           Case{"+262142-12-31T00:00:00Z", Civil(262142, 12, 31)},
           Case{"-0001-12-31T23:00:00Z", Civil(-1, 12, 31, 23)},
           Case{"+2026-11-29T21:14:49Z", At(kSeconds)},
           Case{"9999-12-31T23:59:59-01:00", Civil(10000, 1, 1, 0, 59, 59)},
           Case{"0000-01-01T00:00:00+01:00", Civil(-1, 12, 31, 23)},
       }) {
    EXPECT_EQ(ParseInstant(expected.text), expected.time) << expected.text;
  }
}

// If this fails, damage passes for a time, and an update wins or loses by chance.
TEST(InstantTest, OtherTextsAreRefused) {
  for (const absl::string_view text : {
           "",
           "Z",
           "now",
           "2026",
           "2026-11-29",
           "2026-11-29T21:14Z",
           "2026-11-29T21:14:49",
           "2026-11-29T21:14:49.",
           "2026-11-29T21:14:49.Z",
           "2026-11-29T21:14:49,5Z",
           "2026-11-29T21:14:49.5",
           "2026-11-29T21:14:49. 5Z",
           "2026-11-29T21:14:49.-5Z",
           "2026-11-29T21:14:49.5.5Z",
           "2026-11-29T21:14:49ZZ",
           "2026-11-29T21:14:49Z ",
           " 2026-11-29T21:14:49Z",
           "2026-11-29T21:14:49 Z",
           "2026-11-29T21:14:49Z\n",
           "2026-11-29_21:14:49Z",
           "2026-11-29  21:14:49Z",
           "2026/11/29T21:14:49Z",
           "20261129T211449Z",
           "26-11-29T21:14:49Z",
           "2026-1-29T21:14:49Z",
           "2026-11-9T21:14:49Z",
           "2026-11-29T1:14:49Z",
           // No such day or time.
           "2026-00-29T21:14:49Z",
           "2026-13-29T21:14:49Z",
           "2026-11-00T21:14:49Z",
           "2026-11-31T21:14:49Z",
           "2026-02-29T21:14:49Z",
           "2024-02-30T21:14:49Z",
           "1900-02-29T21:14:49Z",
           "2026-11-29T24:00:00Z",
           "2026-11-29T21:60:49Z",
           "2026-11-29T21:14:61Z",
           // Signs.
           "2026-11-29T-1:14:49Z",
           "2026--1-29T21:14:49Z",
           "2026-11-29T21:+4:49Z",
           "10000-01-01T00:00:00Z",
           "+999-01-01T00:00:00Z",
           "-999-01-01T00:00:00Z",
           "+262144-01-01T00:00:00Z",
           "-262145-01-01T00:00:00Z",
           "+99999999999999999999-01-01T00:00:00Z",
           "++2026-11-29T21:14:49Z",
           "--2026-11-29T21:14:49Z",
           "infinite-future",
           // Offsets.
           "2026-11-29T21:14:49+",
           "2026-11-29T21:14:49+1",
           "2026-11-29T21:14:49+01",
           "2026-11-29T21:14:49+01:",
           "2026-11-29T21:14:49+01:0",
           "2026-11-29T21:14:49+01:000",
           "2026-11-29T21:14:49+1:00",
           "2026-11-29T21:14:49+24:00",
           "2026-11-29T21:14:49+01:60",
           "2026-11-29T21:14:49*01:00",
           "2026-11-29T21:14:49+-1:00",
           "2026-11-29T21:14:49Z+01:00",
           "2026-11-29T21:14:49 +01:00 ",
           "2026-11-29T21:14:49\xe2\x88\x92"
           "01:00",
       }) {
    EXPECT_EQ(ParseInstant(text), std::nullopt) << text;
  }
  const std::string valid = "2026-11-29T21:14:49.5+01:00";
  for (size_t i = 0; i <= valid.size(); ++i) {
    std::string text = valid;
    text.insert(i, 1, '\0');
    EXPECT_EQ(ParseInstant(text), std::nullopt) << "a NUL at " << i;
    if (i < valid.size()) {
      EXPECT_EQ(ParseInstant(valid.substr(0, i)), std::nullopt) << valid.substr(0, i);
    }
  }
  EXPECT_EQ(ParseInstant(std::string(10'000'000, '1')), std::nullopt);
}

// If this fails, TaskChampion sees a change where a database or a version has none.
TEST(InstantTest, TheFewestDigitsAreWritten) {
  struct Case {
    absl::Time time;
    const char* text;
  };
  for (const Case& expected : {
           Case{At(kSeconds), "2026-11-29T21:14:49Z"},
           Case{At(kSeconds, 100'000'000), "2026-11-29T21:14:49.100Z"},
           Case{At(kSeconds, 123'000'000), "2026-11-29T21:14:49.123Z"},
           Case{At(kSeconds, 1'000'000), "2026-11-29T21:14:49.001Z"},
           Case{At(kSeconds, 1'000), "2026-11-29T21:14:49.000001Z"},
           Case{At(kSeconds, 123'456'000), "2026-11-29T21:14:49.123456Z"},
           Case{At(kSeconds, 1), "2026-11-29T21:14:49.000000001Z"},
           Case{At(kSeconds, 123'456'780), "2026-11-29T21:14:49.123456780Z"},
           Case{At(kSeconds, 999'999'999), "2026-11-29T21:14:49.999999999Z"},
           Case{At(0), "1970-01-01T00:00:00Z"},
           Case{At(-1, 999'999'999), "1969-12-31T23:59:59.999999999Z"},
           Case{Civil(1, 1, 1), "0001-01-01T00:00:00Z"},
           Case{Civil(0, 1, 1), "0000-01-01T00:00:00Z"},
           Case{Civil(9999, 12, 31), "9999-12-31T00:00:00Z"},
           Case{Civil(10000, 1, 1), "+10000-01-01T00:00:00Z"},
           Case{Civil(-1, 12, 31, 23), "-0001-12-31T23:00:00Z"},
           Case{Civil(-12345, 1, 1), "-12345-01-01T00:00:00Z"},
       }) {
    EXPECT_EQ(FormatInstant(expected.time), expected.text);
  }
}

// If this fails, a received operation is written to the database in a form that cannot be read
// again, and the replica stops for ever.
TEST(InstantTest, WrittenTextsAreReadAsTheSameTime) {
  for (const int64_t year :
       {-262143, -10000, -9999, -1, 0, 1, 999, 1970, 2026, 9999, 10000, 99999, 262142}) {
    for (const int64_t nanoseconds : {0, 1, 999, 1'000, 999'999, 1'000'000, 999'999'999}) {
      const absl::Time time = Civil(year, 2, 28, 23, 59, 59) + absl::Nanoseconds(nanoseconds);
      EXPECT_EQ(ParseInstant(FormatInstant(time)), time) << FormatInstant(time);
    }
  }
}

// If this fails, the order of updates depends on the form in which their times were written.
TEST(InstantTest, TimesAreOrderedAcrossForms) {
  const char* const ascending[] = {
      "-0001-12-31T23:59:59Z",
      "0000-01-01T00:00:00Z",
      "1969-12-31T23:59:59.999999999Z",
      "1970-01-01T01:00:00+01:00",
      "1970-01-01T00:00:00.000000001Z",
      "2026-11-29T21:14:49-00:00",
      "2026-11-29T22:14:49.000000001+01:00",
      "2026-11-29 21:14:49.1z",
      "2026-11-29T21:14:49.11Z",
      "9999-12-31T23:59:59.999999999Z",
      "+10000-01-01T00:00:00Z",
  };
  std::optional<absl::Time> before;
  for (const char* const text : ascending) {
    const std::optional<absl::Time> time = ParseInstant(text);
    ASSERT_TRUE(time.has_value()) << text;
    if (before) {
      EXPECT_LT(*before, *time) << text;
    }
    before = time;
  }
}

// If this fails, a caller's time is refused that other programs read, or accepted that they do not.
TEST(InstantTest, CallersTimesAreInYearsOfFourDigits) {
  const absl::Time begin = Civil(1, 1, 1);
  const absl::Time end = Civil(10000, 1, 1);
  EXPECT_TRUE(IsInstant(begin));
  EXPECT_FALSE(IsInstant(begin - absl::Nanoseconds(1)));
  EXPECT_TRUE(IsInstant(end - absl::Nanoseconds(1)));
  EXPECT_FALSE(IsInstant(end));
  EXPECT_FALSE(IsInstant(absl::InfiniteFuture()));
  EXPECT_FALSE(IsInstant(absl::InfinitePast()));
}

// If this fails, an update that was just committed differs from the one that the database returns.
TEST(InstantTest, FractionsOfNanosecondsAreCutDownwards) {
  const absl::Duration quarter = absl::Nanoseconds(1) / 4;
  for (const int64_t seconds : {kSeconds, int64_t{0}, int64_t{-1}, -kSeconds}) {
    EXPECT_EQ(ToNanoseconds(At(seconds)), At(seconds));
    EXPECT_EQ(ToNanoseconds(At(seconds, 1)), At(seconds, 1));
    EXPECT_EQ(ToNanoseconds(At(seconds, 1) + quarter), At(seconds, 1));
    EXPECT_EQ(ToNanoseconds(At(seconds, 1) - quarter), At(seconds));
  }
  EXPECT_FALSE(IsInstant(ToNanoseconds(absl::InfiniteFuture())));
  EXPECT_FALSE(IsInstant(ToNanoseconds(absl::InfinitePast())));
}

}  // namespace
}  // namespace tcsync::replica
