// Reads one HTTP/1.1 response after another from a connection's bytes: the status line, the few
// headers that the sync protocol uses, and a body whose length Content-Length gives.
//
// It implements only as much of RFC 9112 as a sync server needs, and is strict about that part,
// because every response that it accepts counts as a right answer. Chunked bodies, interim
// responses (1xx) and bodies that end with the connection are faults.
#ifndef TCSYNC_BENCH_LOAD_HTTP_RESPONSE_H_
#define TCSYNC_BENCH_LOAD_HTTP_RESPONSE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tcsync::load {

// Views into the reader's buffer. A header that the response does not have is a view whose data()
// is null; an empty one has a data() that is not.
struct HttpResponse {
  int status = 0;
  bool keep_alive = false;
  absl::string_view cache_control;
  absl::string_view content_type;
  absl::string_view parent_version_id;
  absl::string_view retry_after;
  absl::string_view snapshot_request;
  absl::string_view version_id;
  absl::string_view body;
};

// Allocates only when a response is larger than all before it. Thread-compatible.
class ResponseReader {
 public:
  enum class State {
    kIncomplete,
    kComplete,   // response() is valid until Reset
    kMalformed,  // fault() has the reason; nothing more can be read from this connection
  };

  // A longer body than `body_bytes_max` is a fault.
  explicit ResponseReader(size_t body_bytes_max);

  // Clears the state; to be called before each request.
  void Reset();

  // The space for the next bytes from the socket; never empty while the response is incomplete.
  absl::Span<char> Space();

  // Records `bytes` new bytes in the space from Space().
  State Advance(size_t bytes);

  // Whether any byte has arrived since Reset.
  bool started() const { return used_ > 0; }

  const HttpResponse& response() const { return response_; }
  const std::string& fault() const { return fault_; }

 private:
  State Malformed(absl::string_view fault);
  // Both return false after Malformed.
  bool ParseHead(absl::string_view head);
  bool ParseHeader(absl::string_view line);

  const size_t body_bytes_max_;
  std::vector<char> buffer_;
  size_t used_ = 0;
  size_t head_bytes_ = 0;  // with the empty line; 0 before that
  size_t body_bytes_ = 0;
  bool has_content_length_ = false;
  HttpResponse response_;
  std::string fault_;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_HTTP_RESPONSE_H_
