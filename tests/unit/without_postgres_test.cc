// A build without PostgreSQL. If this fails, storage=postgres is taken for another storage there,
// and a server begins with an empty one.
#include "engine/open_storage.h"
#include "gtest/gtest.h"

namespace tcsync::engine {
namespace {

TEST(WithoutPostgresTest, TheOptionIsRefusedWithTheRemedy) {
  Options options;
  options.storage = "postgres";
  options.data_dir = "never-made";
  metrics::Registry registry;
  const auto opened = OpenStorage(options, registry, {});
  ASSERT_EQ(opened.status().code(), absl::StatusCode::kInvalidArgument) << opened.status();
  EXPECT_NE(opened.status().message().find("-DTCSYNC_POSTGRES=ON"), std::string::npos)
      << opened.status();
  options.storage = "memory";
  EXPECT_TRUE(OpenStorage(options, registry, {}).ok());
}

}  // namespace
}  // namespace tcsync::engine
