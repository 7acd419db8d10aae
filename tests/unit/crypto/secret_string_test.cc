// SecretString: if these fail, secrets or opened plaintexts stay behind in freed memory, or can be
// copied or printed by accident.

#include "crypto/secret_string.h"

#include <algorithm>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tcsync/envelope.h"

namespace tcsync::crypto {
namespace {

template <typename T>
concept Printable = requires(std::ostream& stream, const T& value) {
  stream << value;
};

static_assert(Printable<std::string>);
static_assert(!Printable<SecretString>);
static_assert(!std::is_copy_constructible_v<SecretString>);
static_assert(!std::is_copy_assignable_v<SecretString>);
static_assert(std::is_nothrow_move_constructible_v<SecretString>);
static_assert(std::is_nothrow_move_assignable_v<SecretString>);
static_assert(!std::is_convertible_v<absl::string_view, SecretString>);

// Memory that the process's SecretStrings have freed since the test began, as it was just before.
std::vector<std::string>* freed = nullptr;

class SecretStringTest : public testing::Test {
 protected:
  void SetUp() override {
    freed = &freed_;
    previous_ = SetSecretFreedObserver(
        [](const char* bytes, size_t size) { freed->emplace_back(bytes, size); });
  }

  void TearDown() override {
    SetSecretFreedObserver(previous_);
    freed = nullptr;
  }

  std::vector<std::string> freed_;
  SecretFreedObserver previous_ = nullptr;
};

std::string Zeros(size_t size) { return std::string(size, '\0'); }

// If this fails, secrets with zero bytes are cut.
TEST_F(SecretStringTest, HoldsItsBytes) {
  const std::string bytes("a\0b", 3);
  const SecretString secret(bytes);
  EXPECT_EQ(secret.AsStringView(), bytes);
  EXPECT_EQ(secret.size(), 3u);
  EXPECT_FALSE(secret.empty());
  EXPECT_NE(secret.data(), bytes.data());
}

// If this fails, an opened plaintext begins with bytes of freed memory.
TEST_F(SecretStringTest, WithSizeIsZeroedAndWritable) {
  SecretString secret = SecretString::WithSize(4);
  EXPECT_EQ(secret.AsStringView(), Zeros(4));
  std::fill_n(secret.data(), secret.size(), 'x');
  EXPECT_EQ(secret.AsStringView(), "xxxx");
}

// If this fails, an empty secret crashes the program.
TEST_F(SecretStringTest, EmptySecretsAllocateNothing) {
  {
    SecretString secret;
    SecretString other("");
    secret = std::move(other);
    EXPECT_TRUE(secret.empty());
    EXPECT_EQ(secret.AsStringView(), "");
    EXPECT_TRUE(SecretString::WithSize(0).empty());
  }
  EXPECT_TRUE(freed_.empty());
}

// If this fails, secrets stay in freed memory, and with it in core dumps and swap.
TEST_F(SecretStringTest, DestructionWipes) {
  // The short one would lie inside a std::string; the long one is more than a page.
  for (const size_t size : {1u, 15u, 64u, 10'000u}) {
    freed_.clear();
    { const SecretString secret{std::string(size, 's')}; }
    EXPECT_EQ(freed_, std::vector<std::string>{Zeros(size)});
  }
}

// If this fails, a moved secret leaves a second copy that is never wiped.
TEST_F(SecretStringTest, MovingTransfersTheOnlyCopy) {
  SecretString source("secret");
  const char* const where = source.data();
  SecretString target(std::move(source));
  EXPECT_EQ(target.data(), where);
  EXPECT_EQ(target.AsStringView(), "secret");
  // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move): documented to be empty
  EXPECT_EQ(source.data(), nullptr);
  EXPECT_EQ(source.size(), 0u);
  // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  EXPECT_TRUE(freed_.empty());
}

// If this fails, a replaced secret stays in freed memory.
TEST_F(SecretStringTest, AssignmentWipesTheOldSecret) {
  SecretString source("new");
  SecretString target("the old one");
  target = std::move(source);
  EXPECT_EQ(target.AsStringView(), "new");
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): documented to be empty
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(freed_, std::vector<std::string>{Zeros(11)});
}

// If this fails, a secret is lost when a program assigns it to itself.
TEST_F(SecretStringTest, AssignmentToItselfChangesNothing) {
  SecretString secret("secret");
  SecretString& same = secret;
  secret = std::move(same);
  EXPECT_EQ(secret.AsStringView(), "secret");
  EXPECT_TRUE(freed_.empty());
}

}  // namespace
}  // namespace tcsync::crypto
