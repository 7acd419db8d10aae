// The commands' dialogue with people: tables, sizes, ages, progress, confirmation.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_CONSOLE_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_CONSOLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/administration/command_table.h"

namespace tcsync::server {

// "0 B", "512 B", "1.4 MiB".
std::string HumanBytes(uint64_t bytes);

// The time since then: "now", "5 minutes", "3 days"; "-" for 0.
std::string HumanAge(int64_t unix_seconds);

// "2026-01-31 17:05:09 UTC"; "-" for 0.
std::string HumanTime(int64_t unix_seconds);

// The day of HumanTime, "2026-01-31".
std::string HumanDay(int64_t unix_seconds);

// "1 client", "2 clients".
std::string Counted(uint64_t count, std::string_view thing);

// Text in aligned columns, each row in one line, on standard output. Columns of numbers are aligned
// on the right.
class Table {
 public:
  struct Column {
    std::string heading;
    bool is_number = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void Add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  void Print() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// One line of progress on standard error; nothing unless that is a terminal. The line is erased
// when this object is destroyed.
class ProgressLine {
 public:
  explicit ProgressLine(std::string_view what);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Changes the name of the work.
  void SetWhat(std::string_view what);

  // `total` 0: it is unknown. Both 0: the progress as well.
  void Show(uint64_t done, uint64_t total);

 private:
  std::string what_;
  const bool is_shown_;
  int last_percent_ = -1;
};

// Throws Failure when a part of standard output could not be written, as on a full disk.
void FlushOutput();

// The absolute form, for a server that may run in another directory. Throws Failure.
std::string AbsolutePath(const std::string& path);

// Returns when a person agrees or --yes was given; otherwise throws Failure. `question` ends with a
// question mark.
void Confirm(const AdminArguments& arguments, std::string_view question);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_CONSOLE_H_
