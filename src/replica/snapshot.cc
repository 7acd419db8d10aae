#include "replica/snapshot.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "absl/strings/str_cat.h"
#include "replica/operation_json.h"

namespace tcsync::replica {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 16;

class Inflater {
 public:
  Inflater() {
    if (inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

absl::StatusOr<std::string> Inflate(absl::string_view compressed, size_t bytes_max) {
  Inflater inflater;
  z_stream& stream = inflater.stream();
  std::string text;
  std::string piece(kPieceBytes, '\0');
  while (true) {
    if (stream.avail_in == 0 && !compressed.empty()) {
      const size_t bytes = std::min(compressed.size(), kPieceBytes);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
      stream.avail_in = static_cast<uInt>(bytes);
      compressed.remove_prefix(bytes);
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    text.append(piece.data(), piece.size() - stream.avail_out);
    if (text.size() > bytes_max) {
      return absl::InvalidArgumentError(
          absl::StrCat("has more than ", bytes_max, " bytes when it is decompressed"));
    }
    // What follows the end is ignored, as by TaskChampion.
    if (result == Z_STREAM_END) return text;
    if (result == Z_BUF_ERROR) return absl::InvalidArgumentError("is cut off");
    if (result != Z_OK) return absl::InvalidArgumentError("is not compressed with zlib");
  }
}

}  // namespace

absl::StatusOr<std::string> EncodeSnapshot(const std::vector<Task>& tasks) {
  const std::string json = FormatTasks(tasks);
  uLongf bytes = compressBound(json.size());
  std::string compressed(bytes, '\0');
  const int result = compress(reinterpret_cast<Bytef*>(compressed.data()), &bytes,
                              reinterpret_cast<const Bytef*>(json.data()), json.size());
  if (result == Z_MEM_ERROR) throw std::bad_alloc();
  if (result != Z_OK) return absl::InternalError(absl::StrCat("zlib failed with ", result));
  compressed.resize(bytes);
  return compressed;
}

absl::StatusOr<std::vector<Task>> DecodeSnapshot(absl::string_view snapshot,
                                                 size_t json_bytes_max) {
  const absl::StatusOr<std::string> json = Inflate(snapshot, json_bytes_max);
  if (!json.ok()) return json.status();
  return ParseTasks(*json);
}

}  // namespace tcsync::replica
