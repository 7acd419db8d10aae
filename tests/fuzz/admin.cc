// An operator's requests with any content, over storage in memory: every answer is a
// document that programs can read, and every refusal has a sentence for people.
//
// An input is text: requests separated by lines of "%", each a line "METHOD PATH" and the body.
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "admin/admin_handler.h"
#include "nlohmann/json.hpp"
#include "storage/memory/memory_storage.h"
#include "tests/fuzz/target.h"
#include "tests/unit/admin/whole_parts.h"

namespace tcsync::fuzz {
namespace {

using Json = nlohmann::json;

constexpr size_t kRequestsMax = 20;

class Session {
 public:
  Session() {
    storage_.Append({.client_id = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001"),
                     .expected_parent = {},
                     .segment = "segment",
                     .create_client = true,
                     .now_unix_seconds = 1'600'000'000},
                    [](absl::StatusOr<AppendOutcome>) {});
  }

  void Run(Input input) {
    for (size_t count = 0; !input.empty() && count < kRequestsMax; ++count) {
      const absl::string_view text = input.TakeUntil("\n%\n");
      Input request(reinterpret_cast<const uint8_t*>(text.data()), text.size());
      const absl::string_view line = request.TakeUntil("\n");
      const size_t space = line.find(' ');
      if (space == absl::string_view::npos) continue;
      Ask(line.substr(0, space), line.substr(space + 1), request.rest());
    }
  }

 private:
  void Ask(absl::string_view method, absl::string_view path, absl::string_view body) {
    const std::string target = absl::StrCat("/v1/admin/", path);
    const http::Response response = handler_.Handle({method, target, {}}, body);
    Expect(response.status >= 200 && response.status < 600, "a status is one of HTTP's");
    if (response.status >= 400) {
      const Json answer = Json::parse(response.body, nullptr, false);
      Expect(answer.is_object() && answer.value("error", Json()).is_string(),
             "a refusal has a sentence");
      return;
    }
    for (Input lines(reinterpret_cast<const uint8_t*>(response.body.data()), response.body.size());
         !lines.empty();) {
      Expect(!Json::parse(lines.TakeUntil("\n"), nullptr, false).is_discarded(),
             "an answer is JSON, line by line");
    }
  }

  admin::WholeParts parts_;
  memory_storage::MemoryStorage storage_;
  admin::AdminHandler handler_{parts_.Common(), parts_.EngineOver(storage_)};
};

}  // namespace
}  // namespace tcsync::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tcsync::fuzz::Session().Run(tcsync::fuzz::Input(data, size));
  return 0;
}
