#include "http/body_decoder.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace tcsync::http {
namespace {

// zlib's memory for one stream: a 32 KiB window and its tables (zlib.h, "Memory").
constexpr uint64_t kInflaterBytes = 48 * 1024;

constexpr size_t kInflateStepBytes = 16 * 1024;

// Tells zlib which wrapper to expect (zlib.h, inflateInit2).
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

uint64_t DeclaredBytesOf(const RequestHead& head) {
  uint64_t bytes = 0;
  return absl::SimpleAtoi(head.Header("Content-Length"), &bytes) ? bytes : 0;
}

// One zlib stream. A gzip body may be several streams in a row (RFC 1952, section 2.2).
class BodyDecoder::Inflater {
 public:
  explicit Inflater(ContentCoding coding) : several_members_(coding == ContentCoding::kGzip) {
    ready_ = inflateInit2(&stream_, several_members_ ? kGzipWindowBits : kZlibWindowBits) == Z_OK;
  }
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  BodyResult Inflate(absl::string_view& input, size_t output_bytes_max, std::string& output) {
    if (!ready_) return BodyResult::kNoMemory;
    while ((!input.empty() || more_output_) && output.size() < output_bytes_max) {
      if (ended_ && !BeginNextMember()) return BodyResult::kMalformed;
      const size_t given = std::min<size_t>(input.size(), std::numeric_limits<uInt>::max());
      const size_t filled = output.size();
      const size_t room = std::min(output_bytes_max - filled, kInflateStepBytes);
      output.resize(filled + room);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = reinterpret_cast<Bytef*>(&output[filled]);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input.remove_prefix(given - stream_.avail_in);
      output.resize(filled + room - stream_.avail_out);
      if (status == Z_MEM_ERROR) return BodyResult::kNoMemory;
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
        return BodyResult::kMalformed;
      }
      ended_ = status == Z_STREAM_END;
      more_output_ = !ended_ && stream_.avail_out == 0;  // the output is full
    }
    return BodyResult::kOk;
  }

  bool more_output() const { return more_output_; }
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
  bool more_output_ = false;
};

uint64_t BodyDecoder::MemoryBytes(ContentCoding coding) {
  return coding == ContentCoding::kIdentity ? 0 : kInflaterBytes;
}

BodyDecoder::BodyDecoder(ContentCoding coding) {
  if (coding != ContentCoding::kIdentity) inflater_ = std::make_unique<Inflater>(coding);
}

BodyDecoder::~BodyDecoder() = default;

BodyResult BodyDecoder::Decode(absl::string_view& input, size_t output_bytes_max,
                               std::string& output) {
  if (inflater_ != nullptr) return inflater_->Inflate(input, output_bytes_max, output);
  const size_t room = output_bytes_max - std::min(output_bytes_max, output.size());
  const absl::string_view taken = input.substr(0, room);
  output.append(taken.data(), taken.size());
  input.remove_prefix(taken.size());
  return BodyResult::kOk;
}

bool BodyDecoder::has_more() const { return inflater_ != nullptr && inflater_->more_output(); }

bool BodyDecoder::is_complete() const { return inflater_ == nullptr || inflater_->ended(); }

}  // namespace tcsync::http
