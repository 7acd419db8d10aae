#include "server/administration/import_file.h"

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <system_error>

#include "server/administration/console.h"
#include "server/administration/interruption.h"
#include "server/concat.h"

namespace tcsync::server {

ImportTotals ImportLines(AdminClient& client, std::istream& input, const std::string& name,
                         uint64_t bytes_total,
                         const std::function<void(const std::string& id)>& before_client) {
  ImportPages pages(client);
  ProgressLine progress("import");
  std::string line;
  uint64_t line_number = 0;
  uint64_t bytes_done = 0;
  const auto end_if_interrupted = [&] {
    EndIfInterrupted(Concat(
        {"stored is ", pages.totals().Sentence(), "; importing the same again adds the rest"}));
  };
  while (std::getline(input, line)) {
    ++line_number;
    bytes_done += line.size() + 1;
    const std::string where = Concat({"line ", std::to_string(line_number), " of ", name});
    // Only short lines can be a client's; the server reports the faults of others.
    constexpr size_t kClientLineBytesMax = 1024;
    const Json parsed = line.size() > kClientLineBytesMax
                            ? Json()
                            : Json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool is_client = parsed.is_object() && parsed.contains("type") &&
                           parsed["type"] == "client" && parsed.contains("client_id") &&
                           parsed["client_id"].is_string();
    if (is_client) {
      before_client(parsed["client_id"].get<std::string>());
      CatchInterruptions();
      pages.AddClient(line, where);
    } else {
      pages.AddLine(line, where);
    }
    progress.Show(bytes_done, bytes_total);
    end_if_interrupted();
  }
  end_if_interrupted();
  if (input.bad()) throw Failure(kExitFailure, Concat({"cannot read ", name}));
  pages.Finish();
  return pages.totals();
}

ImportTotals ImportFile(AdminClient& client, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Failure(kExitFailure,
                  Concat({"cannot read ", path, ": ", std::generic_category().message(errno)}));
  }
  return ImportLines(client, file, path, 0, [](const std::string&) {});
}

}  // namespace tcsync::server
