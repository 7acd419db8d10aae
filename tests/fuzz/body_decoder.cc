// A request's body in its content coding: the result does not depend on how the network cuts it, it
// never exceeds its bound, and its memory goes back to the budget.
#include <memory>
#include <string>

#include "http/body_collector.h"
#include "http/byte_budget.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

constexpr uint64_t kBytesMax = 100'000;

// Of a body that is both too large and damaged, the pieces decide which is seen first.
struct Outcome {
  bool is_taken = false;
  std::string body;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome Collect(http::ContentCoding coding, uint64_t declared_bytes, absl::string_view bytes,
                size_t piece_bytes) {
  const auto budget = std::make_shared<http::ByteBudget>(4 * kBytesMax);
  Outcome outcome;
  http::BodyCollector::Result result = http::BodyCollector::Result::kOk;
  {
    http::BodyCollector body(coding, declared_bytes, kBytesMax, budget);
    for (Input input(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
         !input.empty() && result == http::BodyCollector::Result::kOk;) {
      result = body.Append(input.Take(piece_bytes));
    }
    if (result == http::BodyCollector::Result::kOk) result = body.Finish();
    outcome.is_taken = result == http::BodyCollector::Result::kOk;
    if (outcome.is_taken) outcome.body = body.TakeBody();
  }
  Expect(outcome.body.size() <= kBytesMax, "a body is within its bound");
  Expect(budget->bytes_taken() == 0, "a body gives its memory back");
  return outcome;
}

}  // namespace
}  // namespace tcsync::fuzz

// The coding, the size of pieces, the declared size, the body.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  constexpr http::ContentCoding kCodings[] = {
      http::ContentCoding::kIdentity, http::ContentCoding::kGzip, http::ContentCoding::kDeflate};
  fuzz::Input input(data, size);
  const http::ContentCoding coding = kCodings[input.TakeByte() % 3];
  const size_t piece_bytes = input.TakeByte() + size_t{1};
  const uint64_t declared_bytes = uint64_t{input.TakeByte()} << (input.TakeByte() % 64);
  const absl::string_view bytes = input.rest();
  const fuzz::Outcome in_one_piece = fuzz::Collect(coding, declared_bytes, bytes, bytes.size() + 1);
  fuzz::Expect(fuzz::Collect(coding, declared_bytes, bytes, piece_bytes) == in_one_piece,
               "a body in pieces is the body as a whole");
  fuzz::Expect(fuzz::Collect(coding, 0, bytes, 1) == in_one_piece,
               "a body byte by byte, of unknown size, is the body as a whole");
  static_cast<void>(http::ParseContentCoding(bytes));
  return 0;
}
