// The days on which devices were seen. If these fail, a request waits for the disk, or a list of
// devices shows a computer as unused that syncs every day.
#include "access/device_notes.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "access/device_changes.h"
#include "access/token.h"
#include "base/limits.h"
#include "gtest/gtest.h"
#include "scripted_access_records.h"

namespace tcsync::access {
namespace {

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
constexpr int64_t kDay = 86'400;
constexpr int64_t kToday = 20'000 * kDay;
constexpr int64_t kNow = kToday + 3'600;

Device DeviceFor(absl::string_view name) {
  Device device;
  device.digest = DigestOf(name);
  return device;
}

class DeviceNotesTest : public testing::Test {
 protected:
  DeviceNotesTest() {
    DeviceState& state = storage_.devices[kClient];
    state.client_exists = true;
    for (const char* const name : {"desktop", "laptop"}) {
      state.devices.devices.push_back(DeviceFor(name));
    }
  }

  int64_t SeenAt(size_t device) {
    return storage_.devices[kClient].devices.devices[device].last_seen_unix_seconds;
  }
  int64_t TokenlessAt() {
    return storage_.devices[kClient].devices.tokenless_last_seen_unix_seconds;
  }
  void Flush() { EXPECT_TRUE(notes_.Flush(1'000, storage_).ok()); }

  ScriptedAccessRecords storage_;
  DeviceNotes notes_;
};

TEST_F(DeviceNotesTest, ADayIsWrittenOnce) {
  for (int i = 0; i < 3; ++i) {
    notes_.Note(kClient, DigestOf("laptop"), kNow + i);
    Flush();
  }
  EXPECT_EQ(SeenAt(0), 0);
  EXPECT_EQ(SeenAt(1), kToday);
  EXPECT_EQ(storage_.device_changes, 1);
  EXPECT_EQ(TokenlessAt(), 0);
  notes_.Note(kClient, DigestOf("laptop"), kNow + kDay);
  Flush();
  EXPECT_EQ(SeenAt(1), kToday + kDay);
  EXPECT_EQ(storage_.device_changes, 2);
}

TEST_F(DeviceNotesTest, NoTokenAndTheTokenOfNoDeviceCountAsTokenless) {
  notes_.Note(kClient, std::nullopt, kNow);
  Flush();
  EXPECT_EQ(TokenlessAt(), kToday);
  notes_.Note(kClient, DigestOf("an invite"), kNow + kDay);
  Flush();
  EXPECT_EQ(TokenlessAt(), kToday + kDay);
  EXPECT_EQ(SeenAt(0), 0);
}

// Most clients have no devices; their requests must write nothing.
TEST_F(DeviceNotesTest, NothingIsWrittenForAClientWithoutDevices) {
  storage_.devices[kClient].devices.devices.clear();
  notes_.Note(kClient, std::nullopt, kNow);
  notes_.Note(kClient, DigestOf("an invite"), kNow);
  Flush();
  EXPECT_EQ(storage_.device_changes, 0);
  // A first device, minted later that day: requests without it count from then on.
  storage_.devices[kClient].devices.devices.push_back(DeviceFor("desktop"));
  notes_.Note(kClient, std::nullopt, kNow);
  Flush();
  EXPECT_EQ(TokenlessAt(), 0) << "it was noted before";
  notes_.Forget(kClient);
  notes_.Note(kClient, std::nullopt, kNow);
  Flush();
  EXPECT_EQ(TokenlessAt(), kToday);
}

// If this fails, a computer that was seen just before another one was paired seems to be unused.
TEST_F(DeviceNotesTest, ForgettingKeepsWhatIsNotStored) {
  notes_.Note(kClient, DigestOf("laptop"), kNow);
  notes_.Note(kClient, std::nullopt, kNow);
  notes_.Forget(kClient);
  Flush();
  EXPECT_EQ(SeenAt(1), kToday);
  EXPECT_EQ(TokenlessAt(), kToday);
}

TEST_F(DeviceNotesTest, NotesSurviveAFailureOfStorage) {
  storage_.failure = absl::UnavailableError("away");
  notes_.Note(kClient, DigestOf("desktop"), kNow);
  EXPECT_FALSE(notes_.Flush(1'000, storage_).ok());
  EXPECT_FALSE(notes_.FlushClient(kClient, storage_).ok());
  storage_.failure = absl::OkStatus();
  Flush();
  EXPECT_EQ(SeenAt(0), kToday);
}

TEST_F(DeviceNotesTest, SomeOfManyAreWrittenAtATime) {
  for (int i = 0; i < 10; ++i) {
    const Uuid client = Uuid::Random();
    storage_.devices[client].devices.devices.push_back(DeviceFor("desktop"));
    notes_.Note(client, DigestOf("desktop"), kNow);
  }
  EXPECT_TRUE(notes_.Flush(4, storage_).ok());
  EXPECT_EQ(storage_.device_changes, 4);
  EXPECT_TRUE(notes_.Flush(100, storage_).ok());
  EXPECT_EQ(storage_.device_changes, 10);
}

// Somebody who invents tokens, or clients, must not fill the memory.
TEST_F(DeviceNotesTest, MemoryIsBounded) {
  for (int i = 0; i < 1'000; ++i) notes_.Note(kClient, DigestOf(absl::StrCat(i)), kNow);
  Flush();
  EXPECT_EQ(storage_.device_changes, 1);
  EXPECT_EQ(TokenlessAt(), kToday);
  // A new day has room again.
  notes_.Note(kClient, DigestOf("laptop"), kNow + kDay);
  Flush();
  EXPECT_EQ(SeenAt(1), kToday + kDay);
}

}  // namespace
}  // namespace tcsync::access
