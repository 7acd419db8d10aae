// The commands `clients export` and `clients import`.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "server/administration/admin_client.h"
#include "server/administration/commands.h"
#include "server/administration/console.h"
#include "server/administration/import_pages.h"
#include "server/administration/interruption.h"
#include "server/concat.h"

namespace tcsync::server {
namespace {

// Where an export goes: standard output, or a file that gets its name when it is complete.
class ExportOutput {
 public:
  explicit ExportOutput(const std::string& path) : path_(path) {
    if (path_.empty()) return;
    part_path_ = Concat({path_, ".part"});
    // For its owner only: sealed or not, it is somebody's history.
    const int descriptor = open(part_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor >= 0) file_ = fdopen(descriptor, "w");
    if (file_ == nullptr) {
      throw Failure(kExitFailure, Concat({"cannot create ", part_path_, ": ",
                                          std::generic_category().message(errno)}));
    }
  }
  ExportOutput(const ExportOutput&) = delete;
  ExportOutput& operator=(const ExportOutput&) = delete;
  ~ExportOutput() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    std::remove(part_path_.c_str());
  }

  void Write(const std::string& text) {
    std::FILE* const out = file_ == nullptr ? stdout : file_;
    if (std::fwrite(text.data(), 1, text.size(), out) != text.size()) Fail();
  }

  void Finish() {
    if (file_ == nullptr) {
      if (std::fflush(stdout) != 0) Fail();
      return;
    }
    std::FILE* const file = file_;
    file_ = nullptr;
    if (std::fclose(file) != 0 || std::rename(part_path_.c_str(), path_.c_str()) != 0) {
      const int error = errno;
      std::remove(part_path_.c_str());
      errno = error;
      Fail();
    }
  }

 private:
  [[noreturn]] void Fail() const {
    throw Failure(kExitFailure, Concat({"cannot write ", path_.empty() ? "the output" : path_, ": ",
                                        std::generic_category().message(errno)}));
  }

  const std::string path_;
  std::string part_path_;
  std::FILE* file_ = nullptr;
};

void ExportClient(AdminClient& client, const std::string& id, ExportOutput& output) {
  const std::string target = Concat({"clients/", id, "/export"});
  std::string after;
  do {
    EndIfInterrupted("the export is not complete");
    const AdminAnswer page =
        client.Request("GET", after.empty() ? target : Concat({target, "?after=", after}));
    if (page.status >= 300) throw Failure(kExitFailure, page.error());
    output.Write(page.body);
    after = page.next_page;
  } while (!after.empty());
}

// Who is admitted: of one client, or with an empty ID all that the server knows.
void ExportAccess(AdminClient& client, const std::string& id, ExportOutput& output) {
  const AdminAnswer answer =
      client.Request("GET", Concat({"access/export", id.empty() ? "" : "?client=", id}));
  if (answer.status >= 300) throw Failure(kExitFailure, answer.error());
  output.Write(answer.body);
}

// Asks once whether clients that are here already may be added to.
class ExistingClients {
 public:
  ExistingClients(AdminClient& client, const AdminArguments& arguments)
      : client_(client), arguments_(arguments) {}

  void Check(const std::string& id) {
    // Each page of an export begins with the line again, when its first versions are here already.
    if (is_agreed_ || arguments_.Has("yes") || id == last_id_) return;
    last_id_ = id;
    if (client_.Request("GET", Concat({"clients/", QueryValue(id)})).status != 200) return;
    Confirm(arguments_, Concat({"Client ", id,
                                " is here already. Add what is missing of it, and of others "
                                "that are here?"}));
    is_agreed_ = true;
  }

 private:
  AdminClient& client_;
  const AdminArguments& arguments_;
  std::string last_id_;
  bool is_agreed_ = false;
};

}  // namespace

void ExportClients(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  if (arguments.operands.empty() != arguments.Has("all")) {
    throw Failure(kExitUsage, "clients export needs either a client or --all");
  }
  AdminClient client(command_line.settings, DataDirectory::kMustExist);
  std::string only;
  if (!arguments.Has("all")) {
    only = ResolveClient(client, arguments.operands[0]);
    client.Get(Concat({"clients/", only}));  // says when there is none, before a file is made
  }
  ExportOutput output(arguments.Value("output"));
  CatchInterruptions();
  if (!only.empty()) {
    ExportClient(client, only, output);
  } else {
    const uint64_t total = client.Get("stats").at("clients").get<uint64_t>();
    uint64_t done = 0;
    ProgressLine progress("export");
    client.WalkPages("GET", "clients", {}, "the export is not complete", [&](const Json& page) {
      for (const Json& entry : page.at("clients")) {
        ExportClient(client, entry.at("client_id").get<std::string>(), output);
        progress.Show(++done, total);
      }
      return true;
    });
  }
  ExportAccess(client, only, output);
  output.Finish();
}

void ImportClients(const CommandLine& command_line) {
  const AdminArguments& arguments = command_line.admin;
  const std::string path = arguments.operands.empty() ? "-" : arguments.operands[0];
  std::ifstream file;
  uint64_t bytes_total = 0;
  if (path != "-") {
    std::error_code error;
    const bool is_directory = std::filesystem::is_directory(path, error);
    file.open(path, std::ios::binary);
    if (is_directory || !file) {
      throw Failure(kExitFailure, Concat({"cannot read ", path, ": ",
                                          is_directory ? "it is a directory"
                                                       : std::generic_category().message(errno)}));
    }
    bytes_total = std::filesystem::file_size(path, error);
    if (error) bytes_total = 0;
  }
  std::istream& input = path == "-" ? std::cin : file;
  const std::string name = path == "-" ? "standard input" : path;

  AdminClient client(command_line.settings, DataDirectory::kMayBeNew);
  ExistingClients existing(client, arguments);
  ImportPages pages(client);
  ProgressLine progress("import");
  std::string line;
  uint64_t line_number = 0;
  uint64_t bytes_done = 0;
  while (std::getline(input, line)) {
    ++line_number;
    bytes_done += line.size() + 1;
    const std::string where = Concat({"line ", std::to_string(line_number), " of ", name});
    // Only the short lines can be a client's; what is wrong with others, the server says.
    constexpr size_t kClientLineBytesMax = 1024;
    const Json parsed = line.size() > kClientLineBytesMax
                            ? Json()
                            : Json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool is_client = parsed.is_object() && parsed.contains("type") &&
                           parsed["type"] == "client" && parsed.contains("client_id") &&
                           parsed["client_id"].is_string();
    if (is_client) {
      const std::string id = parsed["client_id"].get<std::string>();
      existing.Check(id);
      CatchInterruptions();
      pages.AddClient(line, where);
    } else {
      pages.AddLine(line, where);
    }
    progress.Show(bytes_done, bytes_total);
    EndIfInterrupted(Concat(
        {"stored is ", pages.totals().Sentence(), "; importing the same again adds the rest"}));
  }
  EndIfInterrupted(Concat(
      {"stored is ", pages.totals().Sentence(), "; importing the same again adds the rest"}));
  if (input.bad()) throw Failure(kExitFailure, Concat({"cannot read ", name}));
  pages.Finish();
  if (arguments.Has("json")) return PrintJson(pages.totals().json());
  std::printf("%s\n", pages.totals().Sentence().c_str());
}

}  // namespace tcsync::server
