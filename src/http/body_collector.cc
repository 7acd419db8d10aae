#include "http/body_collector.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace tcsync::http {
namespace {

// A body of unknown size starts with this much and doubles. Usual bodies fit at once.
constexpr uint64_t kFirstReservationBytes = 64 * 1024;

// What zlib takes for one stream: a 32 KiB window and its tables (zlib.h, "Memory").
constexpr uint64_t kInflaterBytes = 48 * 1024;

constexpr size_t kInflateStepBytes = 16 * 1024;

// How zlib is told which wrapper to expect (zlib.h, inflateInit2).
constexpr int kZlibWindowBits = 15;
constexpr int kGzipWindowBits = 15 + 16;

}  // namespace

std::optional<ContentCoding> ParseContentCoding(absl::string_view content_encoding) {
  content_encoding = absl::StripAsciiWhitespace(content_encoding);
  if (content_encoding.empty() || absl::EqualsIgnoreCase(content_encoding, "identity")) {
    return ContentCoding::kIdentity;
  }
  if (absl::EqualsIgnoreCase(content_encoding, "gzip") ||
      absl::EqualsIgnoreCase(content_encoding, "x-gzip")) {
    return ContentCoding::kGzip;
  }
  if (absl::EqualsIgnoreCase(content_encoding, "deflate")) return ContentCoding::kDeflate;
  return std::nullopt;
}

// One zlib stream. A gzip body may be several streams in a row (RFC 1952, section 2.2).
class BodyCollector::Inflater {
 public:
  explicit Inflater(ContentCoding coding) : several_members_(coding == ContentCoding::kGzip) {
    ready_ = inflateInit2(&stream_, several_members_ ? kGzipWindowBits : kZlibWindowBits) == Z_OK;
  }
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Feeds `bytes`, passing what comes out to `collector`.
  Result Inflate(absl::string_view bytes, BodyCollector& collector) {
    if (!ready_) return Result::kNoMemory;
    if (bytes.size() > std::numeric_limits<uInt>::max()) return Result::kTooLarge;
    std::array<char, kInflateStepBytes> step;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    bool more_output = false;  // the last step filled its buffer
    while (stream_.avail_in > 0 || more_output) {
      if (ended_ && !BeginNextMember()) return Result::kMalformed;
      stream_.next_out = reinterpret_cast<Bytef*>(step.data());
      stream_.avail_out = static_cast<uInt>(step.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      if (status == Z_MEM_ERROR) return Result::kNoMemory;
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        return Result::kMalformed;
      }
      ended_ = status == Z_STREAM_END;
      more_output = !ended_ && stream_.avail_out == 0;
      const Result result = collector.AppendDecoded({step.data(), step.size() - stream_.avail_out});
      if (result != Result::kOk) return result;
    }
    return Result::kOk;
  }

  bool ended() const { return ended_; }

 private:
  bool BeginNextMember() {
    ended_ = false;
    return several_members_ && inflateReset(&stream_) == Z_OK;
  }

  const bool several_members_;
  z_stream stream_{};
  bool ready_ = false;
  bool ended_ = false;
};

BodyCollector::BodyCollector(ContentCoding coding, uint64_t declared_bytes, uint64_t bytes_max,
                             std::shared_ptr<ByteBudget> budget)
    : declared_bytes_(coding == ContentCoding::kIdentity ? declared_bytes : 0),
      bytes_max_(bytes_max),
      charge_(std::move(budget)) {
  if (coding != ContentCoding::kIdentity) inflater_ = std::make_unique<Inflater>(coding);
}

BodyCollector::~BodyCollector() = default;

BodyCollector::Result BodyCollector::Grow(uint64_t more) {
  const uint64_t needed = body_.size() + more;
  if (needed > bytes_max_) return Result::kTooLarge;
  if (needed <= body_.capacity()) return Result::kOk;
  // Memory follows what has arrived, not what was announced: an announcement costs nothing.
  uint64_t reservation = std::max<uint64_t>(2 * body_.size(), kFirstReservationBytes);
  if (declared_bytes_ >= needed) reservation = std::min(reservation, declared_bytes_);
  reservation = std::max(needed, std::min(reservation, bytes_max_));
  if (!charge_.TryResize(reservation + (inflater_ ? kInflaterBytes : 0))) return Result::kNoMemory;
  // Into a new string, because one that has something would at least double.
  std::string grown;
  grown.reserve(reservation);
  grown.append(body_);
  body_.swap(grown);
  return Result::kOk;
}

BodyCollector::Result BodyCollector::AppendDecoded(absl::string_view bytes) {
  const Result result = Grow(bytes.size());
  if (result == Result::kOk) body_.append(bytes.data(), bytes.size());
  return result;
}

BodyCollector::Result BodyCollector::Append(absl::string_view bytes) {
  if (inflater_ == nullptr) return AppendDecoded(bytes);
  if (body_.empty() && !charge_.TryResize(kInflaterBytes)) return Result::kNoMemory;
  return inflater_->Inflate(bytes, *this);
}

BodyCollector::Result BodyCollector::Finish() const {
  return inflater_ == nullptr || inflater_->ended() ? Result::kOk : Result::kMalformed;
}

}  // namespace tcsync::http
