#include "server/administration/export_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "server/administration/interruption.h"
#include "server/concat.h"

namespace tcsync::server {

ExportOutput::ExportOutput(const std::string& path, bool can_take_back) : path_(path) {
  if (path_.empty()) {
    if (!can_take_back) return;
    spool_ = std::tmpfile();
    if (spool_ == nullptr) Fail();
    return;
  }
  part_path_ = Concat({path_, ".part"});
  // For its owner only: sealed or not, it is a person's history.
  const int descriptor = open(part_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) file_ = fdopen(descriptor, "w");
  if (file_ == nullptr) {
    throw Failure(kExitFailure, Concat({"cannot create ", part_path_, ": ",
                                        std::generic_category().message(errno)}));
  }
}

ExportOutput::~ExportOutput() {
  if (spool_ != nullptr) std::fclose(spool_);
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::remove(part_path_.c_str());
}

void ExportOutput::Fail() const {
  throw Failure(kExitFailure, Concat({"cannot write ", path_.empty() ? "the output" : path_, ": ",
                                      std::generic_category().message(errno)}));
}

void ExportOutput::Write(const std::string& text) {
  std::FILE* const out = file_ != nullptr ? file_ : spool_ != nullptr ? spool_ : stdout;
  if (std::fwrite(text.data(), 1, text.size(), out) != text.size()) Fail();
}

void ExportOutput::Keep() {
  if (file_ != nullptr) {
    kept_bytes_ = std::ftell(file_);
    if (kept_bytes_ < 0) Fail();
    return;
  }
  if (spool_ == nullptr) return;
  if (std::fflush(spool_) != 0 || std::fseek(spool_, 0, SEEK_SET) != 0) Fail();
  char buffer[64 * 1024];
  while (const size_t count = std::fread(buffer, 1, sizeof(buffer), spool_)) {
    if (std::fwrite(buffer, 1, count, stdout) != count) Fail();
  }
  if (std::ferror(spool_) != 0) Fail();
  TakeBack();
}

void ExportOutput::TakeBack() {
  std::FILE* const out = file_ != nullptr ? file_ : spool_;
  if (out == nullptr) return;
  if (std::fflush(out) != 0 || ftruncate(fileno(out), kept_bytes_) != 0 ||
      std::fseek(out, kept_bytes_, SEEK_SET) != 0) {
    Fail();
  }
}

void ExportOutput::Finish() {
  if (file_ == nullptr) {
    return FlushOutput();
  }
  std::FILE* const file = file_;
  file_ = nullptr;
  bool is_written = std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  if (std::fclose(file) != 0) is_written = false;
  if (!is_written || std::rename(part_path_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    std::remove(part_path_.c_str());
    errno = error;
    Fail();
  }
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const int directory =
      open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) Fail();
  const bool is_synced = fsync(directory) == 0;
  close(directory);
  if (!is_synced) Fail();
}

void ExportClient(AdminClient& client, const std::string& id, std::string after,
                  ExportOutput& output) {
  const std::string target = ClientTarget(id, "/export");
  do {
    EndIfInterrupted("the export is not complete");
    const AdminAnswer page =
        client.Request("GET", after.empty() ? target : Concat({target, "?after=", after}));
    if (page.status >= 300) {
      throw ClientNotExported(Concat({"client ", id, ": ", page.error()}));
    }
    output.Write(page.body);
    after = page.next_page;
  } while (!after.empty());
}

void CheckIsNew(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    throw Failure(kExitFailure, Concat({path, " exists already: name another file with --output"}));
  }
}

void ExportToNewFile(AdminClient& client, const std::string& id, const std::string& after,
                     const std::string& path) {
  CheckIsNew(path);
  CatchInterruptions();
  ExportOutput output(path, /*can_take_back=*/false);
  ExportClient(client, id, after, output);
  output.Finish();
}

std::string ExportFileName(const std::string& id, std::string_view what) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts);
  return Concat({id, "-", what, "-", text, ".jsonl"});
}

}  // namespace tcsync::server
