#include "admin/export_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "admin/export_pages.h"
#include "base/limits.h"

namespace tcsync::admin {
namespace {

// A file that gets its name once it is complete.
class NewFile {
 public:
  static absl::StatusOr<NewFile> Create(const std::string& path) {
    std::error_code error;
    if (std::filesystem::exists(path, error)) {
      return absl::AlreadyExistsError(absl::StrCat(path, " exists already: name another file"));
    }
    NewFile file(path);
    file.descriptor_ =
        open(file.part_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file.descriptor_ < 0) return file.Error("create");
    return file;
  }
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)),
        part_path_(std::move(other.part_path_)),
        descriptor_(std::exchange(other.descriptor_, -1)),
        bytes_(other.bytes_) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    std::remove(part_path_.c_str());
  }

  uint64_t bytes() const { return bytes_; }

  absl::Status Write(absl::string_view text) {
    while (!text.empty()) {
      const ssize_t count = write(descriptor_, text.data(), text.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error("write to");
      bytes_ += static_cast<uint64_t>(count);
      text.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  // Removes the part behind `bytes`.
  absl::Status CutTo(uint64_t bytes) {
    const auto end = static_cast<off_t>(bytes);
    if (ftruncate(descriptor_, end) != 0 || lseek(descriptor_, end, SEEK_SET) != end) {
      return Error("shorten");
    }
    bytes_ = bytes;
    return absl::OkStatus();
  }

  absl::Status Finish() {
    if (fsync(descriptor_) != 0) return Error("sync");
    if (std::rename(part_path_.c_str(), path_.c_str()) != 0) return Error("rename");
    close(std::exchange(descriptor_, -1));
    const std::string parent = std::filesystem::path(path_).parent_path().string();
    const int directory = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return Error("sync the directory of");
    const bool synced = fsync(directory) == 0;
    close(directory);
    return synced ? absl::OkStatus() : Error("sync the directory of");
  }

 private:
  explicit NewFile(std::string path) : path_(std::move(path)), part_path_(path_ + ".part") {}

  absl::Status Error(absl::string_view action) const {
    const std::string sentence = absl::StrCat("cannot ", action, " ", part_path_, ": ",
                                              std::generic_category().message(errno));
    return errno == ENOSPC ? absl::ResourceExhaustedError(sentence) : absl::UnknownError(sentence);
  }

  std::string path_;
  std::string part_path_;
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

// The pages of one client.
absl::Status WriteClient(Storage& storage, const ClientSummary& client, NewFile& file) {
  std::optional<std::string> position;
  do {
    absl::StatusOr<ExportedPage> page = ReadExportPage(storage, client, position);
    // The data may be damaged, so any error is taken for damage.
    if (!page.ok()) return absl::DataLossError(page.status().message());
    if (const absl::Status written = file.Write(page->lines); !written.ok()) return written;
    position = std::move(page->next_page);
  } while (position);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExtractedClient> ExportClientToFile(Storage& storage, const Uuid& client_id,
                                                   const std::string& output) {
  StorageAdministration& administration = storage.administration();
  const auto client = administration.FindClient(client_id);
  if (!client.ok()) return client.status();
  if (!client->has_value()) {
    return absl::NotFoundError(
        absl::StrCat("There is no client ", client_id.ToString(), " there."));
  }
  const absl::StatusOr<ChainReport> report = administration.VerifyChain(client_id);
  if (!report.ok()) return report.status();
  if (!report->problems.empty()) {
    return absl::DataLossError(absl::StrCat("client ", client_id.ToString(),
                                            " is damaged there: ", report->problems.front()));
  }
  const auto first = administration.ListVersions(client_id, 0, 1);
  if (!first.ok()) return first.status();
  if (first->empty()) return absl::DataLossError("the client has no version there");
  absl::StatusOr<NewFile> file = NewFile::Create(output);
  if (!file.ok()) return file.status();
  if (const absl::Status written = WriteClient(storage, **client, *file); !written.ok()) {
    return written;
  }
  if (const absl::Status finished = file->Finish(); !finished.ok()) return finished;
  ExtractedClient extracted;
  extracted.versions = (*client)->version_count();
  extracted.first_version_id = first->front().version_id;
  extracted.latest_version_id = (*client)->latest_version_id;
  extracted.latest_appended_unix_seconds = (*client)->latest_appended_unix_seconds;
  if ((*client)->snapshot) extracted.snapshot_version_id = (*client)->snapshot->version_id;
  return extracted;
}

absl::StatusOr<SalvageReport> ExportWholeClientsToFile(Storage& storage,
                                                       const std::string& output) {
  StorageAdministration& administration = storage.administration();
  absl::StatusOr<NewFile> file = NewFile::Create(output);
  if (!file.ok()) return file.status();
  SalvageReport report;
  std::optional<Uuid> after;
  for (;;) {
    const auto page = administration.ListClients(after, base::kAdminPageClients);
    if (!page.ok()) return page.status();
    if (page->empty()) break;
    for (const ClientSummary& client : *page) {
      after = client.client_id;
      const absl::StatusOr<ChainReport> chain = administration.VerifyChain(client.client_id);
      std::vector<std::string> problems =
          chain.ok() ? chain->problems
                     : std::vector<std::string>{std::string(chain.status().message())};
      if (problems.empty() && !client.problem.empty()) problems.push_back(client.problem);
      const uint64_t bytes_before = file->bytes();
      if (problems.empty()) {
        const absl::Status written = WriteClient(storage, client, *file);
        if (absl::IsDataLoss(written)) {
          problems.emplace_back(written.message());
          if (const absl::Status cut = file->CutTo(bytes_before); !cut.ok()) return cut;
        } else if (!written.ok()) {
          return written;
        }
      }
      if (problems.empty()) {
        ++report.exported;
        report.versions += chain->versions;
      } else {
        report.skipped.push_back({client.client_id, std::move(problems)});
      }
    }
  }
  const absl::StatusOr<ExportedPage> access = ReadAccessPage(administration, std::nullopt);
  if (access.ok()) {
    if (const absl::Status written = file->Write(access->lines); !written.ok()) return written;
  } else {
    report.damage.push_back(
        absl::StrCat("bans, tokens and invites cannot be read: ", access.status().message()));
  }
  if (const absl::Status finished = file->Finish(); !finished.ok()) return finished;
  return report;
}

}  // namespace tcsync::admin
