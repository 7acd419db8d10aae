// The destination of an export, and the writing of a client to it.
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

  // Output after the last Keep() can be taken back.
  void Keep();
  void TakeBack();

  void Finish();

 private:
  [[noreturn]] void Fail() const;

  const std::string path_;
  std::string part_path_;
  std::FILE* file_ = nullptr;   // null: standard output
  std::FILE* spool_ = nullptr;  // for standard output, which cannot be taken back
  long kept_bytes_ = 0;
};

// The server could not export a client, which the message names.
class ClientNotExported : public Failure {
 public:
  explicit ClientNotExported(const std::string& message) : Failure(kExitFailure, message) {}
};

// Writes one client, from the version after `after` on; empty: all of it. Throws Failure.
void ExportClient(AdminClient& client, const std::string& id, std::string after,
                  ExportOutput& output);

// The present state of a client, or its end, in a new file of that name. Throws Failure, also for
// an existing file.
void ExportToNewFile(AdminClient& client, const std::string& id, const std::string& after,
                     const std::string& path);

// "ID-WHAT-20260131T170509Z.jsonl", for a file without a given name.
std::string ExportFileName(const std::string& id, std::string_view what);

// Throws Failure when the path is taken.
void CheckIsNew(const std::string& path);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_EXPORT_OUTPUT_H_
