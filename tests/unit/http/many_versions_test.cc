// Answers with many versions while memory is scarce. If these fail, replicas that are far behind
// take the memory for all bodies, or are refused where one version would have room.
#include "http/many_versions.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "access/access_control.h"
#include "gtest/gtest.h"
#include "http/router.h"
#include "http/sync_handler.h"
#include "storage/memory/memory_storage.h"
#include "sync/sync_service.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::http {
namespace {

constexpr char kClientId[] = "c11e4700-0000-4000-8000-000000000001";
constexpr char kGetFirst[] = "/v1/client/get-child-version/00000000-0000-0000-0000-000000000000";

class ManyVersionsTest : public testing::Test {
 protected:
  // Two versions, of which one takes 400 bytes and both in one answer 840.
  ManyVersionsTest() {
    Uuid parent;
    for (const char fill : {'a', 'b'}) {
      service_.AddVersion(*Uuid::Parse(kClientId), parent, std::string(400, fill), {},
                          [&parent](absl::StatusOr<sync::AddVersionResult> result) {
                            ASSERT_TRUE(result.ok());
                            parent = std::get<sync::VersionAdded>(*result).version_id;
                          });
    }
  }

  Response Get() {
    const std::vector<HeaderView> headers = {{"X-Client-Id", kClientId},
                                             {"Accept", base::kVersionFramesMediaType}};
    return handler_.Handle({"GET", kGetFirst, headers}, "");
  }

  ManualClock clock_;
  memory_storage::MemoryStorage storage_;
  sync::SyncService service_{storage_, clock_, sync::SyncPolicy()};
  access::AccessTable table_;
  access::AccessControl access_{table_, access::AccessPolicy(), clock_, clock_};
  SyncHandler sync_{service_, access_,
                    SyncHandlerOptions{.body_bytes_max = 1000, .bodies_in_flight_bytes_max = 1300},
                    clock_, base::Logger()};
  Router handler_{"", access_, sync_};
};

TEST_F(ManyVersionsTest, OneVersionHasToDoWhileMemoryIsScarce) {
  {
    const Response many = Get();
    EXPECT_EQ(many.status, 200);
    EXPECT_EQ(many.body.size(), 840u);
    const Response one = Get();
    EXPECT_EQ(one.status, 200);
    EXPECT_EQ(one.body, std::string(400, 'a'));
    EXPECT_EQ(Get().status, 503) << "an answer is not charged";
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Get().body.size(), 840u) << "memory does not go back";
}

}  // namespace
}  // namespace tcsync::http
