// See compression.h.
#include "compression.h"

#include <zlib.h>

#include <cstdio>
#include <cstdlib>

namespace tcsync::conformance {
namespace {

// Makes zlib write a gzip header and trailer instead of its own.
constexpr int kGzipWindowBits = MAX_WBITS + 16;

std::string Compress(absl::string_view bytes, int window_bits) {
  z_stream stream = {};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    std::fputs("zlib cannot compress\n", stderr);
    std::abort();
  }
  std::string compressed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  deflate(&stream, Z_FINISH);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  return compressed;
}

}  // namespace

std::string Gzip(absl::string_view bytes) { return Compress(bytes, kGzipWindowBits); }

std::string Deflate(absl::string_view bytes) { return Compress(bytes, MAX_WBITS); }

}  // namespace tcsync::conformance
