// The bytes of a connection, with all their requests: the network's cuts change neither the
// handler's input nor the answers. A difference here lets requests be smuggled.
#include "listener/request_parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/target.h"
#include "tests/unit/listener/fake_handler.h"

namespace tcsync::fuzz {
namespace {

constexpr size_t kRequestsMax = 50;

// Until the parser needs more than there is.
void ParseAll(listener::RequestParser& parser, std::string& waiting) {
  while (!parser.Ready() && !waiting.empty()) {
    const size_t consumed = parser.Parse(waiting);
    Expect(consumed <= waiting.size(), "no more is consumed than there is");
    waiting.erase(0, consumed);
    if (consumed == 0) return;
  }
}

// Everything that can be seen of a connection, in one text.
std::string Receive(absl::string_view input, size_t piece_bytes) {
  FakeHandler handler;
  listener::HeadScratch scratch;
  const PeerAddress peer = PeerAddress::Local();
  std::string seen;
  std::string waiting;
  bool is_open = true;
  for (size_t count = 0; is_open && count < kRequestsMax; ++count) {
    listener::RequestParser parser(handler, scratch, peer);
    // Bytes behind the request before are parsed first, as a connection does.
    ParseAll(parser, waiting);
    while (!parser.Ready() && !input.empty()) {
      const absl::string_view piece = input.substr(0, piece_bytes);
      input.remove_prefix(piece.size());
      absl::StrAppend(&waiting, piece);
      ParseAll(parser, waiting);
      static_cast<void>(parser.TakeExpectContinue());
    }
    if (!parser.Ready()) {
      // The waiting part of an incomplete request depends on the pieces, and shows nowhere.
      absl::StrAppend(&seen, "incomplete");
      break;
    }
    const std::optional<http::Response> response = parser.Finish(nullptr);
    Expect(response.has_value(), "a request has an answer");
    absl::StrAppend(&seen, response->status, " ", response->body, "\n");
    // Whether the end of such a body was received with the piece that was too much is chance, and
    // with it whether the connection stays open.
    if (response->status == 413) break;
    is_open = parser.CanKeepAlive();
    absl::StrAppend(&seen, is_open, parser.IsHttp10(), parser.IsHeadMethod(), "\n");
  }
  for (const std::string& head : handler.heads) absl::StrAppend(&seen, "[", head, "]");
  absl::StrAppend(&seen, handler.finished, " finished");
  return seen;
}

}  // namespace
}  // namespace tcsync::fuzz

// The size of pieces, then the bytes of the connection.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  fuzz::Input input(data, size);
  const size_t piece_bytes = input.TakeByte() + size_t{1};
  const absl::string_view bytes = input.rest();
  const std::string in_one_piece = fuzz::Receive(bytes, std::max<size_t>(bytes.size(), 1));
  for (const size_t pieces : {piece_bytes, size_t{1}}) {
    const std::string cut = fuzz::Receive(bytes, pieces);
    if (cut != in_one_piece) std::cerr << "whole:\n" << in_one_piece << "\ncut:\n" << cut << '\n';
    fuzz::Expect(cut == in_one_piece, "the cuts change no outcome");
  }
  return 0;
}
