// Where an export goes, and how a client is written there.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_EXPORT_OUTPUT_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_EXPORT_OUTPUT_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "server/administration/admin_client.h"

namespace tcsync::server {

// Standard output, or a file that gets its name when it is complete and on the disk.
class ExportOutput {
 public:
  // An empty path: standard output. `can_take_back`: TakeBack() will be called.
  ExportOutput(const std::string& path, bool can_take_back);
  ExportOutput(const ExportOutput&) = delete;
  ExportOutput& operator=(const ExportOutput&) = delete;
  ~ExportOutput();

  void Write(const std::string& text);

  // From the last Keep() on, what was written can be taken back.
  void Keep();
  void TakeBack();

  void Finish();

 private:
  [[noreturn]] void Fail() const;

  const std::string path_;
  std::string part_path_;
  std::FILE* file_ = nullptr;   // null: standard output
  std::FILE* spool_ = nullptr;  // before standard output, which takes nothing back
  long kept_bytes_ = 0;
};

// The server could not give out a client, which is named.
class ClientNotExported : public Failure {
 public:
  explicit ClientNotExported(const std::string& message) : Failure(kExitFailure, message) {}
};

// Writes one client, from the version behind `after` on; empty: all of it. Throws Failure.
void ExportClient(AdminClient& client, const std::string& id, std::string after,
                  ExportOutput& output);

// The present state of a client, or its end, in a new file of that name. Throws Failure, also when
// there is such a file.
void ExportToNewFile(AdminClient& client, const std::string& id, const std::string& after,
                     const std::string& path);

// "ID-WHAT-20260131T170509Z.jsonl", for a file that nobody named.
std::string ExportFileName(const std::string& id, std::string_view what);

// Throws Failure when the path is taken.
void CheckIsNew(const std::string& path);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_EXPORT_OUTPUT_H_
